"""`catalens eval … --report`: one file with the command's own numbers, their uncertainty, and what went wrong."""

from __future__ import annotations

import csv
import html
import re
from pathlib import Path

import pytest

from catalens.cli import reporting
from catalens.tasks.caption_metrics import cider
from tests.support.drawings import drawn
from tests.support.ran import Run

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("scipy", reason="scipy is not installed")


def rows_of(page: str, title: str) -> list[list[str]]:
    """Return the cells of the table of that title."""
    table = page[page.index(f"<caption>{title}</caption>") :]
    body = table[: table.index("</table>")]
    rows = re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)[1:]
    return [[html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", row)] for row in rows]


def number(cell: str) -> float | None:
    return None if cell == "–" else float(cell.split("\u00a0")[0].replace(",", ""))


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Sixteen drawn products, one of which has a title that is markup, and one a colour that no schema knows."""
    with (tmp_path / "products.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "title", "type", "colour"])
        for place, product in enumerate(drawn(16)):
            product.picture.resize((60, 80)).save(tmp_path / f"{place}.png")
            title = "<script>alert(1)</script>" if place == 0 else product.title
            colour = "octarine" if place == 1 else product.colour
            table.writerow([f"{place}.png", title, product.article_type, colour])
    return tmp_path / "products.csv"


def test_the_report_holds_the_numbers_of_the_command(run: Run, labelled: Path, tmp_path: Path) -> None:
    ran = run("eval", "tags", labelled, "--report", tmp_path / "out.html", "--json")
    assert ran.code == 0, ran.err
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    shown = {cells[0]: cells[1:] for cells in rows_of(page, "fake-16")}
    assert shown.keys() == {row["group"] for row in ran.rows} >= {"type", "colour"}
    for row in ran.rows:
        printed = [value if value is None else pytest.approx(value, abs=6e-4) for value in list(row.values())[1:]]
        assert [number(cell) for cell in shown[row["group"]]] == printed
    for cell in shown["type"][3:5]:
        value, low, high = map(float, re.findall(r"\d\.\d+", cell))
        assert low <= value <= high
    assert shown["colour"][1] == "1", "the unknown colour is counted as skipped"


def test_the_report_is_one_file_that_fetches_nothing_trusts_no_text_and_shows_the_worst_errors(
    run: Run, labelled: Path, tmp_path: Path
) -> None:
    assert run("eval", "tags", labelled, "--report", tmp_path / "out.html").code == 0
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    sources = re.findall(r"""(?:href|src)=["']([^"']+)""", page)
    assert all(each.startswith(("#", "data:image/jpeg;base64,")) for each in sources)
    assert "<script" not in page
    assert "@import" not in page
    assert page.count("<svg") >= 6  # confusion, reliability and precision of type and colour at least
    assert all('alt="' in tag or "alt='" in tag for tag in re.findall(r"<img[^>]*>", page))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "Errors of highest confidence" in page
    # The fake encoder knows nothing: there are errors, and each says what would have been right.
    assert page.count("data:image/jpeg") == page.count("<small>is ") > 0


def test_two_models_are_compared_row_by_row(run: Run, labelled: Path, tmp_path: Path) -> None:
    ran = run("eval", "tags", labelled, "--report", tmp_path / "out.html", "--against", "fake", "--json")
    assert ran.code == 0, ran.err
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    for cells in rows_of(page, "Second minus first"):
        assert cells[1:] == ["+0.000 (+0.000 to +0.000)", "0", "0", "1.000", "1.000"]


def test_a_picture_that_cannot_be_read_fails_once_though_two_models_read_it(
    run: Run, labelled: Path, tmp_path: Path
) -> None:
    (tmp_path / "3.png").write_bytes(b"no picture")
    for command in (["tags"], ["search"]):
        ran = run("eval", *command, labelled, "--report", tmp_path / "out.html", "--against", "fake", "--json")
        assert ran.code == 1
        assert sum("error" in row for row in ran.rows) == 1
        assert ran.err.count("failed: ") == 1
        assert "1 of 16 items failed" in ran.err


def test_tags_and_answers_are_compared_on_the_same_rows(run: Run, labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    ran = run("eval", "attributes", labelled, "--reader", "fake", "--report", out, "--json")
    assert ran.code == 0, ran.err
    page = out.read_text(encoding="utf-8")
    titles = re.findall(r"<caption>([^<]+)</caption>", page)[:2]
    tags, answers = ({cells[0]: cells for cells in rows_of(page, title)} for title in titles)
    for row in ran.rows:
        found = tags[row["group"]], answers[row["group"]]
        assert [number(cells[4]) for cells in found] == [
            pytest.approx(row[name], abs=6e-4) for name in ("tags", "answers")
        ]
        assert {int(cells[1]) for cells in found} == {row["rows"]}
    assert {cells[0] for cells in rows_of(page, "Second minus first")} == {row["group"] for row in ran.rows}


def test_the_search_report_holds_the_numbers_of_the_command(run: Run, labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    ran = run("eval", "search", labelled, "--report", out, "--against", "fake", "--json")
    assert ran.code == 0, ran.err
    [printed], page = ran.rows, out.read_text(encoding="utf-8")
    [shown] = rows_of(page, "fake-16")
    assert [number(cell) for cell in shown] == [pytest.approx(each, abs=0.06) for each in printed.values()]
    assert number(shown[2]) == pytest.approx(printed["recall_at_10"], abs=6e-4)
    assert "wanted, at rank" in page
    assert "“&lt;script&gt;alert(1)&lt;/script&gt;”" in page or "<script" not in page
    assert "Recall over the number of results" in page


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--against", "fake"], "name its file with --report"),
        (["--report", "no/such/folder/out.html"], "there is no folder"),
    ],
)
def test_what_cannot_be_reported_is_refused_before_the_work(
    run: Run, labelled: Path, flags: list[str], words: str
) -> None:
    for command in (["tags"], ["search"]):
        ran = run("eval", *command, labelled, *flags)
        assert (ran.code, ran.out) == (2, "")
        assert words in " ".join(ran.err.split())


def test_a_missing_library_is_named_with_its_extra(
    run: Run, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "find_spec", lambda name: None)
    ran = run("eval", "tags", labelled, "--report", tmp_path / "out.html")
    assert (ran.code, ran.out) == (2, "")
    assert 'pip install "catalens[report]"' in " ".join(ran.err.split())


BLIP = {"1": "a dog runs", "2": "two cats", "3": "<b>a</b> red car", "4": "a tree"}
OTHER = {"1": "a dog is running", "2": "a cat & two birds", "3": "a red car stands", "9": "nothing"}
PEOPLE = {
    "1": ["a dog is running", "the dog runs on grass"],
    "2": ["two cats sleep on a sofa"],
    "3": ["a red car stands in a street"],
    "4": ["an old tree in a field"],
}


@pytest.fixture
def captioned(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two tables of captions of four pictures, of which one is gone, and one of references."""
    for id, product in zip("123", drawn(3), strict=True):
        product.picture.resize((60, 80)).save(tmp_path / f"{id}.png")
    found = tmp_path / "blip.csv", tmp_path / "other.csv", tmp_path / "people.csv"
    references = {id: ";".join(texts) for id, texts in PEOPLE.items()}
    for path, name, rows in zip(found, ("caption", "caption", "references"), (BLIP, OTHER, references), strict=True):
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["image", name])
            table.writerows([f"{id}.png", text] for id, text in rows.items())
    return found


def test_captions_are_reported_with_intervals_and_the_worst_as_pictures(
    run: Run, captioned: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    blip, _, people = captioned
    ran = run("eval", "captions", blip, "--references", people, "--report", tmp_path / "out.html", "--json")
    assert ran.code == 0, ran.err
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<th>blip.csv</th>" in page
    shown = dict(rows_of(page, "Scores of all captions"))
    assert list(shown) == ["captions", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D", "ROUGE-L"]
    printed = [pytest.approx(value, abs=6e-4) for value in ran.rows[0].values()]
    assert [number(cell) for cell in shown.values()] == printed
    for cell in list(shown.values())[1:]:
        value, low, high = map(float, re.findall(r"\d+\.\d+", cell))
        assert low <= value <= high
    worst = page[page.index("Worst captions") :]
    worse = re.findall(r"<b>(\d)\.png</b><span class='score'>(\d\.\d+)</span>", worst)
    assert sorted(worse, key=lambda pair: float(pair[1])) == worse
    assert {id for id, _ in worse} == set("1234")
    assert worst.count("data:image/jpeg") == 3
    assert worst.count("<div class='broken'>") == 1
    assert "&lt;b&gt;a&lt;/b&gt; red car" in worst
    assert "<li class='text'><span class='name'>reference</span> the dog runs on grass</li>" in worst


def test_two_captioners_are_compared_on_the_pictures_that_both_describe(
    run: Run, captioned: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    blip, other, people = captioned
    words = ["eval", "captions", blip, "--references", people, "--report", tmp_path / "out.html", "--against", other]
    assert run(*words).code == 0
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert rows_of(page, "Scores of all captions")[0] == ["captions", "4", "3"]
    assert "3 pictures that both describe" in page
    compared = {row[0]: row[1:] for row in rows_of(page, "Second minus first")}
    assert list(compared) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D", "ROUGE-L"]
    ours, theirs = ([texts[id] for id in "123"] for texts in (BLIP, OTHER))
    references = [PEOPLE[id] for id in "123"]
    expected = cider(theirs, references) - cider(ours, references)
    assert float(compared["CIDEr-D"][0].split()[0]) == pytest.approx(expected, abs=6e-4)
    # Of three pairs there are eight ways to swap: a p below 1/4 cannot be had.
    assert float(compared["CIDEr-D"][1]) >= 0.2
    apart = page[page.index("Captions that differ most") : page.index("Worst captions")]
    assert "a cat &amp; two birds" in apart
    assert len(re.findall(r"<b>(\d)\.png</b>", apart)) == 3


def test_captions_of_other_pictures_are_refused(run: Run, captioned: tuple[Path, Path, Path], tmp_path: Path) -> None:
    blip, other, people = captioned
    other.write_text("image,caption\n9.png,nothing\n")
    words = ["eval", "captions", blip, "--references", people, "--against", other]
    refused = run(*words, "--report", tmp_path / "out.html")
    assert refused.code == 2
    assert "has no caption of a picture that" in refused.err
    assert not (tmp_path / "out.html").exists()
    assert "name its file with --report" in run(*words).err
