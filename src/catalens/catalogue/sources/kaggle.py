"""The layout of Kaggle's Fashion Product Images: `styles.csv`, `images/<id>.jpg`, perhaps `styles/<id>.json`.

Source: "Fashion Product Images Dataset" (Param Aggarwal, Kaggle). Some lines of its
`styles.csv` have bare commas in the last column, the title; they are put together again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from catalens.catalogue.sources.items import Item, Row, Source, flat_fields, plain_file
from catalens.catalogue.sources.numbers import Notation, number_columns, typed
from catalens.catalogue.sources.text import csv_header, csv_rows
from catalens.core.confinement import check_allowed
from catalens.core.errors import InputError
from catalens.core.json_text import parse_json

_STYLE_COLUMNS = ("brandName", "ageGroup", "price")
_BLOCKS = {"br", "p", "li", "ul", "ol", "div", "tr", "table", "h1", "h2", "h3", "h4"}
_UNSEEN = {"style", "script"}


def is_kaggle(folder: Path) -> bool:
    """Return whether a folder has this layout."""
    return os.path.isfile(folder / "styles.csv") and os.path.isdir(folder / "images")  # noqa: PTH112, PTH113 - never raise


def kaggle_source(folder: Path) -> Source:
    """Read the products of `styles.csv`, each with its picture and, where there is one, its JSON.

    Raises:
        InputError: there is no `styles.csv` with an `id` column, or no `images` folder.
    """
    table = folder / "styles.csv"
    if not is_kaggle(folder):
        raise InputError(f"{folder} has not the Kaggle fashion layout: styles.csv and a folder images are needed")
    header, _ = csv_header(table)
    if "id" not in header:
        raise InputError(f"{table} has no column 'id'; it has {', '.join(map(repr, header))}")
    fields = [name for name in header if name != "id"]
    numbers = cache(lambda: number_columns(csv_rows(table, repair=_join_title), fields))
    return Source(
        folder,
        "kaggle",
        lambda: csv_rows(table, repair=_join_title),
        lambda row: str(row.values["id"]).strip(),
        lambda row, id: _build(row, id, numbers()),
    )


def _join_title(header: Sequence[str], cells: Sequence[str]) -> Sequence[str]:
    """Put all surplus cells into the last column: its commas were never quoted."""
    last = len(header) - 1
    return cells if len(cells) <= last else [*cells[:last], ",".join(cells[last:])]


def _build(row: Row, id: str, numbers: Mapping[str, Notation]) -> Item:
    folder = row.file.parent
    picture = plain_file(folder / "images" / f"{id}.jpg")
    cells = typed({name: value for name, value in row.values.items() if name != "id" and value != "NA"}, numbers)
    style = folder / "styles" / f"{id}.json"
    return Item(id, picture, str(picture), flat_fields(cells | _style_fields(style)))


def _style_fields(path: Path) -> dict[str, object]:
    """Read what the product's own JSON adds: attributes by name, descriptions without HTML."""
    check_allowed(path)
    try:
        data = dict(parse_json(path.read_bytes())["data"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a product: {error!r}") from error
    fields: dict[str, object] = {name: data[name] for name in _STYLE_COLUMNS if name in data}
    attributes = data.get("articleAttributes")  # an empty list where there are none
    if isinstance(attributes, Mapping):
        fields |= {name: value for name, value in attributes.items() if value != "NA"}
    descriptors = data.get("productDescriptors")
    if isinstance(descriptors, Mapping):
        for name, descriptor in descriptors.items():
            value = descriptor.get("value") if isinstance(descriptor, Mapping) else descriptor
            fields[name] = plain_text(value) if isinstance(value, str) else value
    return fields


def plain_text(html: str) -> str:
    r"""Take the tags out of HTML; blocks become lines.

    >>> plain_text("<p>Blue &amp; white <b>tee</b></p><style>p {}</style><ul><li>Wash cold</ul>")
    'Blue & white tee\nWash cold'
    """
    reader = _TextReader()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line)


class _TextReader(HTMLParser):
    """Collects the words of a page that a reader would see."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self._unseen += tag in _UNSEEN
        self.parts.append("\n" if tag in _BLOCKS else "")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN and self._unseen > 0
        self.parts.append("\n" if tag in _BLOCKS else "")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(" ".join(data.split("\n")))
