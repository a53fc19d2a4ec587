"""Labelled tables: what the columns say of the groups of a schema, beside the vectors of the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from catalens.core.columns import plain_name
from catalens.core.errors import InputError
from catalens.core.types import Record, Vectors
from catalens.tasks.assessment import Truth, read_table
from catalens.tasks.attributes import SchemaBank
from catalens.tasks.schema import Group, Schema

_SHOWN = 40
"""Characters of a value in a message."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTable:
    """n pictures whose attributes are known.

    Attributes:
        records: n, with all fields of the table.
        vectors: (n, dim), unit rows, from the bank's encoder.
        truth: group name → n true values; groups without a column are missing.
        bank: the encoded schema.
    """

    records: Sequence[Record]
    vectors: Vectors
    truth: Mapping[str, Sequence[Truth]]
    bank: SchemaBank


def read_truth(
    records: Sequence[Record], schema: Schema, columns: Sequence[tuple[str, str]] = ()
) -> Mapping[str, Sequence[Truth]]:
    """Return the true values of n records, group by group; groups without a column are missing.

    Args:
        records: with all fields of the table.
        schema: its groups are looked for among the columns, by name.
        columns: (group, column) of those that have another name.

    Raises:
        InputError: a column is missing, no group has one, or no value in them is a label.
    """
    names = {name for record in records for name in record.fields}
    found = _columns_by_group(schema, columns, names)
    if not found:
        groups = ", ".join(group.name for group in schema.groups)
        raise InputError(
            f"there is no column for any group of schema {schema.name!r} ({groups}); the columns are: "
            f"{', '.join(sorted(names)) or 'none'}; pair them with --column group=column"
        )
    truth = {group.name: [_truth(record, column, group) for record in records] for group, column in found}
    if not any(len(read_table(group, truth[group.name], len(records)).rows) for group, _ in found):
        raise InputError(
            f"no value of {' or '.join(column for _, column in found)} is a label of schema {schema.name!r}, "
            f"so there is nothing to compare: {'; '.join(_example(*each, records) for each in found)}"
        )
    return truth


def _example(group: Group, column: str, records: Sequence[Record]) -> str:
    """Return what a column has beside what it should have."""
    value = next((each.fields[column] for each in records if each.fields.get(column) is not None), None)
    has = "has no value" if value is None else f"has {str(value)[:_SHOWN]!r}"
    return f"{column} {has}, {group.name} is {', '.join(map(repr, group.label_names[:3]))} …"


def _columns_by_group(schema: Schema, columns: Sequence[tuple[str, str]], names: set[str]) -> list[tuple[Group, str]]:
    given: dict[str, str] = {}
    for group, column in columns:
        if column not in names:
            raise InputError(
                f"--column {group}={column}: there is no such column; there are: {', '.join(sorted(names))}"
            )
        given[schema.group(group).name] = column
    by_plain_name = {plain_name(name): name for name in sorted(names)}
    found = [(group, given.get(group.name) or by_plain_name.get(plain_name(group.name))) for group in schema.groups]
    return [(group, column) for group, column in found if column]


def _truth(record: Record, column: str, group: Group) -> Truth:
    value = record.fields.get(column)
    if value is None:
        return None
    text = str(value).strip()
    # A table joins several values of a cell with semicolons.
    return [part.strip() for part in text.split(";")] if group.kind == "multi" and text else text
