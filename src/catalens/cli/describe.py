"""`catalens describe`: facts, from pictures or a table, into product descriptions that are true to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from catalens.cli import inputs, output
from catalens.cli.attributes import schema_reader
from catalens.cli.encoding import Tally, encoded
from catalens.cli.options import Calibrated, Json, Model, PicturesOrNone, encoder_for, examples, settings
from catalens.core.errors import CatalensError, InputError, ModelError

if TYPE_CHECKING:
    import pyarrow as pa

    from catalens.catalogue.sources.items import Row
    from catalens.tasks.describing import Description
    from catalens.tasks.facts import Facts

_TEMPLATE = "template"
_ROW_KEYS = frozenset({"id", "source", "image", "file_name", "path"})
"""Columns that say which product a row is about, and nothing of it."""

_MOST_IN_A_ROW = 5
"""A writer that fails so often without a text between is not there: the command ends."""

Told = tuple[dict[str, Any], Callable[[], "Facts"]]
"""How a product is named in the output, and what gives its facts or says why there are none."""


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
            help="Describe its rows: .csv, .tsv, .jsonl (as `attributes` writes) or .parquet.", show_default=False
        ),
    ] = None,
    writer: Annotated[
        str,
        typer.Option(metavar="NAME", help="template, bedrock:MODEL-ID, openai:URL#MODEL, transformers:FOLDER or fake."),
    ] = _TEMPLATE,
    tone: Annotated[str, typer.Option(help="plain, friendly or formal; a model takes other words too.")] = "plain",
    length: Annotated[
        Literal["short", "medium", "long"], typer.Option(help="How much is said of each fact.")
    ] = "medium",
    language: Annotated[str, typer.Option(help="The template writes English; a model may write others.")] = "English",
    keywords: Annotated[
        str | None, typer.Option(help="Search words to use: between commas, or a text file.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Another one chooses other sentences of the template.")] = 0,
    instruction: Annotated[
        Path | None, typer.Option(help="Your own words to the model, with {facts} in them.", show_default=False)
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="The attributes to describe, between commas. \\[all]", show_default=False)
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="ATTRIBUTE=COLUMN", help="A table's column that has another name.", show_default=False),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that one answer of a server may take.")] = 60.0,
    schema: Annotated[
        str, typer.Option(help="What is read from pictures: a shipped name or a .yaml file.")
    ] = "fashion",
    calibration: Calibrated = None,
    model: Model = None,
    json: Json = False,
) -> None:
    """Write product descriptions: every attribute that is known, and nothing else.

    A model's text is checked; what it left out or made up is named to it once, and then the template writes instead.
    JSON lines say which facts each sentence is from. A server's key is read from OPENAI_API_KEY.
    """
    from catalens.tasks.describing import check_template_can
    from catalens.tasks.describing import describe as write
    from catalens.tasks.instruction import Style, load_instruction
    from catalens.tasks.lexicon import build_lexicon
    from catalens.tasks.schema import load_schema

    if bool(pictures) == (table is not None):
        raise InputError("give pictures, or a table of attributes with --table: one of the two")
    words = tuple(dict.fromkeys(inputs.words(keywords))) if keywords else ()
    style = Style(tone=tone, length=length, language=language, keywords=words, seed=seed)
    told = load_instruction(instruction and inputs.existing(instruction))
    lexicon = build_lexicon(load_schema(schema))
    chosen = inputs.words(only) if only else []
    tally = Tally(as_json=output.wants_json(json))
    if table is not None:
        products = _rows(inputs.existing(table), chosen, column or [])
    else:
        products = _pictures(pictures or [], schema, chosen, calibration, model, tally)
    if writer == _TEMPLATE:
        check_template_can(style)
        author = None
    else:
        from catalens.models.writers import load_writer

        author = load_writer(writer, api_key=settings().api_key, timeout_s=timeout)
    _run(products, lambda facts: write(facts, lexicon, writer=author, style=style, instruction=told), tally)


def _run(products: Iterator[Told], write: Callable[[Facts], Description], tally: Tally) -> None:
    from catalens.core.types import Outcome

    replaced = in_a_row = 0
    with output.progress("describing", quiet=True) as update:
        for name, known in products:
            try:
                facts = known()
                made = write(facts)
            except CatalensError as error:
                in_a_row += isinstance(error, ModelError)  # a product without facts says nothing of the writer
                if in_a_row == _MOST_IN_A_ROW:
                    raise
                tally.report([Outcome(str(name["id"]), f"{name['id']}: {error}")])
                continue
            in_a_row = 0
            tally.done += 1
            replaced += bool(made.problems) and made.writer == _TEMPLATE
            if tally.as_json:
                output.emit(name | _row(facts, made))
            else:
                output.show(f"{name['id']}", f"  {made.text}")
            update(tally.done + tally.failed)
    if replaced:
        output.say(
            f"{replaced} of {tally.done} texts are the template's: the writer's were not true to the facts",
            style="yellow",
        )
    tally.finish()


def _pictures(
    pictures: Sequence[str],
    schema: str,
    only: Sequence[str],
    calibration: Path | None,
    model: str | None,
    tally: Tally,
) -> Iterator[Told]:
    from catalens.tasks.facts import facts_from_attributes
    from catalens.tasks.schema import load_schema

    found, groups = inputs.entries(pictures), load_schema(schema)
    for each in found.names:
        if inputs.is_table(Path(each)):
            output.say(f"{each}: its pictures are looked at; to describe what its columns say, give --table {each}")
    for name in only:
        groups.group(name)
    encoder = encoder_for(model)
    read = schema_reader(encoder, schema, calibration, None)
    for batch in encoded(found, encoder):
        tally.report(batch.failures)
        for record, attributes in zip(batch.records, read(batch.vectors), strict=True):
            kept = {name: each for name, each in attributes.items() if not only or name in only}
            yield {"id": record.id, "source": record.source}, partial(facts_from_attributes, kept)


def _rows(table: Path, only: Sequence[str], columns: Sequence[str]) -> Iterator[Told]:
    """Return the products of a table's rows; columns that are not there are an error now, not in every row."""
    renamed = {}
    for pair in columns:
        attribute, equals, column = pair.partition("=")
        if not equals or not attribute or not column:
            raise InputError(f"--column {pair}: give attribute=column, such as colour=baseColour")
        renamed[column] = attribute
    taken = {attribute: column for column, attribute in renamed.items()}
    asked = [taken.get(name, name) for name in only]
    read = _reader(table)
    known = _columns(table) if asked or renamed else []
    for name in (*renamed, *asked) if known else ():
        if name not in known:
            raise InputError(f"{table} has no column {name!r}; it has: {', '.join(known)}")
    return _products(table, read, asked, renamed)


