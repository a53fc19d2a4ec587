"""`--root`: whatever a table, a folder, a pattern or a record names, nothing outside one folder is read or written."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from catalens.core.confinement import restrict_reading
from catalens.core.content import read_content
from catalens.core.errors import ImageError, InputError
from catalens.pipelines.session import Session, SessionConfig
from tests.support.ran import Run


@pytest.fixture(autouse=True)
def _unrestricted() -> object:
    yield
    restrict_reading(None)


@pytest.fixture
def uploads(shop: Path, tmp_path: Path) -> Path:
    """Uploads with one sound picture, beside a folder of secrets."""
    root, secret = tmp_path / "uploads", tmp_path / "secret"
    root.mkdir()
    secret.mkdir()
    picture = sorted((shop / "photos").iterdir())[0]
    for file in (root / "good.png", secret / "secret.png"):
        shutil.copy(picture, file)
    (root / "link.png").symlink_to(secret / "secret.png")
    (root / "folder").symlink_to(secret)
    return root


def table(file: Path, names: list[str]) -> Path:
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([["id", "image"], *([str(place), name] for place, name in enumerate(names))])
    return file


def hostile_names(root: Path) -> list[str]:
    secret = str(root.parent / "secret" / "secret.png")
    return [
        secret,
        "../secret/secret.png",
        "link.png",
        "folder/secret.png",
        "..\\secret\\secret.png",
        "../secret/no.png",
    ]


@pytest.mark.parametrize(
    "command",
    [
        ["tag", "TABLE", "--labels", "a,b", "--json"],
        ["embed", "TABLE", "--json"],
        ["--root", "ROOT", "caption", "TABLE", "--model", "fake", "--json"],
        ["index", "add", "OUT", "TABLE", "--json"],
    ],
)
def test_a_table_names_nothing_outside(run: Run, uploads: Path, tmp_path: Path, command: list[str]) -> None:
    names = hostile_names(uploads)
    places = {
        "TABLE": table(uploads / "table.csv", ["good.png", *names]),
        "ROOT": uploads,
        "OUT": tmp_path / "a.catalens",
    }
    arguments = [str(places.get(each, each)) for each in command]
    ran = run(*arguments, *([] if "--root" in arguments else ["--root", uploads]))
    assert ran.code == 1
    failed = [json.loads(line) for line in ran.out.splitlines() if '"error"' in line]
    assert len(failed) == len(names)
    for row in failed:
        assert f"outside {uploads}, which is all that may be read; move it there" in row["error"]


def test_what_is_inside_is_read(run: Run, uploads: Path) -> None:
    ran = run(
        "tag",
        table(uploads / "table.csv", ["good.png", str(uploads / "good.png")]),
        "--labels",
        "a,b",
        f"--root={uploads}",
    )
    assert ran.code == 0


def test_folders_and_patterns_do_not_lead_out(run: Run, uploads: Path) -> None:
    ran = run("tag", uploads, f"{uploads}/*/*.png", "--labels", "a,b", "--json", "--root", uploads)
    rows = {row["id"]: row for row in map(json.loads, ran.out.splitlines())}
    assert "tags" in rows["good.png"]
    assert [name for name, row in rows.items() if "error" not in row] == ["good.png"]
    assert len(rows) >= 3


def test_a_table_outside_is_refused(run: Run, uploads: Path) -> None:
    ran = run("tag", table(uploads.parent / "table.csv", ["uploads/good.png"]), "--labels", "a,b", "--root", uploads)
    assert (ran.code, ran.out) == (2, "")
    assert f"table.csv: outside {uploads}" in ran.err


def test_records_of_a_catalogue_name_nothing_outside(run: Run, uploads: Path, tmp_path: Path) -> None:
    catalogue = tmp_path / "a.catalens"
    assert run("index", "add", catalogue, uploads.parent / "secret").code == 0
    ran = run("search", catalogue, "red", "--sheet", tmp_path / "sheet.png", "--min-score", "-1", "--root", uploads)
    assert ran.code in (0, 1, 2)
    with pytest.raises(ImageError, match="outside"):
        read_content(str(uploads.parent / "secret" / "secret.png"), max_bytes=10**9)


def test_text_files_are_not_written_outside(run: Run, uploads: Path) -> None:
    """A link outside may lead to a picture inside, but not its sidecar."""
    outside = uploads.parent / "secret" / "way.png"
    outside.symlink_to(uploads / "good.png")
    arguments = ("caption", table(uploads / "table.csv", [str(outside)]), "--model", "fake", "--sidecar", ".txt")
    ran = run(*arguments, "--root", uploads)
    assert ran.code == 1
    assert not outside.with_suffix(".txt").exists()


def test_the_variable_does_the_same(run: Run, uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALENS_ROOT", str(uploads))
    ran = run("tag", uploads.parent / "secret" / "secret.png", "--labels", "a,b", "--json")
    assert ran.code == 1
    assert f"outside {uploads}" in json.loads(ran.out)["error"]
    assert run("tag", uploads / "good.png", "--labels", "a,b").code == 0


def test_a_root_that_is_not_there_is_named(run: Run, uploads: Path) -> None:
    ran = run("tag", uploads / "good.png", "--labels", "a,b", "--root", uploads / "none")
    assert (ran.code, ran.out) == (2, "")
    assert f"{uploads / 'none'} is not a folder" in ran.err


def test_a_session_in_another_process_is_restricted_too(uploads: Path) -> None:
    Session(SessionConfig(root=uploads))
    with pytest.raises(InputError, match="outside"):
        read_content(os.fspath(uploads.parent / "secret" / "secret.png"), max_bytes=10**9)
