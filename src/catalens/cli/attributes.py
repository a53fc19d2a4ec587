"""`catalens attributes`: what a picture says about each group of a schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from catalens.cli import inputs
from catalens.cli.commands import command
from catalens.cli.flags import RunFlags, TableFlags
from catalens.cli.jobs import RowTable, run_stages
from catalens.cli.options import Calibrated, Model, Pictures, session_for

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values


@command(
    "catalens attributes photo.jpg",
    "catalens attributes photos/ > attributes.jsonl",
    "catalens attributes photos/ --output attributes.csv",
    "catalens attributes photos/ --schema shop.yaml --calibration shop.json",
    "catalens attributes photos/ --sources sources.json",
)
def attributes(
    pictures: Pictures,
    *,
    schema: Annotated[
        str | None, Option(help="Schema: a bundled name or a .yaml file. \\[fashion or everyday]")
    ] = None,
    threshold: Annotated[
        float | None, Option(min=0.0, max=1.0, help="Minimum probability of a value without a learned threshold.")
    ] = None,
    calibration: Calibrated = None,
    sources: Annotated[
        Path | None,
        Option(help="Sources from `catalens eval attributes`: its reader answers where that was more accurate."),
    ] = None,
    table: TableFlags,
    model: Model = None,
    run: RunFlags,
) -> None:
    """Read attributes: a value, or "unknown", for each group of a schema that applies.

    A group may depend on another: sleeve length is read only for garments with sleeves. Each value names its source:
    tags, or the answers of a reader where those were measured to be more accurate.
    """
    from catalens.pipelines.attributes import ATTRIBUTES, AttributeStage, group_names

    stage = AttributeStage(
        schema=schema,
        threshold=threshold,
        calibration=inputs.existing(calibration) if calibration else None,
        sources=inputs.existing(sources) if sources else None,
    )
    groups = group_names(schema)
    destination = table.destination(groups[0], (ATTRIBUTES, "encoder", *groups), default_columns=groups)
    show = RowTable(("picture", "attribute", "value", "confidence#", "source", "else"), attribute_rows)
    run_stages(pictures, [stage], session_for(model), destination, run, shown=(ATTRIBUTES, "encoder"), show=show)


def attribute_rows(record: Record, values: Values) -> Iterator[tuple[Any, ...]]:
    """Return a row for each attribute of a picture."""
    name = record.id
    for group, each in values["attributes"].items():
        others = ", ".join(f"{other['label']} {other['score']:.2f}" for other in each["runners_up"])
        value = ", ".join(each.get("values", [each["value"]]))
        yield name, group, value, each["confidence"], each["source"], others
        name = ""
