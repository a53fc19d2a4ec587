"""Filters as OpenSearch queries; they agree with `core.filters.matches`."""

from __future__ import annotations

import math
import re
from typing import Any

from catalens.catalogue.opensearch.mapping import field_name, term
from catalens.catalogue.records import exact
from catalens.core.filters import And, Compare, Exists, Filter, Leaf, Like, Not, OneOf, Or
from catalens.core.types import FieldValue

Query = dict[str, Any]

_NOTHING: Query = {"match_none": {}}
_RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_LONGS = (-(2**63), 2**63)


def compile_filter(where: Filter) -> Query:
    """Return the query of a filter.

    >>> compile_filter(Compare("colour", "=", "Red"))
    {'term': {'fields.colour.text': 'Red'}}
    """
    match where:
        case And(parts):
            return {"bool": {"filter": [compile_filter(part) for part in parts]}} if parts else {"match_all": {}}
        case Or(parts):
            return _any([compile_filter(part) for part in parts])
        case Not(part):
            return _not(compile_filter(part))
        case Compare(field, "!=", value):
            return _not(_equal(field, [value]))
        case leaf:
            return _leaf(leaf)


def _leaf(leaf: Leaf) -> Query:
    match leaf:
        case Compare(field, "=", value):
            return _equal(field, [value])
        case Compare(field, operator, value):
            return _ordered(field, operator, exact(value))
        case OneOf(field, values):
            return _equal(field, values)
        case Like(field, pattern):
            wildcard = _wildcard(pattern.lower())  # an empty one finds nothing, not even empty text
            return {"wildcard" if wildcard else "term": {_path(field, "lower"): {"value": wildcard}}}
        case Exists(field):
            return {"exists": {"field": f"fields.{field_name(field)}"}}


def _equal(field: str, values: tuple[FieldValue, ...] | list[FieldValue]) -> Query:
    """Return what holds one of some values, each compared within its kind."""
    by_part: dict[str, list[FieldValue]] = {}
    for value in map(exact, values):
        match value:
            case bool():
                by_part.setdefault("truth", []).append(value)
            case str():
                by_part.setdefault("text", []).append(term(value))
            case int():
                by_part.setdefault("whole", []).append(value)
            case float():
                by_part.setdefault("real", []).append(value)
    queries = [
        {"term": {_path(field, part): found[0]}} if len(found) == 1 else {"terms": {_path(field, part): found}}
        for part, found in by_part.items()
    ]
    return _any(queries)


def _ordered(field: str, operator: str, value: FieldValue) -> Query:
    """Return what stands so to a value. Whole and other numbers are apart in the index, so each has its bound."""
    if isinstance(value, str):
        return {"range": {_path(field, "text"): {_RANGES[operator]: term(value)}}}
    least, end = _LONGS
    whole: Query = _NOTHING
    if least <= value < end:  # a bound between whole numbers moves to the next one inside
        bound = math.floor(value) if operator in ("<=", ">") else math.ceil(value)
        whole = {"range": {_path(field, "whole"): {_RANGES[operator]: bound}}}
    elif (value >= end) == (operator in ("<", "<=")):
        whole = {"exists": {"field": _path(field, "whole")}}
    # No number of `real` is whole within 64 bits, so it never equals a whole bound, and rounding cannot pass one.
    inclusive = {"<": "lt", "<=": "lt", ">": "gte", ">=": "gte"} if isinstance(value, int) else _RANGES
    return _any([whole, {"range": {_path(field, "real"): {inclusive[operator]: float(value)}}}])


def _wildcard(pattern: str) -> str:
    r"""Write a pattern of `Like` as a wildcard query has it.

    >>> _wildcard("50\\% of_%*")
    '50% of?*\\*'
    """
    parts: list[str] = []
    for token in re.findall(r"\\.|.|\\\Z", pattern, re.DOTALL):
        match token:
            case "%":
                parts += ["*"] if parts[-1:] != ["*"] else []
            case "_":
                parts.append("?")
            case _:
                parts.append(f"\\{token[-1]}" if token[-1] in "*?\\" else token[-1])
    return "".join(parts)


def _path(field: str, part: str) -> str:
    return f"fields.{field_name(field)}.{part}"


def _any(queries: list[Query]) -> Query:
    found = [query for query in queries if query != _NOTHING]
    if len(found) < 2:
        return found[0] if found else _NOTHING
    return {"bool": {"should": found, "minimum_should_match": 1}}


def _not(query: Query) -> Query:
    return {"bool": {"must_not": [query]}}
