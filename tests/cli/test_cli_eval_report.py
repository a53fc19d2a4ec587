"""`catalens eval … --report`: one file with the command's own numbers, their uncertainty, and what went wrong."""

from __future__ import annotations

import csv
import html
import re
from pathlib import Path

import pytest

from catalens.cli import reporting
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


def test_the_report_is_one_file_that_fetches_nothing_and_trusts_no_text(
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


def test_worst_errors_are_shown_as_pictures_with_the_truth(run: Run, labelled: Path, tmp_path: Path) -> None:
    assert run("eval", "tags", labelled, "--report", tmp_path / "out.html").code == 0
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
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
