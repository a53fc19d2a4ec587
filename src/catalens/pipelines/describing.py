"""Product descriptions: facts from a picture's attributes or a table's row, into a text that is true to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from catalens.catalogue.sources import Entry, Item
from catalens.core.columns import matching_column
from catalens.core.errors import CatalensError, InputError
from catalens.core.types import Outcome
from catalens.models.routing import domain
from catalens.pipelines.attributes import ATTRIBUTES, AttributeStage
from catalens.pipelines.encoding import ENCODER
from catalens.pipelines.routing import warn_of_everyday_pictures
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Stage, Step, Values
from catalens.tasks.describing import Description
from catalens.tasks.facts import Facts
from catalens.tasks.instruction import Style

if TYPE_CHECKING:
    from catalens.catalogue.sources.items import Row
    from catalens.pipelines.pictures import NamedEntries
    from catalens.tasks.lexicon import Lexicon

DESCRIPTION, TEMPLATE = "description", "template"
VALUES = (DESCRIPTION, "sentences", "facts", "writer", "language", "problems", "keywords_left_out")
_ROW_KEYS = frozenset({"id", "source", "image", "file_name", "path", "encoder"})
"""Columns that say which product a row is about, and nothing of it."""

_MAX_FAILURES = 5
"""A writer that fails this often, without a text between, is not available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeStage:
    """A description of each product, from the attributes that an earlier stage found, or from the record's fields.

    Attributes:
        style: tone, length, language, search words and seed.
        writer: "template", or a language model's name.
        instruction: file of the prompt template, with {facts} in it; None is the package's own.
        only: attributes to describe; empty describes all.
        from_fields: take the facts from the record's fields instead of from a picture's attributes.
        renamed: (column, attribute) of fields that have another name.
        schema: whose words are checked; None is the schema of the encoder that read the attributes.
    """

    style: Style = field(default_factory=Style)
    writer: str = TEMPLATE
    instruction: Path | None = None
    only: tuple[str, ...] = ()
    from_fields: bool = False
    renamed: tuple[tuple[str, str], ...] = ()
    schema: str | None = None
    name = "descriptions"
    gives = VALUES

    def load(self, session: Session) -> Step:
        """Load the writer.

        Raises:
            InputError: the template does not know the language or the tone, or the instruction has no {facts}.
            ModelError: the writer cannot be had.
        """
        from catalens.tasks.describing import check_template_can, describe
        from catalens.tasks.instruction import load_instruction
        from catalens.tasks.lexicon import build_lexicon
        from catalens.tasks.schema import load_schema

        instruction = load_instruction(self.instruction)
        if self.writer == TEMPLATE:
            check_template_can(self.style)
        writer = None if self.writer == TEMPLATE else session.writer(self.writer)
        lexicons: dict[str, Lexicon] = {}
        done = replaced = 0

        def one(picture: Picture) -> Values | CatalensError:
            nonlocal done, replaced
            try:
                facts = self.facts(picture)
            except InputError as error:
                return error
            schema = self.schema or domain(picture.values.get(ENCODER, ""))
            if schema not in lexicons:
                lexicons[schema] = build_lexicon(load_schema(schema))
            made = describe(facts, lexicons[schema], writer=writer, style=self.style, instruction=instruction)
            done += 1
            replaced += bool(made.problems) and made.writer == TEMPLATE
            return _values(facts, made)

        def finish() -> None:
            nonlocal done, replaced
            if replaced:
                session.notify(
                    f"{replaced} of {done} texts are the template's: the writer's were not true to the facts"
                )
            done = replaced = 0  # the step may be kept for another job

        return Step(
            lambda pictures: [one(picture) for picture in pictures],
            reads_images=False,
            batch_size=32 if writer is None else 1,
            max_failures=_MAX_FAILURES,
            finish=finish,
        )

    def facts(self, picture: Picture) -> Facts:
        """Return what is known of a product.

        Raises:
            InputError: nothing is known of it.
        """
        from catalens.tasks.facts import facts_from_fields

        if not self.from_fields:
            found = picture.values[ATTRIBUTES]
            return facts_from_fields({name: found[name] for name in self.only or found if name in found})
        columns = {attribute: column for column, attribute in self.renamed}
        asked = [columns.get(name, name) for name in self.only]
        fields = {
            name: value
            for name, value in picture.record.fields.items()
            if name in asked or name.lower() not in _ROW_KEYS
        }
        return facts_from_fields(fields, only=asked, renamed=dict(self.renamed))


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of a table as items without pictures; a row that cannot be read is an outcome.

    Attributes:
        path: of the table.

    Raises:
        InputError: when iterated: the table cannot be read, or has no rows.
    """

    path: Path

    @property
    def names(self) -> list[str]:
        """The table, as a job's journal names it."""
        return [str(self.path)]

    def __iter__(self) -> Iterator[Entry]:
        """Return an entry for each row."""
        from catalens.catalogue.sources.formats import table_columns, table_rows
        from catalens.catalogue.sources.table import ID_COLUMNS, IMAGE_COLUMNS

        names = table_columns(self.path)
        image, id = matching_column(IMAGE_COLUMNS, names), matching_column(ID_COLUMNS, names)
        empty = True
        for row in table_rows(self.path):
            empty = False
            yield _entry(row, image, id)
        if empty:
            raise InputError(f"{self.path} has no rows; a table has one for each product")


