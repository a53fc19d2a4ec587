"""Facts: the attributes of a product that a description may state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from catalens.core.errors import InputError
from catalens.tasks.schema import UNKNOWN

MAX_CHARACTERS = 200
"""Maximum length of a value; a longer one is a text, which no description could repeat."""

_NOTHING = frozenset({"", UNKNOWN, "none", "nan", "null", "n/a", "na"})


@dataclass(frozen=True, slots=True)
class Fact:
    """One attribute of one product.

    Attributes:
        name: of the attribute, such as "colour".
        values: at least one; several where several hold.
        confidence: probability of the first value, in [0, 1]; None if not known.
    """

    name: str
    values: tuple[str, ...]
    confidence: float | None = None

    @property
    def value(self) -> str:
        """All values as one text."""
        return "; ".join(self.values)


Facts = tuple[Fact, ...]
"""Each name once; never empty."""


def facts_from_fields(
    fields: Mapping[str, object], *, only: Sequence[str] = (), renamed: Mapping[str, str] | None = None
) -> Facts:
    """Return the facts of a row of a table, or from a JSON object that `catalens attributes` wrote.

    Empty and "unknown" cells are skipped; a semicolon separates several values.

    Args:
        fields: column → cell; an object under "attributes" counts as columns of its own.
        only: the columns to take, in this order; empty: all of them.
        renamed: column → attribute, where their names differ.

    Raises:
        InputError: there is no fact, a requested column is missing, or a cell holds a long text or an object.

    >>> [(fact.name, fact.values) for fact in facts_from_fields({"colour": "Red", "size": "", "with": "hood; zip"})]
    [('colour', ('Red',)), ('with', ('hood', 'zip'))]
    """
    columns = dict(fields)
    if isinstance(nested := columns.get("attributes"), Mapping):
        del columns["attributes"]
        columns |= nested
    missing = [name for name in only if name not in columns]
    if missing:
        raise InputError(f"the row has no column {missing[0]!r}; it has: {', '.join(columns)}")
    names = renamed or {}
    return _checked(_fact(names.get(name, name), columns[name]) for name in (only or columns))


def _fact(name: str, cell: object) -> Fact:
    if not isinstance(cell, Mapping):
        return Fact(_clean(name), _values(name, cell))
    confidence = cell.get("confidence")
    values = cell.get("values") or cell.get("value")
    return Fact(_clean(name), _values(name, values), float(confidence) if isinstance(confidence, int | float) else None)


def _values(name: str, cell: object) -> tuple[str, ...]:
    match cell:
        case None:
            return ()
        case bool():
            return ("yes" if cell else "no",)
        case str():
            parts = [_clean(part) for part in cell.split(";")]
            return tuple(dict.fromkeys(part for part in parts if part.lower() not in _NOTHING))
        case int() | float():
            return () if cell != cell else (f"{cell:g}" if abs(cell) < 1e6 else str(cell),)
        case list() | tuple():
            return tuple(value for part in cell for value in _values(name, part))
        case _:
            raise InputError(f"the fact {name!r} is {cell!r:.60}; it must be a text, a number or a list of them")


def _clean(text: str) -> str:
    """One line, without control characters: nothing a fact holds can end the line it is written on."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()


def _checked(facts: Iterable[Fact]) -> Facts:
    kept: dict[str, Fact] = {}
    for fact in facts:
        if not fact.values:
            continue
        if not fact.name:
            raise InputError(f"the value {fact.value!r} has no attribute name")
        if fact.name in kept:
            raise InputError(f"the attribute {fact.name!r} is listed twice")
        if (longest := max(len(fact.value), len(fact.name))) > MAX_CHARACTERS:
            raise InputError(
                f"the fact {fact.name[:40]!r} has {longest} characters; a fact has at most {MAX_CHARACTERS}: "
                "name the columns that hold facts"
            )
        kept[fact.name] = fact
    if not kept:
        raise InputError("there are no facts to describe: every attribute is empty or unknown")
    return tuple(kept.values())
