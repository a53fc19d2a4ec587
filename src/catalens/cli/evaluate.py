"""`catalens eval`: how good an encoder is on a table of yours; captions are scored in a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from catalens.cli import evaluate_attributes, evaluate_captions, inputs, output
from catalens.cli.commands import command, command_group
from catalens.cli.jobs import encode_all
from catalens.cli.labelled import read_labelled
from catalens.cli.options import Calibrated, Columns, Json, Model, Table, session_for
from catalens.cli.reporting import Against, ReportFile, check_report, write_report
from catalens.cli.tally import Silent, Tally


@command(
    "catalens eval tags products.csv",
    "catalens eval tags products.parquet --column type=articleType --column colour=baseColour",
    "catalens eval tags products.csv --schema shop.yaml --calibration shop.json --json",
    "catalens eval tags products.csv --report report.html --against ViT-B-32/openai",
)
def tags(
    table: Table,
    schema: Annotated[str, Option(help="Schema: a bundled name or a .yaml file.")] = "fashion",
    column: Columns = None,
    calibration: Calibrated = None,
    model: Model = None,
    report: ReportFile = None,
    against: Against = None,
    json: Json = False,
) -> None:
    """Evaluate tags against the labels of a table.

    Top 1 and top 5 are zero-shot accuracy over all labels, beside the share of the most frequent label;
    precision and recall are those of the tags that pass the thresholds in use. The report adds confidence
    intervals, confusions, calibration, and the worst errors as pictures; with --against, also a paired test.
    """
    from catalens.pipelines.attributes import calibration_for
    from catalens.pipelines.evaluating import TagEvaluation, evaluate_tags

    check_report(report, against)
    path = inputs.existing(table)
    given = inputs.existing(calibration) if calibration else None
    tally = Tally(as_json=output.wants_json(json))

    def evaluate(name: str | None, learned: Path | None, counted: Tally) -> TagEvaluation:
        session = session_for(name)
        labelled = read_labelled(path, schema, column, session, counted)
        return evaluate_tags(labelled, calibration_for(session.encoder(), labelled.bank.schema.name, learned))

    found = evaluate(model, given, tally)
    output.report([group.row() for group in found.groups], as_json=tally.as_json, heads={"group": "attribute"})
    if report is not None:
        from catalens.pipelines.evaluation_report import tag_report

        second = evaluate(against, None, Silent()) if against else None
        write_report(report, tag_report(table.name, found, second))
    tally.finish()


@command(
    "catalens eval search products.csv --text title",
    "catalens eval search photos/ --text name --model path/to/bundle",
    "catalens eval search products.csv --report report.html",
)
def search(
    table: Table,
    text: Annotated[str, Option(help="Column with the text query of each row.")] = "title",
    model: Model = None,
    report: ReportFile = None,
    against: Against = None,
    json: Json = False,
) -> None:
    """Evaluate text-to-image retrieval: search for each row's picture with the row's own text."""
    from catalens.catalogue.sources import open_source
    from catalens.pipelines.evaluating import SearchEvaluation, evaluate_search
    from catalens.pipelines.routing import encoder_for_pictures

    check_report(report, against)
    source = open_source(inputs.existing(table))
    tally = Tally(as_json=output.wants_json(json))

    def evaluate(name: str | None, counted: Tally) -> SearchEvaluation:
        session = session_for(name)
        encoder = encoder_for_pictures(session, source)
        records, vectors = encode_all(source, encoder, session, counted)
        if not records:
            counted.finish()
        return evaluate_search(records, vectors, text, encoder, session)

    found = evaluate(model, tally)
    output.report([found.row()], as_json=tally.as_json)
    if report is not None:
        from catalens.pipelines.evaluation_report import search_report

        second = evaluate(against, Silent()) if against else None
        write_report(report, search_report(table.name, found, second))
    tally.finish()


group = command_group(
    "Evaluate an encoder, or captions, on a labelled table.",
    "catalens eval tags products.csv",
    "catalens eval search products.csv --text title",
    "catalens eval captions captions.jsonl --references people.csv",
    commands=(tags, search, evaluate_attributes.attributes, evaluate_captions.captions),
)