def _products(
    table: Path, read: Callable[[Path], Iterator[Row]], only: Sequence[str], renamed: Mapping[str, str]
) -> Iterator[Told]:
    empty = True
    for row in read(table):
        empty = False
        name = {key: row.values[key] for key in ("id", "source") if row.values.get(key)}
        yield {"id": row.place} | name, partial(_facts, row, only, renamed)
    if empty:
        raise InputError(f"{table} has no rows; a table has one for each product")


def _facts(row: Row, only: Sequence[str], renamed: Mapping[str, str]) -> Facts:
    from catalens.tasks.facts import facts_from_fields

    if row.error:
        raise InputError(row.error)
    if "error" in row.values and "attributes" not in row.values:
        raise InputError(f"there are no attributes: {row.values['error']}")
    fields = {name: value for name, value in row.values.items() if name in only or name.lower() not in _ROW_KEYS}
    return facts_from_fields(fields, only=only, renamed=renamed)


def _reader(table: Path) -> Callable[[Path], Iterator[Row]]:
    """Choose what reads a table, by its ending."""
    from catalens.catalogue.sources.arrow import parquet_rows
    from catalens.catalogue.sources.text import csv_rows, json_rows

    readers = {".csv": csv_rows, ".tsv": csv_rows, ".jsonl": json_rows, ".parquet": parquet_rows}
    suffix = _suffix(table)
    if suffix not in readers:
        raise InputError(f"{table} is no table that can be read: give one that ends in {', '.join(readers)}")
    return readers[suffix]


def _columns(table: Path) -> list[str]:
    """Name a table's columns; of JSON lines all that any row has, those under "attributes" too."""
    from catalens.catalogue.sources.arrow import open_parquet
    from catalens.catalogue.sources.text import csv_header, json_rows

    if _suffix(table) == ".parquet":
        schema = open_parquet(table).schema_arrow
        return [name for column in schema for name in _names_in(column)]
    if _suffix(table) != ".jsonl":
        return csv_header(table)[0]
    cells = (pair for row in json_rows(table) for pair in row.values.items())
    return list(
        dict.fromkeys(
            name
            for column, cell in cells
            for name in (cell if column == "attributes" and isinstance(cell, Mapping) else [column])
        )
    )


def _names_in(column: pa.Field) -> list[str]:
    """Name the columns that one of parquet stands for."""
    from pyarrow import types

    nested = column.name == "attributes" and types.is_struct(column.type)
    return [part.name for part in column.type] if nested else [column.name]


def _suffix(table: Path) -> str:
    return Path(table.name.lower().removesuffix(".gz")).suffix


def _row(facts: Facts, made: Description) -> dict[str, Any]:
    row: dict[str, Any] = {
        "description": made.text,
        "sentences": [
            {"text": each.text, "facts": list(each.facts)}
            | ({"keywords": list(each.keywords)} if each.keywords else {})
            for each in made.sentences
        ],
        "facts": {
            fact.name: {"value": fact.value}
            | ({} if fact.confidence is None else {"confidence": round(fact.confidence, 4)})
            for fact in facts
        },
        "writer": made.writer,
        "language": made.language,
    }
    if made.problems:
        row["problems"] = [list(each) for each in made.problems]
    if made.left_out:
        row["keywords_left_out"] = list(made.left_out)
    return row
