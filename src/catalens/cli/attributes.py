"""`catalens attributes`: what a picture says about each group of a schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from catalens.cli import inputs, output
from catalens.cli.encoding import Tally, encoded
from catalens.cli.options import Calibrated, Json, Model, Pictures, encoder_for, examples, label_folder, reader_for

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.core.protocols import Encoder
    from catalens.core.types import Scores, Vectors
    from catalens.tasks.attributes import Attribute, Attributes
    from catalens.tasks.calibration import Calibration

Answered = Mapping[str, "Scores"]
"""Group name → (n, m) probabilities of its labels, as a reader answers."""


class Reader(Protocol):
    """Reads attributes from vectors (n, dim), and from what was answered: group name → (n, m) probabilities."""

    def __call__(self, vectors: Vectors, answered: Answered | None = None, /) -> list[Attributes]:
        """Return n mappings."""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            "catalens attributes photo.jpg",
            "catalens attributes photos/ > attributes.jsonl",
            "catalens attributes photos/ --schema shop.yaml --calibration shop.json",
            "catalens attributes photos/ --sources sources.json",
        )
    )(attributes)


def attributes(
    pictures: Pictures,
    schema: Annotated[str, typer.Option(help="The questions: a shipped name or a .yaml file.")] = "fashion",
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="The probability that a value needs where none was learned.")
    ] = None,
    calibration: Calibrated = None,
    sources: Annotated[
        Path | None,
        typer.Option(
            help="What `catalens eval attributes` wrote: its reader answers where it was better.", show_default=False
        ),
    ] = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Read attributes: one value for each question that makes sense, or "unknown".

    A question may depend on another's answer: only what has sleeves is asked for their length.
    Each value says its source: tags, or the answers of a reader where those were found to be better.
    """
    found = inputs.entries(pictures)
    encoder = encoder_for(model)
    answer = answers_for(encoder, schema, sources) if sources else None
    read = schema_reader(encoder, schema, calibration, threshold)
    as_json = output.wants_json(json)
    tally = Tally(as_json=as_json)
    rows: list[tuple[Any, ...]] = []
    with output.progress("reading attributes", quiet=as_json) as update:
        for batch in encoded(found, encoder, whole=answer is not None):
            answered = answer(batch.images) if answer and batch.images else None
            for record, answers in zip(batch.records, read(batch.vectors, answered), strict=True):
                if as_json:
                    values = {name: attribute_row(each) for name, each in answers.items()}
                    output.emit({"id": record.id, "source": record.source, "attributes": values})
                else:
                    rows += _table_rows(record.id, answers)
            update(tally.count(batch))
    if rows:
        output.show_rows(rows, "picture", "attribute", "value", "confidence#", "source", "else")
    tally.finish()


def schema_reader(encoder: Encoder, schema: str | None, calibration: Path | None, threshold: float | None) -> Reader:
    """Encode a schema's labels, and give what reads attributes from vectors."""
    from catalens.tasks.attributes import MIN_SCORE, build_schema_bank, read_attributes
    from catalens.tasks.schema import load_schema

    groups = load_schema(schema or "fashion")
    learned = calibration_for(encoder, groups.name, calibration)
    with output.progress("encoding labels") as update:
        bank = build_schema_bank(encoder, groups, cache_dir=label_folder(), progress=update)
    least = MIN_SCORE if threshold is None else threshold

    def read(vectors: Vectors, answered: Answered | None = None, /) -> list[Attributes]:
        return read_attributes(vectors, bank, calibration=learned, min_score=least, answered=answered)

    return read


def answers_for(encoder: Encoder, schema: str, path: Path) -> Callable[[Sequence[Image]], Answered] | None:
    """Load the reader that a file of sources names, and give what asks it; None where tags are better everywhere.

    Raises:
        InputError: the sources were measured with other models or another schema.
    """
    from catalens.tasks.attribute_sources import load_sources, read_answers
    from catalens.tasks.schema import load_schema

    chosen, groups = load_sources(inputs.existing(path)), load_schema(schema)
    chosen.check(encoder.name, groups)
    if not chosen.asked:
        return None
    reader = reader_for(chosen.reader)
    chosen.check(encoder.name, groups, reader.name)
    return lambda images: read_answers(reader, reader.encode_images(images), groups, chosen)


def calibration_for(encoder: Encoder, schema: str, given: Path | None) -> Calibration | None:
    """Read the thresholds that were given, else those that came with the encoder for this schema, if any."""
    from catalens.models.registry import shipped_calibration
    from catalens.tasks.calibration import load_calibration

    path = inputs.existing(given) if given else shipped_calibration(encoder.name, schema)
    return load_calibration(path) if path else None


def attribute_row(attribute: Attribute) -> dict[str, Any]:
    """Return an attribute as it is printed; several values only where several hold."""
    row: dict[str, Any] = {
        "value": attribute.value,
        "confidence": round(attribute.confidence, 4),
        "source": attribute.source,
    }
    if len(attribute.values) > 1:
        row["values"] = [tag.label for tag in attribute.values]
    return row


def _table_rows(name: str, answers: Attributes) -> list[tuple[Any, ...]]:
    rows = []
    for group, each in answers.items():
        values = ", ".join(tag.label for tag in each.values) or each.value
        others = ", ".join(f"{tag.label} {tag.score:.2f}" for tag in each.runners_up)
        rows.append((name, group, values, each.confidence, each.source, others))
        name = ""
    return rows
