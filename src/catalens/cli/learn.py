"""`catalens tag learn`: calibrated probabilities and thresholds from a labelled table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.labelled import read_labelled
from catalens.cli.options import Columns, Json, Model, Table, session_for
from catalens.cli.tally import Tally
from catalens.core.files import check_writable


@command(
    "catalens tag learn products.csv",
    "catalens tag learn products.csv --column colour=baseColour --column type=articleType",
    "catalens tag learn products.parquet --schema shop.yaml --precision 0.95 --out shop.json",
    name="tag learn",
)
def learn(
    table: Table,
    schema: Annotated[str, Option(help="Schema: a bundled name or a .yaml file.")] = "fashion",
    column: Columns = None,
    precision: Annotated[
        float | None, Option(min=0.0, max=1.0, help="Target precision of the tags. \\[best F1]")
    ] = None,
    out: Annotated[Path, Option(help="File to write.")] = Path("calibration.json"),
    model: Model = None,
    json: Json = False,
) -> None:
    """Learn score thresholds from a labelled table, for tag and attributes --calibration.

    Precision and recall are measured on the training table itself, and so are slightly optimistic.
    """
    from catalens.tasks.calibration import save_calibration
    from catalens.tasks.thresholds import learn as learn_thresholds

    path = inputs.existing(table)
    check_writable(out)
    tally = Tally(as_json=output.wants_json(json))
    labelled = read_labelled(path, schema, column, session_for(model), tally)
    calibration, reports = learn_thresholds(labelled.vectors, labelled.truth, labelled.bank, precision=precision)
    save_calibration(calibration, out)
    labels = {report.group: {"labels": [each.to_dict() for each in report.labels]} for report in reports}
    rows = [report.to_dict() | (labels[report.group] if tally.as_json else {}) for report in reports]
    output.report(
        rows, as_json=tally.as_json, heads={"group": "attribute", "ece_before": "ECE before", "ece_after": "ECE after"}
    )
    output.say(f"written: {out}")
    tally.finish()
