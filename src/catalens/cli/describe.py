"""`catalens describe`: facts, from pictures or a table, into product descriptions that are true to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from catalens.cli import inputs, output
from catalens.cli.commands import command
from catalens.cli.flags import RunFlags, SidecarFlags, TableFlags
from catalens.cli.jobs import run_stages
from catalens.cli.options import Calibrated, Json, MemoryLimit, Model, PicturesOrNone, Timeout, session_for
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.describing import TableRows
    from catalens.pipelines.pictures import Entries
    from catalens.pipelines.stages import Stage, Values


@command(
    "catalens describe photo.jpg",
    "catalens describe photos/ --length long --seed 7 > descriptions.jsonl",
    "catalens attributes photos/ > attributes.jsonl; catalens describe --table attributes.jsonl",
    "catalens describe --table products.csv --only type,colour,material --tone friendly",
    "catalens describe --table products.csv --writer http://localhost:11434/v1#llama3.2 --language German",
    "catalens describe photos/ --writer bedrock:MODEL-ID --keywords 'summer wear, linen'",
)
def describe(
    pictures: PicturesOrNone = None,
    *,
    table: Annotated[
        Path | None,
        Option(
            help="Describe the rows of a table: .csv, .tsv, .jsonl (as `attributes` writes), .parquet, or - for lines."
        ),
    ] = None,
    writer: Annotated[
        str, Option(metavar="NAME", help="template, bedrock:MODEL-ID, openai:URL#MODEL, transformers:FOLDER or fake.")
    ] = "template",
    tone: Annotated[str, Option(help="plain, friendly or formal; a language model takes any word.")] = "plain",
    length: Annotated[Literal["short", "medium", "long"], Option(help="Length of the text.")] = "medium",
    language: Annotated[
        str, Option(help="Language of the text; other than English only with a language model.")
    ] = "English",
    keywords: Annotated[str | None, Option(help="Keywords to include: comma-separated, or a text file.")] = None,
    seed: Annotated[int, Option(help="Random seed of the template.")] = 0,
    instruction: Annotated[
        Path | None, Option(help="File with a prompt template for the language model, with {facts} in it.")
    ] = None,
    only: Annotated[str | None, Option(help="Attributes to describe, comma-separated. \\[all]")] = None,
    column: Annotated[
        list[str] | None, Option(metavar="ATTRIBUTE=COLUMN", help="Column of an attribute that has another name.")
    ] = None,
    timeout: Timeout = 60.0,
    schema: Annotated[
        str, Option(help="Attributes to read from pictures: a bundled name or a .yaml file.")
    ] = "fashion",
    calibration: Calibrated = None,
    sidecars: SidecarFlags,
    results: TableFlags,
    memory_limit: MemoryLimit = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Write product descriptions that state every known attribute, and nothing else.

    A language model's text is checked against the facts; it may correct itself once, after which the template is used.
    Without arguments, JSON lines with attributes come from a pipe: `catalens invoke shop photos/ | catalens describe`.
    JSON lines of the results name the facts of each sentence. The API key is read from OPENAI_API_KEY.
    """
    from catalens.pipelines.describing import VALUES, DescribeStage, as_table, described_pictures, described_rows
    from catalens.tasks.instruction import Style

    piped = inputs.piped_lines() if not pictures and table in {None, Path(inputs.STANDARD_INPUT)} else b""
    with as_table(piped) as rows:
        table = rows or table
        if bool(pictures) == (table is not None):
            raise InputError("give pictures, or a table of attributes with --table: one of the two")
        words = tuple(dict.fromkeys(inputs.words(keywords))) if keywords else ()
        pairs = inputs.pairs(column or (), "--column", "colour=baseColour")
        stage = DescribeStage(
            style=Style(tone=tone, length=length, language=language, keywords=words, seed=seed),
            writer=writer,
            instruction=inputs.existing(instruction) if instruction else None,
            only=tuple(inputs.words(only)) if only else (),
            from_fields=table is not None,
            renamed=tuple((column, attribute) for attribute, column in pairs),
            schema=schema,
        )
        session = session_for(model, timeout_s=timeout)
        entries: TableRows | Entries
        stages: list[Stage]
        if table is not None:
            entries, stages = described_rows(inputs.existing(table), stage), [stage]
        else:
            entries = inputs.entries(pictures or [])
            learned = inputs.existing(calibration) if calibration else None
            stages = described_pictures(entries, stage, learned, session)
        destination = results.destination("description", VALUES, sidecars, identity="image" if table is None else "id")

        def show(record: Record, values: Values) -> None:
            output.show(f"{record.id}", f"  {values['description']}")

        run = RunFlags(memory_limit=memory_limit, json=json)
        run_stages(entries, stages, session, destination, run, shown=VALUES, show=show)
