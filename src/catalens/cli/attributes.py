"""`catalens attributes`: what a picture says about each group of a schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalens.cli import inputs
from catalens.cli.jobs import ColumnsFlag, IfExistsFlag, MemoryLimitFlag, OutputFlag, RowTable, run_stages
from catalens.cli.options import Calibrated, Json, Model, Pictures, examples, session_for
from catalens.cli.remote import ServerFlag

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            "catalens attributes photo.jpg",
            "catalens attributes photos/ > attributes.jsonl",
            "catalens attributes photos/ --output attributes.csv",
            "catalens attributes photos/ --schema shop.yaml --calibration shop.json",
            "catalens attributes photos/ --sources sources.json",
        )
    )(attributes)


def attributes(
    pictures: Pictures,
    schema: Annotated[
        str | None, typer.Option(help="The groups: a bundled name or a .yaml file. \\[fashion or everyday]")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Minimum probability of a value where none was learned.")
    ] = None,
    calibration: Calibrated = None,
    sources: Annotated[
        Path | None,
        typer.Option(
            help="File of `catalens eval attributes`: its reader answers where it was better.", show_default=False
        ),
    ] = None,
    output_table: OutputFlag = None,
    columns: ColumnsFlag = None,
    if_exists: IfExistsFlag = "skip",
    memory_limit: MemoryLimitFlag = None,
    model: Model = None,
    server: ServerFlag = None,
    json: Json = False,
) -> None:
    """Read attributes: one value for each question that makes sense, or "unknown".

    A question may depend on another's answer: only garments with sleeves are asked for their length.
    Each value names its source: tags, or the answers of a reader where those were measured to be better.
    """
    from catalens.pipelines.attributes import ATTRIBUTES, AttributeStage, group_names
    from catalens.pipelines.destination import Destination

    stage = AttributeStage(
        schema=schema,
        threshold=threshold,
        calibration=inputs.existing(calibration) if calibration else None,
        sources=inputs.existing(sources) if sources else None,
    )
    groups = group_names(schema)
    destination = Destination(
        text=groups[0],
        known=(ATTRIBUTES, "encoder", *groups),
        default_columns=groups,
        table=output_table,
        columns=columns,
        if_exists=if_exists,
    )
    run_stages(
        pictures,
        [stage],
        session_for(model),
        destination,
        shown=(ATTRIBUTES, "encoder"),
        show=RowTable(("picture", "attribute", "value", "confidence#", "source", "else"), attribute_rows),
        json=json,
        memory_limit=memory_limit,
        server=server,
    )


def attribute_rows(record: Record, values: Values) -> Iterator[tuple[Any, ...]]:
    """Return a row for each attribute of a picture."""
    name = record.id
    for group, each in values["attributes"].items():
        others = ", ".join(f"{other['label']} {other['score']:.2f}" for other in each["runners_up"])
        value = ", ".join(each.get("values", [each["value"]]))
        yield name, group, value, each["confidence"], each["source"], others
        name = ""
