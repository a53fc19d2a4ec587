"""Why a filter finds nothing, or excludes nothing: fields that no record has, and comparisons across kinds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import islice

import numpy as np

from catalens.catalogue.sources.numbers import cell_value
from catalens.core.errors import InputError
from catalens.core.filters import (
    And,
    Compare,
    Exists,
    Filter,
    Kind,
    Leaf,
    Like,
    Not,
    OneOf,
    Or,
    fields_of,
    kind_of,
    leaves_of,
)
from catalens.core.protocols import Index
from catalens.core.types import FieldValue, Record

_MOST = 10
_MOST_FIELDS = 20
"""Fields of a filter that are looked into for `check_filter`; each costs a search or two."""
_SAMPLE = 2000
"""Records whose fields are named in the place of one that none has."""
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
    found = [_no_field(name, names) for name, held in sorted(fields.items()) if not held.examples]
    mixed = [
        _across(leaf, kinds, fields[leaf.field])
        for leaf, kinds in wanted
        if fields[leaf.field].examples and not kinds & fields[leaf.field].examples.keys()
    ]
    return found + list(dict.fromkeys(mixed))


def check_filter(index: Index, where: Filter | None, found: Sequence[Record]) -> None:
    """Refuse a filter that no record of an index can pass, or that excludes values of a field that no record has.

    It costs a few searches where nothing was found, one for each field with excluded values that the found records
    lack, and else none. Whether a field is there may always be asked, and an empty index holds nothing against any
    filter.

    Args:
        index: what was searched.
        where: the filter.
        found: records that passed it; none means that none was found.

    Raises:
        InputError: the filter is refused; the message names the fields that there are.
    """
    if where is None or len(fields_of(where)) > _MOST_FIELDS:
        return
    reasons = unknown_exclusions(index, where, found)
    if not found and next(index.records(), None) is not None:
        held = _HeldBy(index)
        reasons += [] if _can_pass(where, held) else held.reasons
    if reasons:
        raise InputError("; ".join(dict.fromkeys(reasons)))


def unknown_exclusions(index: Index, where: Filter, found: Iterable[Record]) -> list[str]:
    """Return a sentence for each field with excluded values that no record has: all records pass such a part.

    A filter that also asks whether the field is there expects that it may be missing everywhere.

    Args:
        index: what was searched.
        where: the filter.
        found: some of its records, whose fields are not looked for.
    """
    fields = _excluded(where) - {leaf.field for leaf in leaves_of(where) if isinstance(leaf, Exists)}
    for record in found:
        fields -= record.fields.keys()
        if not fields:
            return []
    held = _HeldBy(index)
    unknown = [name for name in sorted(fields) if not held.has(name)]
    if not unknown or next(index.records(), None) is None:
        return []
    return [held.unknown(name) for name in unknown]


class _HeldBy:
    """What the records of an index hold in the fields of a filter, asked for as a search with a filter is."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._any = np.eye(1, index.dim, dtype=np.float32)
        self.reasons: list[str] = []
        """Why parts of the filter can pass nothing."""

    def can_pass(self, leaf: Leaf) -> bool:
        if (kinds := _kinds(leaf)) is None:
            return True
        held = _Held()
        for where in (Exists(leaf.field), *(_of_kind(leaf.field, kind) for kind in sorted(kinds))):
            if (value := self._example(leaf.field, where)) is not None:
                held.examples.setdefault(kind_of(value), value)
            if kinds & held.examples.keys():
                return True
            if not held.examples:
                self.reasons.append(self.unknown(leaf.field))
                return False
        self.reasons.append(_across(leaf, kinds, held))
        return False

    def has(self, name: str) -> bool:
        """Return whether any record has a field."""
        return self._example(name, Exists(name)) is not None

    def unknown(self, name: str) -> str:
        """Return what is said of a field that no record has."""
        records = list(islice(self._index.records(), _SAMPLE))
        names = {each for record in records for each in record.fields}
        return _no_field(name, names)

    def _example(self, name: str, where: Filter) -> FieldValue | None:
        (hits,) = self._index.query(self._any, 1, where)
        return hits[0].record.fields.get(name) if hits else None


def _can_pass(where: Filter, held: _HeldBy) -> bool:
    """Return whether records may pass; what is beneath a `Not` may always fail, and then it passes."""
    match where:
        case And(parts):
            return all(_can_pass(part, held) for part in parts)
        case Or(parts):
            return any(_can_pass(part, held) for part in parts)
        case Not():
            return True
        case leaf:
            return held.can_pass(leaf)


def _excluded(where: Filter) -> set[str]:
    """Return the fields of which a filter excludes values: compared by `!=`, or beneath a `Not`."""
    match where:
        case And(parts) | Or(parts):
            return {name for part in parts for name in _excluded(part)}
        case Not(part):
            return fields_of(part)
        case Compare(name, "!="):
            return {name}
    return set()


def _of_kind(name: str, kind: Kind) -> Filter:
    """Return the filter that every value of a kind passes."""
    match kind:
        case "text":
            return Compare(name, ">=", "")
        case "number":
            return Or((Compare(name, "<", 0), Compare(name, ">=", 0)))
        case "truth":
            return OneOf(name, (True, False))


def _no_field(name: str, names: Iterable[str]) -> str:
    return f"no record has a field {name!r}; there are: {_listed(nearest_first(name, names)) or 'none'}"


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
