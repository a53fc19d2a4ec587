"""The demo's report: how often attributes and searches were right, and the pages to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalens.core.types import Hit, Record
    from catalens.render.report import Answer, Report, Table
    from catalens.tasks.attributes import Attributes

_MOST_QUERIES = 40
_SHEET_QUERIES = 6
_MOST_PICTURES = 300


@dataclass(frozen=True, slots=True)
class Search:
    """A query, the type and colour that it asks for, and its hits, best first."""

    query: str
    wanted: tuple[str, str]
    hits: Sequence[Hit] = ()


@dataclass(frozen=True, slots=True)
class DemoRun:
    """What a demo run found.

    Attributes:
        encoder_name: what encoded the pictures.
        records: n pictures.
        answers: attributes of each picture.
        truths: group → true value of each picture, empty where nothing is known.
        searches: queries with their hits.
    """

    encoder_name: str
    records: Sequence[Record]
    answers: Sequence[Attributes]
    truths: Sequence[Mapping[str, str]]
    searches: Sequence[Search]


@dataclass(frozen=True, slots=True)
class Score:
    """How often one attribute was right, and how often "unknown", of the pictures it is known for."""

    group: str
    right: int
    unknown: int
    of: int


def judge(run: DemoRun) -> list[Score]:
    """Compare answers with the truth, group by group; an attribute that was not read counts as unknown."""
    right: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    of: Counter[str] = Counter()
    for answers, truth in zip(run.answers, run.truths, strict=True):
        for group, value in truth.items():
            read = answers.get(group)
            of[group] += 1
            right[group] += read is not None and read.value == value
            unknown[group] += read is None or not read.values
    return [Score(group, right[group], unknown[group], total) for group, total in of.items()]


def score_rows(scores: Sequence[Score]) -> list[tuple[str, int, int, int, str]]:
    """Return the attribute, right, unknown, of, and the share that was right, of each score."""
    return [(each.group, each.right, each.unknown, each.of, f"{each.right / each.of:.0%}") for each in scores]


def answer_rows(run: DemoRun, most: int) -> list[tuple[str, str]]:
    """Return the title and the attributes of the first pictures."""
    from catalens.catalogue.display import title_of

    rows = []
    for record, answers in zip(run.records[:most], run.answers, strict=False):
        said = [f"{name}: {each.value} {each.confidence:.2f}" for name, each in answers.items() if each.values]
        rows.append((title_of(record), " · ".join(said) or "unknown"))
    return rows


def search_rows(run: DemoRun, most: int = 8) -> list[tuple[str, str]]:
    """Return the first queries and the titles of their best hits."""
    from catalens.catalogue.display import title_of

    return [(each.query, " · ".join(title_of(hit.record) for hit in each.hits[:3])) for each in run.searches[:most]]


def queries_for(run: Sequence[Mapping[str, str]]) -> list[Search]:
    """Make one query for each type in each of its colours, in the everyday words of the schema: "red t-shirt".

    Args:
        run: n times group → value, true or read.
    """
    from catalens.tasks.schema import load_schema

    wordings = {label.name: label.wordings[0] for label in load_schema("fashion").group("type").labels}
    pairs = Counter((each["type"], each["colour"]) for each in run if each.keys() >= {"type", "colour"})
    return [Search(f"{colour.lower()} {wordings.get(kind, kind)}", (kind, colour)) for kind, colour in pairs][
        :_MOST_QUERIES
    ]


def right_first(run: DemoRun) -> tuple[int, int]:
    """Count the searches whose first hit is truly of the type and colour asked for, and those that can be judged."""
    truths = {record.id: truth for record, truth in zip(run.records, run.truths, strict=True)}
    firsts = [(search, truths[search.hits[0].record.id]) for search in run.searches if search.hits]
    judged = [(search, truth) for search, truth in firsts if truth]
    return sum((truth["type"], truth["colour"]) == search.wanted for search, truth in judged), len(judged)


def write_pages(run: DemoRun, out: Path) -> list[Path]:
    """Write the contact sheet and the report into a folder, and return where they are."""
    from catalens.catalogue.display import picture_of, title_of
    from catalens.core.files import save_image_atomically, write_text_atomically
    from catalens.pipelines.hit_sheet import hit_cells
    from catalens.render.contact_sheet import Cell, contact_sheet
    from catalens.render.report import render_report

    cells = [cell for search in run.searches[:_SHEET_QUERIES] for cell in hit_cells(search.hits, search.query)]
    title = "Searches, a row each: best hits first"
    if not cells:
        title = "Pictures"
        cells = [Cell(picture_of(record), title_of(record)) for record in run.records[:_MOST_QUERIES]]
    sheet, page = out / "sheet.png", out / "report.html"
    save_image_atomically(contact_sheet(cells, title=title), sheet)
    write_text_atomically(page, render_report(_report(run)))
    return [sheet, page]


def _report(run: DemoRun) -> Report:
    from catalens.catalogue.display import picture_of, title_of
    from catalens.render.report import Picture, Report, SearchRow

    right, asked = right_first(run)
    numbers = [("pictures", str(len(run.records))), ("searches", str(len(run.searches)))]
    if asked:
        numbers.append(("first hits of the right type and colour", f"{right / asked:.0%}"))
    return Report(
        title="Catalens demo",
        about=f"What {run.encoder_name} read from {len(run.records)} pictures, and found among them.",
        numbers=numbers,
        tables=_tables(judge(run)),
        searches=[
            SearchRow(
                each.query, [Picture(picture_of(hit.record), title_of(hit.record), (), hit.score) for hit in each.hits]
            )
            for each in run.searches[:_SHEET_QUERIES]
        ],
        pictures=[
            Picture(picture_of(record), title_of(record), _answers(answers, truth))
            for record, answers, truth in zip(run.records[:_MOST_PICTURES], run.answers, run.truths, strict=False)
        ],
    )


def _tables(scores: Sequence[Score]) -> list[Table]:
    from catalens.render.report import Table

    rows = [tuple(map(str, row)) for row in score_rows(scores)]
    return [Table("Attributes", ("attribute", "right", "unknown", "of", "share"), rows)] if rows else []


def _answers(answers: Attributes, truth: Mapping[str, str]) -> list[Answer]:
    from catalens.render.report import Answer

    return [Answer(name, each.value, each.confidence, truth.get(name)) for name, each in answers.items()]
