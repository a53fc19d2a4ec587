"""`catalens eval attributes`: tags or answers, which is right more often, attribute by attribute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalens.cli import inputs, output
from catalens.cli.encoding import encoded
from catalens.cli.labelled import read_labelled
from catalens.cli.options import Columns, Json, Model, Table, encoder_for, label_folder, reader_for, reader_name
from catalens.cli.records import check_writable
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.cli.labelled import Labelled
    from catalens.core.protocols import Answerer, Encoder
    from catalens.core.types import Scores
    from catalens.tasks.schema import Schema

EXAMPLES = (
    "catalens eval attributes products.csv --reader blip-vqa",
    "catalens eval attributes products.parquet --column type=articleType --reader starter --save sources.json",
    "catalens attributes photos/ --sources sources.json",
)
_AT_ONCE = 8


def attributes(
    table: Table,
    reader: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The reader that answers: a name, or a model's folder.", show_default=False),
    ] = None,
    schema: Annotated[str, typer.Option(help="The questions: a shipped name or a .yaml file.")] = "fashion",
    column: Columns = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the better source of each attribute here.", show_default=False)
    ] = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Compare two ways to read attributes: the encoder's tags, and a reader's answers to closed questions.

    Both numbers are the share of pictures whose likeliest label is the table's, beside that of the commonest label.
    An attribute that fewer than 20 pictures have keeps the tags.
    """
    from catalens.tasks.attribute_sources import FEWEST_ROWS, AttributeSources, measure_sources, save_sources
    from catalens.tasks.attributes import build_schema_bank
    from catalens.tasks.schema import load_schema

    path, groups = inputs.existing(table), load_schema(schema)
    if save is not None:
        check_writable(save)
    encoder, answerer = encoder_for(model), reader_for(reader)
    as_json = output.wants_json(json)
    labelled = read_labelled(path, groups, column or [], encoder, as_json=as_json)
    bank = build_schema_bank(encoder, groups, cache_dir=label_folder())
    answered = _answered(path, labelled, groups, encoder, answerer)
    measured = measure_sources(labelled.vectors, answered, labelled.truth, bank)
    if not measured:
        raise InputError(f"{table} has no value that schema {groups.name!r} knows, so there is nothing to compare")
    rows = [{"group": name} | asdict(found) for name, found in measured.items()]
    for row in rows if as_json else ():
        output.emit(output.rounded(row))
    if not as_json:
        heads = ("attribute", "better", *(f"{name}#" for name in list(rows[0])[2:]))
        output.show_rows([tuple(row.values()) for row in rows], *heads)
    few = [f"{name} ({found.rows})" for name, found in measured.items() if found.rows < FEWEST_ROWS]
    if few:
        output.say(f"tags are kept where fewer than {FEWEST_ROWS} rows were measured: {', '.join(few)}", style="yellow")
    if save is not None:
        chosen = AttributeSources(
            encoder_name=encoder.name,
            reader=reader_name(reader),
            reader_name=answerer.name,
            schema_name=groups.name,
            groups=measured,
        )
        save_sources(chosen, save)
        output.say(f"written: {save}; use it with `catalens attributes … --sources {save}`")
    labelled.tally.finish()


def _answered(
    path: Path, labelled: Labelled, schema: Schema, encoder: Encoder, answerer: Answerer
) -> dict[str, Scores]:
    """Ask the reader about every picture that could be read: group name → (n, m) probabilities."""
    import numpy as np

    from catalens.core.vectors import batched
    from catalens.tasks.attribute_sources import answer_probabilities

    asked = [schema.group(name) for name in labelled.truth if schema.group(name).kind == "exclusive"]
    blocks: dict[str, list[Scores]] = {group.name: [] for group in asked}
    done = 0
    with output.progress("asking", len(labelled.records)) as update:
        for images in batched(_pictures(path, encoder), _AT_ONCE):
            seen = answerer.encode_images(images)
            for group in asked:
                blocks[group.name].append(answer_probabilities(answerer, seen, group))
            done += len(images)
            update(done)
    return {name: np.concatenate(rows) for name, rows in blocks.items() if rows}


def _pictures(path: Path, encoder: Encoder) -> Iterator[Image]:
    """Read the pictures again, whole: those that failed before fail again, so the order is the same."""
    from catalens.catalogue.sources import open_source

    for batch in encoded(open_source(path), encoder, whole=True):
        yield from batch.images
