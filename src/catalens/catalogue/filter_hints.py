"""Why a filter finds nothing: fields that no record has, and comparisons across kinds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from catalens.catalogue.sources.numbers import cell_value
from catalens.core.filters import Compare, Filter, Kind, Leaf, Like, OneOf, kind_of, leaves_of
from catalens.core.types import FieldValue, Record

_MOST = 10
_DATE = re.compile(r"\d{4}-\d\d")
_SIGN = r"(?:[^\w\s]{1,2}|[A-Za-z]{1,4})"
_AMOUNT = re.compile(rf"\s*(?:{_SIGN}\s*\d[\d.,' ]*|\d[\d.,' ]*{_SIGN})\s*")
"""A number with a sign or unit on one side."""
_NAMES: dict[Kind, str] = {"text": "text", "number": "numbers", "truth": "true and false"}


@dataclass(slots=True)
class _Held:
    """What records hold in a field: an example of each kind."""

    examples: dict[Kind, FieldValue] = field(default_factory=dict)


def hints(records: Iterable[Record], where: Filter) -> list[str]:
    """Return a sentence for each part of a filter that can never match, whatever its value.

    Reading stops as soon as every part has met a value of its kind, so a sound filter costs next to nothing.

    Args:
        records: of an index.
        where: a filter on them.
    """
    wanted = [(leaf, kinds) for leaf in leaves_of(where) if (kinds := _kinds(leaf)) is not None]
    fields = {leaf.field: _Held() for leaf in leaves_of(where)}
    names: set[str] = set()
    for record in records:
        names |= record.fields.keys()
        for name, held in fields.items():
            if (value := record.fields.get(name)) is not None:
                held.examples.setdefault(kind_of(value), value)
        if all(held.examples for held in fields.values()) and all(
            kinds & fields[leaf.field].examples.keys() for leaf, kinds in wanted
        ):
            return []
    found = [
        f"no record has a field {name!r}; there are: {_listed(nearest_first(name, names)) or 'none'}"
        for name, held in sorted(fields.items())
        if not held.examples
    ]
    mixed = [
        _across(leaf, kinds, fields[leaf.field])
        for leaf, kinds in wanted
        if fields[leaf.field].examples and not kinds & fields[leaf.field].examples.keys()
    ]
    return found + list(dict.fromkeys(mixed))


def nearest_first(name: str, others: Iterable[str]) -> list[str]:
    """Order names by how much they look like one, ignoring case.

    >>> nearest_first("Price", {"colour", "price", "prize"})
    ['price', 'prize', 'colour']
    """
    return sorted(sorted(others), key=lambda other: -SequenceMatcher(None, name.lower(), other.lower()).ratio())


def _kinds(leaf: Leaf) -> set[Kind] | None:
    """Return the kinds that a value must have to pass; None where any value may."""
    match leaf:
        case Compare(_, operator, value):
            return None if operator == "!=" else {kind_of(value)}
        case OneOf(_, values):
            return {kind_of(value) for value in values}
        case Like():
            return {"text"}
    return None


def _across(leaf: Leaf, kinds: set[Kind], held: _Held) -> str:
    example = next(iter(held.examples.values()))
    has = f"{leaf.field!r} holds {' and '.join(_NAMES[each] for each in held.examples)}, such as {example!r}"
    needs = " or ".join(_NAMES[each] for each in sorted(kinds))
    cure = _cure(leaf, example)
    return f"{has}, and is compared with {needs}, which never matches{f'; {cure}' if cure else ''}"


def _cure(leaf: Leaf, example: FieldValue) -> str | None:
    """Return how to compare with values such as the example; None where that would mean something else."""
    if isinstance(example, bool):
        return "write true or false without quotes"
    if isinstance(example, str):
        if isinstance(leaf, Compare) and leaf.operator not in ("=", "!="):
            return _cure_of_order(example)
        value = str(_shown(leaf))
        return f'write the value in quotes, "{example if example.lower() == value.lower() else value.lower()}"'
    number = cell_value(str(_shown(leaf)), "point")
    return None if number is None or isinstance(number, str) else f"write the value without quotes, {number}"


def _cure_of_order(example: str) -> str | None:
    """Return how to order texts such as the example, where they stand for dates or amounts."""
    if _DATE.match(example):
        return f'write the value in quotes, as in "{example}"'
    if _AMOUNT.fullmatch(example):
        return "a number with a currency or unit is text: put the bare number into the source, and add it again"
    return None


def _shown(leaf: Leaf) -> FieldValue:
    match leaf:
        case Compare(_, _, value):
            return value
        case OneOf(_, values):
            return values[0]
        case Like(_, pattern):
            return pattern
    return ""


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
