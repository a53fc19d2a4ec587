"""Filters as SQL over the `fields` column (JSON), every name and value a parameter.

The meaning is that of `core.filters.matches`; a property test holds the two together.
"""

from __future__ import annotations

import json

from catalens.catalogue.records import stored_name
from catalens.core.filters import And, Compare, Exists, Filter, Kind, Not, OneOf, Or, kind_of
from catalens.core.types import FieldValue

# `json_extract` gives 1 for both 1 and true, so the type must be asked for.
_JSON_TYPES: dict[Kind, str] = {"text": "('text')", "number": "('integer', 'real')", "truth": "('true', 'false')"}


def filter_to_sql(where: Filter) -> tuple[str, list[str]]:
    """Return a condition that is 1 or 0 for every row, and its parameters in order."""
    match where:
        case Compare(name, "!=", value):
            return filter_to_sql(Not(Compare(name, "=", value)))
        case Compare(name, operator, value):
            return _typed(
                name, kind_of(value), f"{operator} json_extract(?, '$')", [json.dumps(value, ensure_ascii=False)]
            )
        case OneOf(name, values):
            return _one_of(name, values)
        case Exists(name):
            return "(json_type(fields, ?) IS NOT NULL)", [_path(name)]
        case And(parts):
            return _joined(parts, "AND", if_none="1")
        case Or(parts):
            return _joined(parts, "OR", if_none="0")
        case Not(part):
            sql, parameters = filter_to_sql(part)
            return f"(NOT {sql})", parameters


def _typed(name: str, kind: Kind, test: str, parameters: list[str]) -> tuple[str, list[str]]:
    """Test a field of one kind; a missing field gives NULL, which IS TRUE turns into 0.

    Values go through `json_extract` like the fields they are compared with, so that both are read
    from text to number by the same routine: SQLite's may differ from Python's in the last bit.
    """
    path = _path(name)
    sql = f"((json_type(fields, ?) IN {_JSON_TYPES[kind]} AND json_extract(fields, ?) {test}) IS TRUE)"
    return sql, [path, path, *parameters]


def _one_of(name: str, values: tuple[FieldValue, ...]) -> tuple[str, list[str]]:
    clauses: list[str] = []
    parameters: list[str] = []
    for kind in _JSON_TYPES:
        wanted = [value for value in values if kind_of(value) == kind]
        if wanted:
            # One parameter however long the list is: SQLite limits their number.
            sql, more = _typed(
                name, kind, "IN (SELECT value FROM json_each(?))", [json.dumps(wanted, ensure_ascii=False)]
            )
            clauses.append(sql)
            parameters += more
    return f"({' OR '.join(clauses) or '0'})", parameters


def _joined(parts: tuple[Filter, ...], word: str, *, if_none: str) -> tuple[str, list[str]]:
    compiled = [filter_to_sql(part) for part in parts]
    sql = f" {word} ".join(part for part, _ in compiled) or if_none
    return f"({sql})", [parameter for _, parameters in compiled for parameter in parameters]


def _path(name: str) -> str:
    return f'$."{stored_name(name)}"'
