"""`catalens eval captions`: how near captions come to what people said of the same pictures."""

from __future__ import annotations

import json as jsons
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalens.cli import inputs, output
from catalens.cli.options import Json
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.catalogue.sources.items import Row

EXAMPLES = (
    "catalens eval captions captions.jsonl",
    "catalens eval captions captions.jsonl --references people.csv",
    "catalens eval captions out.csv --caption-column blip --references val.parquet --reference-column captions",
)
_CAPTION = ("caption", "captions")
_REFERENCES = ("references", "captions")


def captions(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV, JSON lines or parquet with the captions.")],
    references: Annotated[
        Path | None,
        typer.Option(help="Table with reference captions, joined by `id`. \\[the same table]", show_default=False),
    ] = None,
    caption_column: Annotated[
        str | None, typer.Option(help="Column with the captions. \\[caption, else captions]", show_default=False)
    ] = None,
    reference_column: Annotated[
        str | None,
        typer.Option(
            help="Column with reference captions: a list, or texts separated by semicolons. \\[references]",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Score captions against what people said: BLEU-1 to 4, CIDEr-D and ROUGE-L, as the COCO evaluation counts.

    CIDEr learns from these very references which words are rare, so it compares models on one table, not tables.
    Of several captions of a picture, the first is scored.
    """
    from catalens.tasks.caption_metrics import bleu, cider, rouge_l

    tally = Tally(as_json=output.wants_json(json))
    said = _pairs(inputs.existing(table), references, caption_column, reference_column, tally)
    if not said:
        tally.finish()
    candidates, people = [caption for caption, _ in said], [texts for _, texts in said]
    scores = {f"bleu{n}": score for n, score in enumerate(bleu(candidates, people), start=1)}
    row = {"captions": len(said), **scores, "cider": cider(candidates, people), "rouge_l": rouge_l(candidates, people)}
    if tally.as_json:
        output.emit(output.rounded(row))
    else:
        output.show_rows([tuple(row.values())], *(f"{name}#" for name in row))
    tally.finish()


def _pairs(
    table: Path, references: Path | None, caption_column: str | None, reference_column: str | None, tally: Tally
) -> list[tuple[str, list[str]]]:
    """Return each caption with its references; what lacks either is reported, and the others go on."""
    from catalens.catalogue.sources.formats import table_rows
    from catalens.core.types import Outcome

    caption_names = (caption_column,) if caption_column else _CAPTION
    # One table cannot mean both by `captions`.
    reference_names = (reference_column,) if reference_column else _REFERENCES if references else _REFERENCES[:1]
    people = _by_id(inputs.existing(references), reference_names) if references else None
    pairs: list[tuple[str, list[str]]] = []
    for row in table_rows(table):
        id = str(row.values.get("id", row.place))
        try:
            caption = _texts(row, caption_names)[0]
            texts = _texts(row, reference_names, between=";") if people is None else people.get(id, [])
            if not texts:
                raise InputError(f"{references} says nothing of the id {id!r}")
            pairs.append((caption, texts))
            tally.done += 1
        except InputError as error:
            tally.report([Outcome(id, f"{row.file.name}, {row.place}: {error}")])
    return pairs


def _by_id(table: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the references of each id, several rows of one id together; rows without are left out.

    Raises:
        InputError: no row has an id and a reference; the message says what is wrong with the first.
    """
    from catalens.catalogue.sources.formats import table_rows

    found: dict[str, list[str]] = {}
    first_error: InputError | None = None
    for row in table_rows(table):
        try:
            texts = _texts(row, names, between=";")
            if "id" not in row.values:
                raise InputError("there is no column id to join the tables by")
            found.setdefault(str(row.values["id"]), []).extend(texts)
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
        return list(jsons.loads(cell))
    except ValueError:
        return None
