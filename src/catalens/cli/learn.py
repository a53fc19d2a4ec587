"""`catalens tag learn`: honest probabilities and thresholds from a labelled table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.labelled import read_labelled
from catalens.cli.options import Columns, Json, Model, Table, session_for
from catalens.core.files import check_writable

if TYPE_CHECKING:
    from catalens.tasks.assessment import GroupReport


@command(
    "catalens tag learn products.csv",
    "catalens tag learn products.csv --column colour=baseColour --column type=articleType",
    "catalens tag learn products.parquet --schema shop.yaml --precision 0.95 --out shop.json",
    name="tag learn",
)
def learn(
    table: Table,
    schema: Annotated[str, Option(help="The schema: a bundled name or a .yaml file.")] = "fashion",
    column: Columns = None,
    precision: Annotated[
        float | None, Option(min=0.0, max=1.0, help="Precision that tags must reach; without it, the best F1.")
    ] = None,
    out: Annotated[Path, Option(help="File to write.")] = Path("calibration.json"),
    model: Model = None,
    json: Json = False,
) -> None:
    """Learn score thresholds from a labelled table, for tag and attributes --calibration.

    Precision and recall are measured on the table itself, so they are a little optimistic.
    """
    from catalens.tasks.attributes import build_schema_bank
    from catalens.tasks.calibration import save_calibration
    from catalens.tasks.schema import load_schema
    from catalens.tasks.thresholds import learn as learn_thresholds

    path, groups = inputs.existing(table), load_schema(schema)
    check_writable(out)
    session = session_for(model)
    encoder = session.encoder()
    as_json = output.wants_json(json)
    labelled = read_labelled(path, groups, column or [], encoder, session, as_json=as_json)
    bank = build_schema_bank(encoder, groups, cache_dir=session.label_cache)
    calibration, reports = learn_thresholds(labelled.vectors, labelled.truth, bank, precision=precision)
    save_calibration(calibration, out)
    show_reports(reports, as_json=as_json)
    output.say(f"written: {out}")
    labelled.tally.finish()


def show_reports(reports: list[GroupReport], *, as_json: bool) -> None:
    """Print how right each group is on a table."""
    if as_json:
        for report in reports:
            output.emit(_report_row(report))
        return
    output.show_rows(
        [
            (
                report.group,
                report.rows,
                report.skipped,
                report.counts.precision,
                report.counts.recall,
                report.temperature,
                report.ece_before,
                report.ece_after,
            )
            for report in reports
        ],
        *("attribute", "rows#", "skipped#", "precision#", "recall#", "temperature#", "ECE before#", "ECE after#"),
    )


def _report_row(report: GroupReport) -> dict[str, Any]:
    labels = [
        {
            "label": each.label,
            # JSON has no infinity: null is a label that is never given.
            "threshold": each.threshold if each.threshold <= 1.0 else None,
            "precision": each.counts.precision,
            "recall": each.counts.recall,
            "rows": each.counts.there,
        }
        for each in report.labels
    ]
    whole = {
        "group": report.group,
        "rows": report.rows,
        "skipped": report.skipped,
        "precision": report.counts.precision,
        "recall": report.counts.recall,
        "temperature": report.temperature,
        "ece_before": report.ece_before,
        "ece_after": report.ece_after,
    }
    return output.rounded(whole) | {"labels": [output.rounded(label) for label in labels]}
