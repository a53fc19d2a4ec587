"""Filters as conditions of SQL over the columns `fields` and `lower`; they agree with `core.filters.matches`.

Each condition is true or false, never NULL, so that NOT means what it says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import LiteralString

from catalens.catalogue.records import exact
from catalens.core.filters import And, Compare, Exists, Filter, Leaf, Like, Not, OneOf, Operator, Or
from catalens.core.types import FieldValue

Condition = tuple[LiteralString, list[object]]
"""SQL and its parameters."""

_NUMBERS: dict[Operator, LiteralString] = {
    operator: f"(CASE WHEN jsonb_typeof(fields -> %s) = 'number' THEN (fields ->> %s)::numeric {operator} %s::numeric "
    "ELSE false END)"
    for operator in ("<", "<=", ">", ">=")
}
_TEXTS: dict[Operator, LiteralString] = {
    operator: f"(CASE WHEN jsonb_typeof(fields -> %s) = 'string' THEN (fields ->> %s) COLLATE \"C\" {operator} %s "
    "ELSE false END)"
    for operator in ("<", "<=", ">", ">=")
}


def compile_filter(where: Filter) -> Condition:
    """Return the condition of a filter.

    >>> compile_filter(Compare("colour", "=", "Red"))
    ('fields @> %s::jsonb', ['{"colour": "Red"}'])
    """
    match where:
        case And(parts):
            return _joined(" AND ", parts, "true")
        case Or(parts):
            return _joined(" OR ", parts, "false")
        case Not(part):
            sql, values = compile_filter(part)
            return f"NOT ({sql})", values
        case Compare(field, "!=", value):
            return compile_filter(Not(Compare(field, "=", value)))
        case leaf:
            return _leaf(leaf)


def _leaf(leaf: Leaf) -> Condition:
    match leaf:
        case Compare(field, "=", value):
            return _equal(field, [value])
        case Compare(field, operator, value):
            table = _TEXTS if isinstance(value, str) else _NUMBERS
            return table[operator], [field, field, value if isinstance(value, str) else repr(exact(value))]
        case OneOf(field, values):
            return _equal(field, values)
        case Like(field, pattern):
            return "coalesce((lower ->> %s) LIKE %s, false)", [field, _like(pattern.lower())]
        case Exists(field):
            return "fields ? %s", [field]


def _equal(field: str, values: Sequence[FieldValue]) -> Condition:
    if not values:
        return "false", []
    return " OR ".join(["fields @> %s::jsonb"] * len(values)), [
        json.dumps({field: exact(value)}, ensure_ascii=False) for value in values
    ]


def _joined(word: LiteralString, parts: Sequence[Filter], empty: LiteralString) -> Condition:
    found = [compile_filter(part) for part in parts]
    if not found:
        return empty, []
    return word.join(f"({sql})" for sql, _ in found), [value for _, values in found for value in values]


def _like(pattern: str) -> str:
    """Return a pattern without a backslash that escapes nothing, which PostgreSQL refuses."""
    trailing = len(pattern) - len(pattern.rstrip("\\"))
    return pattern + "\\" * (trailing % 2)
