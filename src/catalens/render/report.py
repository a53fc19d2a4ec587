"""Render one self-contained HTML page of tags, their accuracy, and search results."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import ImageOps

from catalens.core.errors import ImageError
from catalens.core.images import Source, read_image

if TYPE_CHECKING:
    from catalens.render.plots import Plot

_THUMB_WH = (240, 320)


@dataclass(frozen=True, slots=True)
class Answer:
    """One predicted attribute of a picture.

    Attributes:
        name: of the attribute, such as "type".
        value: the prediction.
        score: confidence, 0 … 1.
        truth: the true value; None if it is not known.
    """

    name: str
    value: str
    score: float
    truth: str | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with what is said of it.

    Attributes:
        picture: shown small.
        title: under it.
        answers: predictions.
        score: such as the cosine of a search result.
        texts: (name, text) pairs, such as ("caption", "a red shirt").
    """

    picture: Source
    title: str
    answers: Sequence[Answer] = ()
    score: float | None = None
    texts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A small table: a title, column heads, and rows of as many cells."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class SearchRow:
    """A query and its hits, best first."""

    query: str
    hits: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter of the page.

    Attributes:
        title: of the chapter.
        about: a sentence or two under it.
        plots: drawn by `catalens.render.plots`.
        tables: such as confusions.
        pictures: such as errors.
        pictures_title: over them.
        searches: queries with their hits.
    """

    title: str
    about: str = ""
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    pictures_title: str = ""
    searches: Sequence[SearchRow] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything on the page.

    Attributes:
        title: of the page.
        about: a sentence or two under it.
        numbers: (name, value) pairs for the top, such as ("pictures", "60").
        tables: such as the accuracy of each attribute.
        searches: queries with their hits.
        pictures: every picture with its predictions.
        sections: chapters, after the tables.
    """

    title: str
    about: str = ""
    numbers: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    searches: Sequence[SearchRow] = ()
    pictures: Sequence[Picture] = ()
    sections: Sequence[Section] = ()


def render_report(report: Report) -> str:
    """Return the page as HTML, pictures inlined: one file, no script, nothing fetched.

    A picture that cannot be read is shown as a grey box with the reason.
    """
    parts = [
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(report.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>",
        f"<h1>{escape(report.title)}</h1>",
        f"<p class='about'>{escape(report.about)}</p>" if report.about else "",
        _numbers(report.numbers),
        _tables(report.tables),
        *map(_section, report.sections),
        "<h2>Searches</h2>" if report.searches else "",
        *map(_search, report.searches),
        "<h2>Pictures</h2>" if report.pictures else "",
        _grid(report.pictures),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _section(section: Section) -> str:
    plots = "".join(
        f"<figure class='plot'>{plot.svg}<figcaption>{escape(plot.caption)}</figcaption></figure>\n"
        for plot in section.plots
    )
    return "\n".join(
        [
            f"<section class='chapter'><h2>{escape(section.title)}</h2>",
            f"<p class='about'>{escape(section.about)}</p>" if section.about else "",
            f"<div class='plots'>{plots}</div>" if plots else "",
            _tables(section.tables),
            f"<h3>{escape(section.pictures_title)}</h3>" if section.pictures and section.pictures_title else "",
            _grid(section.pictures),
            *map(_search, section.searches),
            "</section>",
        ]
    )


def _tables(tables: Sequence[Table]) -> str:
    return f"<section class='tables'>{''.join(map(_table, tables))}</section>" if tables else ""


def _grid(pictures: Sequence[Picture]) -> str:
    return f"<section class='grid'>{''.join(map(_card, pictures))}</section>" if pictures else ""


def _numbers(numbers: Sequence[tuple[str, str]]) -> str:
    boxes = (f"<div><dd>{escape(much)}</dd><dt>{escape(what)}</dt></div>" for what, much in numbers)
    return f"<dl class='numbers'>{''.join(boxes)}</dl>" if numbers else ""


def _table(table: Table) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in table.heads)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in table.rows)
    caption = f"<caption>{escape(table.title)}</caption>"
    return f"<table>{caption}\n<thead><tr>{heads}</tr></thead>\n<tbody>{rows}</tbody></table>\n"


def _search(row: SearchRow) -> str:
    hits = "".join(map(_card, row.hits)) or "<p class='about'>nothing found</p>"
    return f"<h3>“{escape(row.query)}”</h3>\n<section class='row'>{hits}</section>"


