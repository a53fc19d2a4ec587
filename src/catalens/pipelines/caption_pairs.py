"""Captions and reference captions from tables, joined for scoring."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalens.catalogue.sources import open_source
from catalens.catalogue.sources.cells import is_data_address
from catalens.catalogue.sources.formats import table_rows
from catalens.catalogue.sources.items import Item, Row
from catalens.core.errors import InputError
from catalens.core.json_text import parse_json
from catalens.core.types import Outcome

_CAPTION = ("caption", "captions")
_REFERENCES = ("references", "captions")


@dataclass(frozen=True, slots=True)
class CaptionPair:
    """A caption and the reference captions of the same picture.

    Attributes:
        id: of the picture, or the row's place where it has none.
        caption: what is scored.
        references: at least one.
        source: where the picture is, as the captioning command wrote it; None where it did not.
    """

    id: str
    caption: str
    references: Sequence[str]
    source: str | None = None


def caption_pairs(
    table: Path, references: Path | None = None, caption_column: str | None = None, reference_column: str | None = None
) -> tuple[list[CaptionPair], list[Outcome]]:
    """Return each caption of a table with its reference captions, and what lacks either.

    Args:
        table: CSV, JSON lines or parquet with the captions.
        references: another table with the reference captions, joined by `id`, else `image`; None takes the same table.
        caption_column: its name; None is caption, else captions.
        reference_column: its name; None is references, and in another table also captions.

    Raises:
        InputError: a table cannot be read, or no row of the references can be used.
    """
    caption_names = (caption_column,) if caption_column else _CAPTION
    # One table cannot mean both by `captions`.
    reference_names = (reference_column,) if reference_column else _REFERENCES if references else _REFERENCES[:1]
    people = _by_id(references, reference_names) if references else None
    pairs: list[CaptionPair] = []
    failures: list[Outcome] = []
    for row in table_rows(table):
        id = _id(row) or row.place
        try:
            caption = _texts(row, caption_names)[0]
            texts = _texts(row, reference_names, between=";") if people is None else people.get(id, [])
            if not texts:
                raise InputError(f"{references} says nothing of the id {id!r}")
            source = row.values.get("source")
            pairs.append(CaptionPair(id, caption, texts, source if isinstance(source, str) else None))
        except InputError as error:
            failures.append(Outcome(id, f"{row.file.name}, {row.place}: {error}"))
    return pairs, failures


def pairs_against(
    table: Path, other: Path, references: Path | None, caption_column: str | None, reference_column: str | None
) -> list[CaptionPair]:
    """Return the captions of another table with the references of the first one's; see `caption_pairs`.

    Raises:
        InputError: there are none of these pictures.
    """
    if references is None:
        # In one table with the captions, `captions` never means the references.
        references, reference_column = table, reference_column or _REFERENCES[0]
    pairs, _ = caption_pairs(other, references, caption_column, reference_column)
    if not pairs:
        raise InputError(f"{other} has no caption of a picture that {references} has references of")
    return pairs


def picture_sources(pairs: Collection[CaptionPair], *tables: Path) -> dict[str, str]:
    """Return where the pictures of some captions are, by id; those that no table names are left out."""
    found = {pair.id: pair.source for pair in pairs if pair.source}
    wanted = {pair.id for pair in pairs} - found.keys()
    for table in tables:
        with suppress(InputError):  # a table of texts alone names no pictures
            items = (each for each in (open_source(table) if wanted else ()) if isinstance(each, Item))
            found |= {item.id: item.source for item in items if item.id in wanted}
            wanted -= found.keys()
    return found


def _id(row: Row) -> str:
    """Return which picture a row is of, by its `id` or the `image` of a captioned table; empty where it has neither."""
    value, image = row.values.get("id"), row.values.get("image")
    if value is None and isinstance(image, str) and not is_data_address(image):
        value = image
    return "" if value is None else str(value).strip()


def _by_id(table: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the references of each id, several rows of one id together; rows without are left out.

    Raises:
        InputError: no row has an id and a reference; the message says what is wrong with the first.
    """
    found: dict[str, list[str]] = {}
    first_error: InputError | None = None
    for row in table_rows(table):
        try:
            texts = _texts(row, names, between=";")
            id = _id(row)
            if not id:
                raise InputError("there is no column id or image to join the tables by")
            found.setdefault(id, []).extend(texts)
        except InputError as error:
            first_error = first_error or InputError(f"{table}, {row.place}: {error}")
    if first_error and not found:
        raise first_error
    return found


def _texts(row: Row, names: Sequence[str], *, between: str | None = None) -> list[str]:
    """Read the texts of the first of some columns that the row has: a list, a JSON list, or a text.

    Args:
        row: of any table.
        names: of the columns, the likeliest first.
        between: what stands between several texts of one cell; None where a cell is one text.

    Raises:
        InputError: it has none of the columns, or no text is there.
    """
    if row.error:
        raise InputError(row.error)
    name = next((name for name in names if name in row.values), None)
    if name is None:
        raise InputError(f"there is no column {' or '.join(names)}, only {', '.join(row.values) or 'none'}")
    value = row.values[name]
    if isinstance(value, str):
        value = _listed(value) or (value.split(between) if between else [value])
    texts = [text.strip() for text in value if isinstance(text, str)] if isinstance(value, list) else []
    if not any(texts):
        raise InputError(f"column {name} holds no text")
    return [text for text in texts if text]


def _listed(cell: str) -> list[object] | None:
    """Read a cell that is a JSON list; None for every other, a sentence in brackets too."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        return list(parse_json(cell))
    except ValueError:
        return None
