"""`catalens eval attributes`: tags or answers, which is right more often, attribute by attribute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.jobs import following
from catalens.cli.labelled import read_labelled
from catalens.cli.options import Columns, Json, Model, Table, session_for
from catalens.cli.reporting import ReportFile, check_report, write_report
from catalens.cli.tally import Silent, Tally
from catalens.core.files import check_writable


@command(
    "catalens eval attributes products.csv --reader blip-vqa",
    "catalens eval attributes products.parquet --column type=articleType --reader starter --save sources.json",
    "catalens attributes photos/ --sources sources.json",
)
def attributes(
    table: Table,
    reader: Annotated[
        str | None, Option(metavar="NAME", help="Reader that answers: a name, or a model's folder.")
    ] = None,
    schema: Annotated[str, Option(help="Schema: a bundled name or a .yaml file.")] = "fashion",
    column: Columns = None,
    save: Annotated[Path | None, Option(help="File to write with the better source of each attribute.")] = None,
    model: Model = None,
    report: ReportFile = None,
    json: Json = False,
) -> None:
    """Compare two sources of attributes: the encoder's tags, and a reader's answers to closed questions.

    Reported are the top-1 accuracy of both, beside that of the most frequent label. An attribute that fewer than 20
    pictures have keeps the tags.
    """
    from catalens.pipelines.comparing_sources import compare_sources
    from catalens.tasks.attribute_sources import FEWEST_ROWS, save_sources

    check_report(report)
    path = inputs.existing(table)
    if save is not None:
        check_writable(save)
    session = session_for(model, reader)
    session.reader()  # what cannot be loaded is told before the work begins
    tally = Tally(as_json=output.wants_json(json))
    labelled = read_labelled(path, schema, column, session, tally)
    with following(session, Silent()) as callbacks:
        found = compare_sources(path, labelled, session, callbacks)
    output.report(found.rows(), as_json=tally.as_json, heads={"group": "attribute", "source": "better"})
    if few := ", ".join(f"{name} ({rows})" for name, rows in found.few().items()):
        output.say(f"tags are kept where fewer than {FEWEST_ROWS} rows were measured: {few}", style="yellow")
    if save is not None:
        save_sources(found.sources, save)
        output.say(f"written: {save}; use it with `catalens attributes … --sources {save}`")
    if report is not None:
        from catalens.pipelines.evaluation_report import tag_report

        write_report(report, tag_report(table.name, *found.evaluations()))
    tally.finish()
