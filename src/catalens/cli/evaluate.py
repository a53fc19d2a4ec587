"""`catalens eval`: how good an encoder is on a table of yours; captions are scored in a file of their own."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from typer import Option

from catalens.cli import evaluate_attributes, evaluate_captions, inputs, output
from catalens.cli.commands import command, command_group
from catalens.cli.jobs import encode_all
from catalens.cli.labelled import read_labelled
from catalens.cli.options import Calibrated, Columns, Json, Model, Table, session_for
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.cli.labelled import Labelled
    from catalens.tasks.attributes import SchemaBank
    from catalens.training.evaluation import Accuracy


@command(
    "catalens eval tags products.csv",
    "catalens eval tags products.parquet --column type=articleType --column colour=baseColour",
    "catalens eval tags products.csv --schema shop.yaml --calibration shop.json --json",
)
def tags(
    table: Table,
    schema: Annotated[str, Option(help="The schema: a shipped name or a .yaml file.")] = "fashion",
    column: Columns = None,
    calibration: Calibrated = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Compare what is read from pictures with what the table says.

    Top 1 and top 5 are zero-shot accuracy over all labels, beside the share of the commonest label;
    precision and recall are of what would be given, with the thresholds in use.
    """
    from catalens.pipelines.attributes import calibration_for
    from catalens.tasks.assessment import assess
    from catalens.tasks.attributes import build_schema_bank
    from catalens.tasks.schema import load_schema

    path, groups = inputs.existing(table), load_schema(schema)
    session = session_for(model)
    encoder = session.encoder()
    as_json = output.wants_json(json)
    labelled = read_labelled(path, groups, column or [], encoder, session, as_json=as_json)
    bank = build_schema_bank(encoder, groups, cache_dir=session.label_cache)
    learned = calibration_for(encoder, groups.name, inputs.existing(calibration) if calibration else None)
    rows = []
    for report in assess(labelled.vectors, labelled.truth, bank, calibration=learned):
        found = _accuracy(labelled, bank, report.group)
        row = {
            "group": report.group,
            "rows": report.rows,
            "skipped": report.skipped,
            "labels": found.labels if found else None,
            "top1": found.top1 if found else None,
            "top5": found.top5 if found else None,
            "majority": found.majority if found else None,
            "precision": report.counts.precision,
            "recall": report.counts.recall,
            "ece": report.ece_after,
        }
        rows.append(row)
        if as_json:
            output.emit(output.rounded(row))
    if not as_json:
        heads = ("attribute", *(f"{name}#" for name in list(rows[0])[1:]))
        output.show_rows([tuple(row.values()) for row in rows], *heads)
    labelled.tally.finish()


def _accuracy(labelled: Labelled, bank: SchemaBank, name: str) -> Accuracy | None:
    """Return the zero-shot accuracy of a group; None where several labels may hold, or no row can be used."""
    from catalens.tasks.assessment import read_table
    from catalens.tasks.ranking import cosines
    from catalens.training.evaluation import accuracy

    group = bank.schema.group(name)
    part = read_table(group, labelled.truth[name], len(labelled.vectors))
    if group.kind != "exclusive" or not len(part.rows):
        return None
    return accuracy(cosines(labelled.vectors[part.rows], bank.banks[name].vectors), part.truth.argmax(axis=1))


@command(
    "catalens eval search products.csv --text title", "catalens eval search photos/ --text name --model path/to/bundle"
)
def search(
    table: Table,
    text: Annotated[str, Option(help="The column whose text should find the row's own picture.")] = "title",
    model: Model = None,
    json: Json = False,
) -> None:
    """Search the table's pictures with each row's own text, and see where the right picture comes."""
    from catalens.catalogue.sources import open_source
    from catalens.pipelines.encoding import encode_texts
    from catalens.pipelines.routing import encoder_for_pictures
    from catalens.training.evaluation import retrieval

    source = open_source(inputs.existing(table))
    session = session_for(model)
    encoder = encoder_for_pictures(session, source)
    tally = Tally(as_json=output.wants_json(json))
    records, vectors = encode_all(source, encoder, session, tally)
    texts = [(place, str(record.fields[text])) for place, record in enumerate(records) if text in record.fields]
    if records and not texts:
        known = ", ".join(sorted({name for record in records for name in record.fields}))
        raise InputError(f"{table} has no column {text!r}; name one of: {known} with --text")
    if texts:
        queries = encode_texts([query for _, query in texts], encoder, session)
        found = asdict(retrieval(queries, vectors, [place for place, _ in texts])) | {"pictures": len(records)}
        if tally.as_json:
            output.emit(output.rounded(found))
        else:
            output.show_rows([tuple(found.values())], *(f"{name.replace('_', ' ')}#" for name in found))
    tally.finish()


group = command_group(
    "Measure an encoder, or captions, on a table of yours.",
    "catalens eval tags products.csv",
    "catalens eval search products.csv --text title",
    "catalens eval captions captions.jsonl --references people.csv",
    commands=(tags, search, evaluate_attributes.attributes, evaluate_captions.captions),
)
