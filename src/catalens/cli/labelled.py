"""Labelled tables: pictures encoded, and what the columns say of them beside the groups of a schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli.inputs import pairs
from catalens.cli.jobs import encode_all
from catalens.cli.tally import Tally
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.protocols import Encoder
    from catalens.core.types import Record, Vectors
    from catalens.pipelines.session import Session
    from catalens.tasks.assessment import Truth
    from catalens.tasks.schema import Group, Schema


@dataclass(frozen=True, slots=True)
class Labelled:
    """n pictures whose attributes are known.

    Attributes:
        records: n of them, with all fields of the table.
        vectors: (n, dim).
        truth: group name → n values; groups without a column are missing.
        tally: what could not be read.
    """

    records: Sequence[Record]
    vectors: Vectors
    truth: Mapping[str, Sequence[Truth]]
    tally: Tally


def read_labelled(
    path: Path, schema: Schema, columns: Sequence[str], encoder: Encoder, session: Session, *, as_json: bool
) -> Labelled:
    """Encode a table's pictures and find the columns of a schema's groups.

    Args:
        path: a table or a folder that `open_source` reads.
        schema: its groups are looked for among the columns, by name.
        columns: `group=column` for those that have another name.
        encoder: makes the vectors.
        session: whose lock is held while it does.
        as_json: write failures as JSON lines too.

    Raises:
        InputError: a pair is malformed, or no group has a column.
    """
    from catalens.catalogue.sources import open_source

    tally = Tally(as_json=as_json)
    records, vectors = encode_all(open_source(path), encoder, session, tally)
    if not records:
        tally.finish()
    return Labelled(records, vectors, read_truth(records, schema, columns, path), tally)


def read_truth(records: Sequence[Record], schema: Schema, columns: Sequence[str], path: Path) -> dict[str, list[Truth]]:
    """Return what the columns of a table say of each group: group name → n values.

    Args:
        records: n of them, with all fields of the table.
        schema: its groups are looked for among the columns, by name.
        columns: `group=column` for those that have another name.
        path: the table, for messages.

    Raises:
        InputError: a pair is malformed, or no group has a column.
    """
    names = {name for record in records for name in record.fields}
    found = _columns_by_group(schema, columns, names)
    if not found:
        groups = ", ".join(group.name for group in schema.groups)
        raise InputError(
            f"{path} has no column for any group of schema {schema.name!r} ({groups}); its columns are: "
            f"{', '.join(sorted(names)) or 'none'}; pair them with --column group=column"
        )
    return {group.name: [_truth(record, column, group) for record in records] for group, column in found}


def _columns_by_group(schema: Schema, columns: Sequence[str], names: set[str]) -> list[tuple[Group, str]]:
    given: dict[str, str] = {}
    for group, column in pairs(columns, "--column", "colour=baseColour"):
        if column not in names:
            raise InputError(
                f"--column {group}={column}: there is no such column; there are: {', '.join(sorted(names))}"
            )
        given[schema.group(group).name] = column
    by_plain_name = {_plain(name): name for name in sorted(names)}
    found = [(group, given.get(group.name) or by_plain_name.get(_plain(group.name))) for group in schema.groups]
    return [(group, column) for group, column in found if column]


def _plain(name: str) -> str:
    """Return a name without what people vary: `Sleeve Length` and `sleeve_length` are one."""
    return name.lower().replace("_", "").replace(" ", "").replace("-", "")


def _truth(record: Record, column: str, group: Group) -> Truth:
    value = record.fields.get(column)
    if value is None:
        return None
    text = str(value).strip()
    # A table joins several values of a cell with semicolons.
    return [part.strip() for part in text.split(";")] if group.kind == "multi" and text else text
