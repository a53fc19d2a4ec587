"""The edge itself: help that teaches, exit codes, pipes, terminals, and errors in one sentence."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.text import Text

from catalens.cli import app
from tests.support.ran import Run

CATALENS = [sys.executable, "-m", "catalens"]


def commands(group: Any, path: str = "") -> dict[str, Any]:
    """Return every command there is, by its full name."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        here = f"{path} {name}".strip()
        found |= commands(command, here) if hasattr(command, "commands") else {here: command}
    return found


EVERY_COMMAND = commands(typer.main.get_command(app))


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "CATALENS_MODEL": "fake", "OMP_NUM_THREADS": "1", **more}


def test_all_commands_are_there() -> None:
    assert {name.split()[0] for name in EVERY_COMMAND} == {
        *("demo", "tag", "attributes", "describe", "caption", "ask", "prompt", "restyle"),
        *("index", "search", "embed", "similarity", "eval", "models", "export", "enrich", "finetune", "review"),
        *("doctor", "serve", "ui", "package", "deploy", "transform", "undeploy", "deployments", "invoke", "train"),
    }
    assert {
        "tag learn",
        "search learn",
        "index add",
        "eval tags",
        "review fill",
        "review decide",
        "review export",
    } <= set(EVERY_COMMAND)


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_the_help_of_every_command_teaches_by_example(run: Run, name: str) -> None:
    ran = run(*name.split(), "--help")
    assert ran.code == 0
    said = " ".join(ran.out.split())
    assert "Examples:" in said
    assert f"catalens {name} " in said.split("Examples:")[1] + " "


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_every_example_is_understood(name: str) -> None:
    for line in Text.from_markup(EVERY_COMMAND[name].epilog).plain.splitlines()[1:]:
        for part in line.split(" | "):
            if part.strip().startswith(("curl ", "cat ")):
                continue
            words = shlex.split(part[part.index("catalens ") :])[1:]
            words = words[: words.index(">")] if ">" in words else words
            called = next(each for each in (" ".join(words[:2]), words[0]) if each in EVERY_COMMAND)
            EVERY_COMMAND[called].make_context(called, words[len(called.split()) :])


def test_the_first_help_page_names_exit_codes_and_variables(run: Run) -> None:
    said = " ".join(run("--help").out.split())
    assert "0 done · 1 some items failed · 2 wrong input · 3 the model or the catalogue failed" in said
    assert "4 a fault of Catalens itself" in said
    assert "CATALENS_CACHE" in said


def test_no_command_shows_help_and_a_wrong_one_is_corrected(run: Run) -> None:
    assert "Usage" in run().out + run().err
    ran = run("serach", "x")
    assert ran.code == 2
    assert "search" in ran.err


def test_the_version_is_the_package_s(run: Run) -> None:
    import catalens

    assert run("--version").out == f"catalens {catalens.__version__}\n"


