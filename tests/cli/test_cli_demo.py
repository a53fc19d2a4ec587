"""The demo, from drawing to report."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalens.core.errors import InputError
from catalens.core.images import read_image
from catalens.core.types import Hit, Record, Tag
from catalens.demo.folder import begin_folder, check_folder
from catalens.demo.report import DemoRun, Search, judge, queries_for, right_first
from catalens.tasks.attributes import Attribute
from tests.support.ran import Run


def read(group: str, value: str | None) -> Attribute:
    return Attribute(group, (Tag(value, 0.9),) if value else (), 0.9, (Tag("other", 0.1),))


@pytest.mark.slow
def test_the_demo_leaves_a_catalogue_a_sheet_and_a_page(run: Run, tmp_path: Path) -> None:
    ran = run("demo", "--out", tmp_path / "look", "--count", 17)
    assert ran.code == 0
    assert "first hit of the right type and colour" in ran.out
    assert {each.name for each in (tmp_path / "look").iterdir()} >= {
        *("demo.catalens", "pictures", "products.csv", "report.html", "sheet.png")
    }
    assert read_image(tmp_path / "look" / "sheet.png").width > 500
    page = (tmp_path / "look" / "report.html").read_text(encoding="utf-8")
    assert page.count("<figure>") >= 17
    assert run("index", "info", tmp_path / "look" / "demo.catalens").rows[0]["records"] == 17


@pytest.mark.slow
def test_the_demo_judges_against_what_was_drawn(run: Run, tmp_path: Path) -> None:
    rows = run("demo", "--out", tmp_path, "--count", 17, "--json").rows
    scores = {row["attribute"]: row for row in rows if "attribute" in row}
    assert scores["type"]["of"] == scores["colour"]["of"] == 17
    assert 0 < scores["pattern"]["of"] < 17
    assert all(row["right"] + row["unknown"] <= row["of"] for row in scores.values())
    assert rows[-1]["of"] == rows[-1]["searches"] > 0


def test_the_demo_takes_a_folder_of_yours_broken_pictures_included(run: Run, broken: Path, tmp_path: Path) -> None:
    ran = run("demo", "--pictures", broken, "--out", tmp_path / "look")
    assert ran.code == 1
    assert "1.png" in ran.err
    assert (tmp_path / "look" / "report.html").exists()
    assert not (tmp_path / "look" / "pictures").exists()


def test_the_demo_writes_over_an_earlier_one_and_over_nothing_else(run: Run, broken: Path, tmp_path: Path) -> None:
    look = tmp_path / "look"
    assert run("demo", "--pictures", broken, "--out", look).code == 1
    notes = [look / "demo.catalens-notes.txt", look / "demo.catalens.bak"]
    for note in notes:
        note.write_text("mine")
    assert run("index", "graph", look / "demo.catalens").code == 0
    assert run("demo", "--pictures", broken, "--out", look).code == 1
    assert [note.read_text() for note in notes] == ["mine", "mine"]
    assert not list(look.glob("*.hnsw"))


@pytest.mark.parametrize("names", [["products.csv"], ["report.html", "sheet.png"], ["demo.catalens"], ["a.txt"]])
def test_a_folder_of_somebody_s_own_is_refused_as_it_is(run: Run, tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("mine")
    ran = run("demo", "--out", tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert f"holds files that no demo made, such as {names[0]}; give --out a folder that is new" in ran.err
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == dict.fromkeys(names, "mine")
    assert "is a file" in run("demo", "--out", tmp_path / names[0]).err


def test_a_folder_of_a_demo_before_there_were_marks_is_known(tmp_path: Path) -> None:
    for name in ("demo.catalens", "report.html", "sheet.png", "products.csv"):
        (tmp_path / name).touch()
    (tmp_path / "pictures").mkdir()
    check_folder(tmp_path)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match=r"mine\.txt"):
        check_folder(tmp_path)
    begin_folder(tmp_path)
    check_folder(tmp_path)


def test_what_the_demo_made_is_none_of_the_pictures_that_it_looks_at(
    run: Run, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.png").write_bytes(photos[0].read_bytes())
    for _ in range(2):
        assert run("demo", "--pictures", ".").code == 0
        found = run("index", "list", "catalens-demo/demo.catalens").rows
        assert [row["id"] for row in found] == ["mine.png"]
    (tmp_path / "catalens-demo" / "pictures").mkdir()
    (tmp_path / "catalens-demo" / "pictures" / "1.png").write_bytes(photos[1].read_bytes())
    assert run("demo", "--pictures", "catalens-demo").code == 0
    assert [row["id"] for row in run("index", "list", "catalens-demo/demo.catalens").rows] == ["pictures/1.png"]


def test_right_wrong_and_unknown_are_counted_apart() -> None:
    records = [Record(name, f"{name}.png") for name in "abc"]
    answers = [{"type": read("type", "Caps")}, {"type": read("type", "Ties")}, {"type": read("type", None)}]
    seen = DemoRun("e", records, answers, [{"type": "Caps"}] * 3, [])
    (score,) = judge(seen)
    assert (score.right, score.unknown, score.of) == (1, 1, 3)


def test_a_search_is_right_if_its_first_hit_has_both_type_and_colour() -> None:
    truths = [{"type": "Caps", "colour": "Red"}, {"type": "Caps", "colour": "Blue"}]
    records = [Record("a", "a.png"), Record("b", "b.png")]
    searches = queries_for(truths)
    assert [each.query for each in searches] == ["red cap", "blue cap"]
    found = [Search(each.query, each.wanted, [Hit(records[0], 0.5)]) for each in searches]
    assert right_first(DemoRun("e", records, [{}, {}], truths, found)) == (1, 2)
