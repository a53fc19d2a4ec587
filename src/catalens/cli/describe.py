"""`catalens describe`: facts, from pictures or a table, into product descriptions that are true to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from catalens.cli import inputs
from catalens.cli import output as out
from catalens.cli.jobs import (
    ColumnsFlag,
    IfExistsFlag,
    IntoFlag,
    MemoryLimitFlag,
    OutputFlag,
    SidecarFlag,
    run_stages,
)
from catalens.cli.options import Calibrated, Json, Model, PicturesOrNone, TimeoutFlag, examples, session_for
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.describing import DescribeStage, TableRows
    from catalens.pipelines.pictures import Entries
    from catalens.pipelines.stages import Stage, Values

_TEMPLATE = "template"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog=examples(
            "catalens describe photo.jpg",
            "catalens describe photos/ --length long --seed 7 > descriptions.jsonl",
            "catalens attributes photos/ > attributes.jsonl; catalens describe --table attributes.jsonl",
            "catalens describe --table products.csv --only type,colour,material --tone friendly",
            "catalens describe --table products.csv --writer http://localhost:11434/v1#llama3.2 --language German",
            "catalens describe photos/ --writer bedrock:MODEL-ID --keywords 'summer wear, linen'",
        )
    )(describe)


def describe(
    pictures: PicturesOrNone = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="Describe the rows of a table: .csv, .tsv, .jsonl (as `attributes` writes) or .parquet.",
            show_default=False,
        ),
    ] = None,
    writer: Annotated[
        str,
        typer.Option(metavar="NAME", help="template, bedrock:MODEL-ID, openai:URL#MODEL, transformers:FOLDER or fake."),
    ] = _TEMPLATE,
    tone: Annotated[str, typer.Option(help="plain, friendly or formal; a model takes other words too.")] = "plain",
    length: Annotated[Literal["short", "medium", "long"], typer.Option(help="Length of the text.")] = "medium",
    language: Annotated[str, typer.Option(help="The template writes English; a model may write others.")] = "English",
    keywords: Annotated[
        str | None, typer.Option(help="Search words to use: comma-separated, or a text file.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the template's sentences.")] = 0,
    instruction: Annotated[
        Path | None,
        typer.Option(help="File with your own instruction to the model, with {facts} in it.", show_default=False),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Attributes to describe, comma-separated. \\[all]", show_default=False)
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ATTRIBUTE=COLUMN", help="Column of an attribute that has another name.", show_default=False
        ),
    ] = None,
    timeout: TimeoutFlag = 60.0,
    schema: Annotated[
        str, typer.Option(help="Attributes to read from pictures: a bundled name or a .yaml file.")
    ] = "fashion",
    calibration: Calibrated = None,
    sidecar: SidecarFlag = None,
    into: IntoFlag = None,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    if_exists: IfExistsFlag = "skip",
    memory_limit: MemoryLimitFlag = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Write product descriptions: every known attribute, and nothing else.

    A model's text is checked; it is told once what it left out or made up, and then the template writes instead.
    JSON lines name the facts of each sentence. A server's key is read from OPENAI_API_KEY.
    """
    from catalens.pipelines.describing import VALUES, DescribeStage
    from catalens.pipelines.destination import Destination
    from catalens.tasks.instruction import Style

    if bool(pictures) == (table is not None):
        raise InputError("give pictures, or a table of attributes with --table: one of the two")
    words = tuple(dict.fromkeys(inputs.words(keywords))) if keywords else ()
    chosen = tuple(inputs.words(only)) if only else ()
    pairs = inputs.pairs(column or (), "--column", "colour=baseColour")
    stage = DescribeStage(
        style=Style(tone=tone, length=length, language=language, keywords=words, seed=seed),
        writer=writer,
        instruction=inputs.existing(instruction) if instruction else None,
        only=chosen,
        from_fields=table is not None,
        renamed=tuple((column, attribute) for attribute, column in pairs),
        schema=schema,
    )
    entries: TableRows | Entries
    stages: list[Stage]
    if table is not None:
        entries, stages = _rows(inputs.existing(table), stage), [stage]
    else:
        entries = inputs.entries(pictures or [])
        stages = _from_pictures(entries, stage, calibration)
    destination = Destination(
        text="description",
        known=VALUES,
        sidecar=sidecar,
        into=into,
        table=output,
        columns=columns,
        if_exists=if_exists,
    )

    def show(record: Record, values: Values) -> None:
        out.show(f"{record.id}", f"  {values['description']}")

    session = session_for(model, timeout_s=timeout)
    run_stages(entries, stages, session, destination, shown=VALUES, show=show, json=json, memory_limit=memory_limit)


def _from_pictures(entries: Entries, stage: DescribeStage, calibration: Path | None) -> list[Stage]:
    """Return the stages over pictures; a table among them is told from one of attributes."""
    from catalens.catalogue.sources.formats import is_table
    from catalens.pipelines.attributes import AttributeStage
    from catalens.tasks.schema import load_schema

    for name in entries.names:
        if is_table(Path(name)):
            out.say(f"{name}: its pictures are read; to describe what its columns say, give --table {name}")
    for name in stage.only:
        load_schema(stage.schema or "fashion").group(name)
    learned = inputs.existing(calibration) if calibration else None
    return [AttributeStage(schema=stage.schema, calibration=learned), stage]


def _rows(table: Path, stage: DescribeStage) -> TableRows:
    """Return the rows of a table; a column that is missing is an error now, not in every row."""
    from catalens.catalogue.sources.formats import table_columns
    from catalens.pipelines.describing import TableRows

    renamed = dict(stage.renamed)
    columns_of = {attribute: column for column, attribute in stage.renamed}
    asked = [columns_of.get(name, name) for name in stage.only]
    known = table_columns(table) if asked or renamed else []
    for name in (*renamed, *asked) if known else ():
        if name not in known:
            raise InputError(f"{table} has no column {name!r}; it has: {', '.join(known)}")
    return TableRows(table)
