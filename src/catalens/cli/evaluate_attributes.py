"""`catalens eval attributes`: tags or answers, which is right more often, attribute by attribute."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.jobs import run_and_tell
from catalens.cli.labelled import read_labelled
from catalens.cli.options import Columns, Json, Model, Table, session_for
from catalens.cli.reporting import ReportFile, check_report, write_report
from catalens.cli.tally import Silent, Tally
from catalens.core.errors import InputError
from catalens.core.files import check_writable

if TYPE_CHECKING:
    from catalens.cli.labelled import Labelled
    from catalens.core.types import Record, Scores
    from catalens.pipelines.session import Session
    from catalens.pipelines.stages import Values
    from catalens.tasks.schema import Schema


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
    from catalens.tasks.attribute_sources import FEWEST_ROWS, AttributeSources, measure_sources, save_sources
    from catalens.tasks.attributes import build_schema_bank
    from catalens.tasks.schema import load_schema

    check_report(report)
    path, groups = inputs.existing(table), load_schema(schema)
    if save is not None:
        check_writable(save)
    session = session_for(model, reader)
    encoder, answerer = session.encoder(), session.reader()
    tally = Tally(as_json=output.wants_json(json))
    labelled = read_labelled(path, groups, column or [], encoder, session, tally)
    bank = build_schema_bank(encoder, groups, cache_dir=session.label_cache)
    answered = _answered(path, labelled, groups, session)
    measured = measure_sources(labelled.vectors, answered, labelled.truth, bank)
    if not measured:
        raise InputError(f"{table} has no value that schema {groups.name!r} knows, so there is nothing to compare")
    rows = [{"group": name} | asdict(found) for name, found in measured.items()]
    output.report(rows, as_json=tally.as_json, heads={"group": "attribute", "source": "better"})
    few = [f"{name} ({found.rows})" for name, found in measured.items() if found.rows < FEWEST_ROWS]
    if few:
        output.say(f"tags are kept where fewer than {FEWEST_ROWS} rows were measured: {', '.join(few)}", style="yellow")
    if save is not None:
        chosen = AttributeSources(
            encoder_name=encoder.name,
            reader=session.config.reader,
            reader_name=answerer.name,
            schema_name=groups.name,
            groups=measured,
        )
        save_sources(chosen, save)
        output.say(f"written: {save}; use it with `catalens attributes … --sources {save}`")
    if report is not None:
        from catalens.pipelines.evaluating import evaluate_answers, evaluate_tags
        from catalens.pipelines.evaluation_report import tag_report

        truth = {name: labelled.truth[name] for name in measured}
        tags = evaluate_tags(labelled.records, labelled.vectors, truth, bank, None)
        answers = evaluate_answers(labelled.records, answered, truth, bank, answerer.name)
        write_report(report, tag_report(table.name, tags, answers))
    tally.finish()


def _answered(path: Path, labelled: Labelled, schema: Schema, session: Session) -> dict[str, Scores]:
    """Ask the reader about every picture that could be read: group name → (n, m) probabilities."""
    import numpy as np

    from catalens.catalogue.sources import open_source
    from catalens.pipelines.answering import GroupAnswerStage

    asked = [schema.group(name) for name in labelled.truth if schema.group(name).kind == "exclusive"]
    rows: dict[str, list[Scores]] = {group.name: [] for group in asked}

    def result(_record: Record, values: Values) -> None:
        for name, row in values.items():
            rows[name].append(row)

    # Pictures that failed before fail again, so the order is the same; they are counted once.
    run_and_tell(open_source(path), [GroupAnswerStage(tuple(asked))], session, [], Silent(), result)
    return {name: np.stack(found) for name, found in rows.items() if found}