def _card(picture: Picture) -> str:
    score = f"<span class='score'>{picture.score:.3f}</span>" if picture.score is not None else ""
    texts = (f"<li class='text'><span class='name'>{escape(n)}</span> {escape(text)}</li>" for n, text in picture.texts)
    said = "".join([*map(_answer, picture.answers), *texts])
    return (
        f"<figure>{_image(picture)}<figcaption><b>{escape(picture.title)}</b>{score}"
        f"{f'<ul>{said}</ul>' if said else ''}</figcaption></figure>\n"
    )


def _answer(answer: Answer) -> str:
    if answer.truth is None:
        verdict, remark = "open", ""
    elif answer.truth == answer.value:
        verdict, remark = "right", ""
    else:
        verdict, remark = "wrong", f" <small>is {escape(answer.truth)}</small>"
    share = round(100 * min(1.0, max(0.0, answer.score)))
    return (
        f"<li class='{verdict}'><span class='name'>{escape(answer.name)}</span> {escape(answer.value)}{remark}"
        f"<span class='percent'>{share} %</span><i style='width:{share}%'></i></li>"
    )


def _image(picture: Picture) -> str:
    try:
        thumbnail = ImageOps.contain(read_image(picture.picture, at_least=_THUMB_WH), _THUMB_WH)
    except ImageError as error:
        return f"<div class='broken'>{escape(str(error))}</div>"
    stream = BytesIO()
    thumbnail.save(stream, "JPEG", quality=85)
    content = base64.b64encode(stream.getvalue()).decode("ascii")
    return f"<img alt='{escape(picture.title)}' src='data:image/jpeg;base64,{content}'>"


_STYLE = """
:root { color-scheme: light dark; --page: #f4f5f7; --card: #fff; --ink: #1c2430; --soft: #667085; --line: #dfe3e8;
  --accent: #2f6fde; --right: #1a8754; --wrong: #c2372e; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --card: #1e232b; --ink: #e8ebf0; --soft: #98a2b3;
  --line: #323944; --accent: #6b9bff; --right: #4cc38a; --wrong: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { margin: 0 0 4px; font-size: 30px; } h2 { margin: 40px 0 12px; } h3 { margin: 24px 0 8px; font-weight: 600; }
.about { color: var(--soft); margin: 0 0 20px; max-width: 70ch; }
.numbers { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0; }
.numbers div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 18px; }
.numbers dd { margin: 0; font-size: 24px; font-weight: 650; } .numbers dt { color: var(--soft); font-size: 13px; }
.tables { display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start; }
table { border-collapse: collapse; background: var(--card); border: 1px solid var(--line); }
caption { text-align: left; font-weight: 600; padding: 6px 0; }
th, td { padding: 6px 11px; text-align: left; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 500; font-size: 13px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 14px; }
.row { display: flex; gap: 14px; overflow-x: auto; padding-bottom: 8px; } .row figure { flex: 0 0 160px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
figure img { display: block; width: 100%; aspect-ratio: 3 / 4; object-fit: contain; background: #fff; }
.broken { aspect-ratio: 3 / 4; padding: 14px; background: var(--line); color: var(--soft); font-size: 13px;
  overflow-wrap: anywhere; }
figcaption { padding: 10px 12px 12px; font-size: 14px; overflow-wrap: anywhere; }
.score { float: right; color: var(--soft); font-variant-numeric: tabular-nums; }
ul { list-style: none; margin: 8px 0 0; padding: 0; }
li { position: relative; padding: 4px 44px 6px 0; font-size: 13px; }
li.text { padding-right: 0; }
li .name { color: var(--soft); } li .percent { position: absolute; right: 0; color: var(--soft); }
li i { display: block; height: 3px; border-radius: 2px; background: var(--accent); margin-right: -44px; }
.right i { background: var(--right); } .wrong i { background: var(--wrong); } .wrong small { color: var(--wrong); }
.chapter { border-top: 1px solid var(--line); margin-top: 40px; } .chapter h2 { margin-top: 24px; }
.plots { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; margin-bottom: 20px; }
.plot { max-width: 100%; background: #fff; color: #1c2430; padding: 10px; }
.plot svg { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.plot figcaption { color: #4c5665; max-width: 56ch; }
.chapter .tables { margin-bottom: 20px; } .tables { overflow-x: auto; }
@media print { :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb;
  --accent: #2f6fde; --right: #1a8754; --wrong: #c2372e; } main { max-width: none; padding: 0; }
  body { font-size: 11px; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .tables { overflow: visible; } th, td { padding: 3px 5px; font-size: 9.5px; }
  figure, tr, .numbers div { break-inside: avoid; } h2, h3, caption { break-after: avoid; }
  .grid { grid-template-columns: repeat(5, 1fr); } .row { flex-wrap: wrap; overflow: visible; } }
"""