def described_rows(path: Path, stage: DescribeStage) -> TableRows:
    """Return the rows of a table that a stage describes.

    Raises:
        InputError: the table lacks a column that the stage asks for: once, rather than in every row.
    """
    from catalens.catalogue.sources.formats import table_columns

    columns_of = {attribute: column for column, attribute in stage.renamed}
    asked = [*columns_of.values(), *(columns_of.get(name, name) for name in stage.only)]
    known = table_columns(path) if asked else []
    for name in asked if known else ():
        if name not in known:
            raise InputError(f"{path} has no column {name!r}; it has: {', '.join(known)}")
    return TableRows(path)


@contextmanager
def as_table(lines: bytes) -> Iterator[Path | None]:
    """Hold JSON lines as a table, which can be read more than once, while the block runs; None where there are none."""
    if not lines.strip():
        yield None
        return
    with TemporaryDirectory() as folder:
        path = Path(folder, "standard-input.jsonl")
        path.write_bytes(lines)
        yield path


def described_pictures(
    entries: NamedEntries, stage: DescribeStage, calibration: Path | None, session: Session
) -> list[Stage]:
    """Return the stages that describe pictures by their attributes.

    Args:
        entries: the pictures; a notice tells a table of them from one of attributes, and photographs from products.
        stage: writes the descriptions.
        calibration: thresholds for the attributes.
        session: gets the notice.

    Raises:
        InputError: the schema is unknown, or has no such group.
    """
    from catalens.catalogue.sources.formats import is_table
    from catalens.tasks.schema import load_schema

    for name in entries.names:
        if is_table(Path(name)):
            session.notify(f"{name}: its pictures are read; to describe what its columns say, give --table {name}")
    for name in stage.only:
        load_schema(stage.schema or "fashion").group(name)
    if stage.schema == "fashion":
        warn_of_everyday_pictures(session, entries, better="--schema everyday")
    return [AttributeStage(schema=stage.schema, calibration=calibration), stage]


def _entry(row: Row, image: str | None, id: str | None) -> Entry:
    name = str(row.values.get(id or "id") or row.place)
    if row.error:
        return Outcome(name, f"{name}: {row.error}")
    if "error" in row.values and "attributes" not in row.values:
        return Outcome(name, f"{name}: there are no attributes: {row.values['error']}")
    # A row of JSON lines holds nested attributes, which `facts_from_fields` reads.
    return Item(name, b"", str(row.values.get("source") or _source(row, image, id)), row.values)  # type: ignore[arg-type]


def _source(row: Row, image: str | None, id: str | None) -> str:
    """Return what tells a row from others: its id, its picture, which need not be there, or its place in the table."""
    from catalens.catalogue.sources.cells import cell_address, is_data_address

    known, picture = row.values.get(id or ""), row.values.get(image or "")
    if known or not isinstance(picture, str) or not picture.strip() or is_data_address(picture):
        return str(known or cell_address(row, image or "row"))
    path = os.path.join(row.file.parent, picture.strip())  # noqa: PTH118 - any text
    return path if os.path.exists(path) else picture  # noqa: PTH110 - never raises


def _values(facts: Facts, made: Description) -> Values:
    values: dict[str, Any] = {
        DESCRIPTION: made.text,
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
        values["problems"] = [list(each) for each in made.problems]
    if made.left_out:
        values["keywords_left_out"] = list(made.left_out)
    return values