def test_an_unknown_variable_is_refused_before_anything_is_done(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALENS_MODLE", "fake")
    ran = run("models")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean CATALENS_MODEL?" in ran.err


def test_an_unknown_model_ends_with_3_and_names_those_there_are(run: Run, photos: list[Path]) -> None:
    ran = run("tag", photos[0], "--labels", "a,b", "--model", "startre")
    assert (ran.code, ran.out) == (3, "")
    assert "starter" in ran.err
    assert ran.err.count("\n") == 1


def test_debugging_shows_the_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from catalens.core.errors import InputError

    monkeypatch.setenv("CATALENS_DEBUG", "1")
    with pytest.raises(InputError, match=r"there is no nobody\.jpg"):
        run("tag", "nobody.jpg")


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (
            "RuntimeError('the screw is loose')",
            4,
            "RuntimeError: the screw is loose\nerror: this is a fault of Catalens",
        ),
        ("UnicodeDecodeError('utf-8', b'x', 0, 1, 'odd')", 4, "a fault of Catalens; please report it"),
        ("OSError(28, 'No space left on device')", 4, "No space left on device"),
        ("KeyboardInterrupt()", 130, ""),
    ],
)
def test_a_fault_is_no_failed_item_and_shows_where_it_is(fault: str, code: int, said: str) -> None:
    program = f"""
from catalens.cli import inputs, main
def fail(*_): raise {fault}
inputs.entries = fail
main()
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, "tag", "photo.jpg"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert ("Traceback" in ran.stderr) is (code == 4)


def test_debugging_keeps_the_exit_code() -> None:
    ran = subprocess.run(
        [*CATALENS, "tag", "nobody.jpg"],
        capture_output=True,
        text=True,
        env=environment(CATALENS_DEBUG="1"),
        check=False,
    )
    assert ran.returncode == 2
    assert "Traceback" in ran.stderr
    assert "fault of Catalens" not in ran.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["embed", "photos", "--out", "no/vectors.npz"],
        ["similarity", "photos", "--plot", "no/heat.png"],
        ["tag", "learn", "products.csv", "--out", "no/learned.json"],
        ["eval", "attributes", "products.csv", "--reader", "fake", "--save", "no/sources.json"],
    ],
)
def test_a_place_that_cannot_be_written_is_named_before_any_work(
    run: Run, shop: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(shop)
    monkeypatch.setenv("CATALENS_MODEL", "not-even-loaded")
    ran = run(*command)
    assert (ran.code, ran.out) == (2, "")
    assert f"there is no folder no, so no {command[-1]}; make it, or name another" in ran.err


def test_a_pipe_gets_json_lines_and_messages_stay_out_of_it(broken: Path) -> None:
    ran = subprocess.run(
        [*CATALENS, "tag", str(broken), "--labels", "a,b"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert ran.returncode == 1
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [row["id"] for row in rows] == ["0.png", "1.png", "2.png"]
    assert "1 of 3 items failed" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_reader_that_stops_reading_is_no_error(shop: Path) -> None:
    pictures = " ".join([str(shop / "photos")] * 40)
    command = f"{' '.join(CATALENS)} tag {pictures} --labels a,b | head -1; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment(), check=True)
    row, code = ran.stdout.splitlines()
    assert json.loads(row)["tags"]
    assert code == "0"
    assert ran.stderr == ""


def test_a_person_at_a_terminal_gets_a_table(shop: Path) -> None:
    leader, follower = pty.openpty()
    ran = subprocess.run(
        [*CATALENS, "tag", str(shop / "photos"), "--labels", "a hat,a tie"],
        stdout=follower,
        stderr=subprocess.PIPE,
        env=environment(COLUMNS="100", TERM="xterm"),
        check=True,
    )
    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert "picture" in shown
    assert "000-tshirts.png" in shown
    assert "{" not in shown
    assert ran.stderr == b""


@pytest.mark.parametrize("command", [["remove", "000-tshirts"], ["graph"], ["graph", "--drop"]])
def test_what_became_of_a_catalogue_is_a_table_for_a_person(catalogue: Path, command: list[str]) -> None:
    leader, follower = pty.openpty()
    wide = environment(COLUMNS="200", TERM="xterm")
    arguments = [*CATALENS, "index", command[0], str(catalogue), *command[1:]]
    ran = subprocess.run(arguments, stdout=follower, stderr=subprocess.PIPE, env=wide, check=False)
    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert "records" in shown
    assert str(catalogue) in shown
    assert "{" not in shown
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_the_same_person_gets_json_lines_when_they_ask(shop: Path) -> None:
    leader, follower = pty.openpty()
    subprocess.run([*CATALENS, "models", "--json"], stdout=follower, env=environment(), check=True)
    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert [json.loads(line)["name"] for line in shown.splitlines()[:3]] == ["starter", "everyday", "fake"]


def test_words_are_utf_8_whatever_the_locale_is(shop: Path) -> None:
    photo = next((shop / "photos").iterdir())
    c_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "CATALENS_MODEL": "fake"}
    for words, code, said in (("été,夏".encode(), 0, r"\u00e9t\u00e9"), (b"\xe9t\xe9,cup", 2, "is not UTF-8 text")):
        ran = subprocess.run(
            [sys.executable, "-m", "catalens", "tag", str(photo), "--labels", words],
            env={**os.environ, **c_locale},
            capture_output=True,
            check=False,
        )
        assert ran.returncode == code
        assert said in (ran.stdout + ran.stderr).decode()


def test_a_file_whose_name_is_no_text_is_still_a_row(photos: list[Path], tmp_path: Path) -> None:
    strange = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(strange)).write_bytes(photos[0].read_bytes())
    ran = subprocess.run(
        [*CATALENS, "tag", strange, "--labels", "a,b"], capture_output=True, env=environment(), check=True
    )
    assert json.loads(ran.stdout)["id"] == os.fsdecode(strange)
