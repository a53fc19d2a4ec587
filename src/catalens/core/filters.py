"""Filters on fields and their semantics; every index must agree with `matches`.

A filter is either true or false for a record, never unknown and never an error:

- A value is text, a number (whole or not) or true/false. A comparison across kinds is false, and
  so is any comparison with a field that the record does not have.
- `a != b` is exactly `not (a = b)`, hence true for a missing field.
- Text is compared by code points, case included. True and false have no order.
- `Like` ignores case, by `str.lower` on both sides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

from catalens.core.errors import InputError
from catalens.core.types import FieldValue

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Kind: TypeAlias = Literal["text", "number", "truth"]


@dataclass(frozen=True, slots=True)
class Compare:
    """True where the field holds a value of the same kind that stands so to `value`."""

    field: str
    operator: Operator
    value: FieldValue

    def __post_init__(self) -> None:
        if self.operator not in get_args(Operator):
            raise InputError(f"{self.operator!r} is not a comparison; use one of {', '.join(get_args(Operator))}")
        check_value(self.value, f"the filter on {self.field!r}")
        if self.operator not in ("=", "!=") and kind_of(self.value) == "truth":
            raise InputError(f"the filter on {self.field!r}: true and false have no order; use = or !=")


@dataclass(frozen=True, slots=True)
class OneOf:
    """True where the field equals one of the values."""

    field: str
    values: tuple[FieldValue, ...]
    members: frozenset[tuple[Kind, FieldValue]] = dataclass_field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for value in self.values:
            check_value(value, f"the filter on {self.field!r}")
        object.__setattr__(self, "members", frozenset((kind_of(value), value) for value in self.values))


@dataclass(frozen=True, slots=True)
class Like:
    """True where the field holds text that fits a pattern as a whole.

    Attributes:
        field: name of the field.
        pattern: % stands for any characters, _ for one, and a backslash takes the meaning from either.
    """

    field: str
    pattern: str

    def __post_init__(self) -> None:
        check_value(self.pattern, f"the filter on {self.field!r}")


@dataclass(frozen=True, slots=True)
class Exists:
    """True where the record has the field."""

    field: str


@dataclass(frozen=True, slots=True)
class And:
    """True where every part is."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True where at least one part is."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is false."""

    part: Filter


Leaf: TypeAlias = Compare | OneOf | Like | Exists
"""A filter on one field."""

Filter: TypeAlias = Leaf | And | Or | Not


def kind_of(value: FieldValue) -> Kind:
    """Return the kind of a value; only values of one kind can be compared.

    >>> kind_of(1), kind_of(1.5), kind_of(True), kind_of("1")
    ('number', 'number', 'truth', 'text')
    """
    if isinstance(value, bool):
        return "truth"
    return "text" if isinstance(value, str) else "number"


def check_value(value: object, where: str) -> None:
    """Refuse values that a field cannot hold.

    Args:
        value: anything.
        where: begins the sentence of the error.

    Raises:
        InputError: not text, true/false, or a finite number; a whole number beyond 64 bits; text that is
            not valid Unicode or holds a NUL character.
    """
    match value:
        case bool():
            return
        case str():
            check_text(value, where)
        case int() if not -(2**63) <= value < 2**63:
            raise InputError(f"{where}: {value} is beyond 64 bits; store such a number as text")
        case float() if not math.isfinite(value):
            raise InputError(f"{where}: {value} is not a finite number; leave the field out instead")
        case int() | float():
            return
        case _:
            raise InputError(f"{where}: a {type(value).__name__} given; a field holds text, a number, true or false")


def check_text(text: str, where: str) -> None:
    """Refuse text that no file can hold faithfully: lone surrogates and NUL characters.

    Raises:
        InputError: named by `where`.
    """
    if "\0" in text:
        raise InputError(f"{where}: {text!r} holds a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: {text!r} is not valid Unicode text") from error


def matches(where: Filter, fields: Mapping[str, FieldValue]) -> bool:
    """Return whether a record with these fields passes; the reference for every index.

    >>> matches(Compare("price", "<", 500), {"price": 499.5}), matches(Compare("price", "<", 500), {})
    (True, False)
    """
    match where:
        case And(parts):
            return all(matches(part, fields) for part in parts)
        case Or(parts):
            return any(matches(part, fields) for part in parts)
        case Not(part):
            return not matches(part, fields)
        case leaf:
            return leaf_matches(leaf, fields.get(leaf.field))


def leaf_matches(leaf: Leaf, held: FieldValue | None) -> bool:
    """Return whether a field with this value passes; None for a record without the field."""
    match leaf:
        case Compare(_, operator, value):
            return _compare(held, operator, value)
        case OneOf():
            return held is not None and (kind_of(held), held) in leaf.members
        case Like(_, pattern):
            return isinstance(held, str) and like(pattern, held)
        case Exists():
            return held is not None


def leaves_of(where: Filter) -> Iterator[Leaf]:
    """Return the parts of a filter that look at a field."""
    match where:
        case And(parts) | Or(parts):
            for part in parts:
                yield from leaves_of(part)
        case Not(part):
            yield from leaves_of(part)
        case leaf:
            yield leaf


def fields_of(where: Filter) -> set[str]:
    """Return the names of the fields used in a filter.

    >>> sorted(fields_of(And((Compare("price", "<", 500), Not(Exists("colour"))))))
    ['colour', 'price']
    """
    return {leaf.field for leaf in leaves_of(where)}


def like(pattern: str, text: str) -> bool:
    """Return whether a whole text fits the pattern of a `Like`; never slower than the lengths of both multiplied.

    >>> [like("%shirt", text) for text in ("Red T-Shirt", "shirts")]
    [True, False]
    """
    (head, _), *rest = _like_parts(pattern.lower())
    text = text.lower()
    if not rest:
        return head.fullmatch(text) is not None
    found = head.match(text)
    *middle, (tail, tail_length) = rest
    for part, _ in middle:  # the leftmost place leaves most for what follows
        found = found and part.search(text, found.end())
    if found is None or len(text) - tail_length < found.end():
        return False
    return tail.match(text, len(text) - tail_length) is not None


@lru_cache(maxsize=256)
def _like_parts(pattern: str) -> list[tuple[re.Pattern[str], int]]:
    """Return what stands between the % of a pattern, each as an expression and the length of what it matches."""
    parts: list[list[str]] = [[]]
    for token in re.findall(r"\\.|.|\\\Z", pattern, re.DOTALL):
        match token:
            case "%":
                parts.append([])
            case "_":
                parts[-1].append(".")
            case _:
                parts[-1].append(re.escape(token[-1]))
    return [(re.compile("".join(part), re.DOTALL), len(part)) for part in parts]


def containing(text: str) -> str:
    r"""Return the pattern of what contains a text.

    >>> containing("50%")
    '%50\\%%'
    """
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def _compare(held: FieldValue | None, operator: Operator, value: FieldValue) -> bool:
    if operator == "!=":
        return not _compare(held, "=", value)
    if held is None or kind_of(held) != kind_of(value):
        return False
    # Of one kind, so Python can order them; the checker only sees the union.
    left, right = held, value
    match operator:
        case "=":
            return left == right
        case "<":
            return left < right  # type: ignore[operator]
        case "<=":
            return left <= right  # type: ignore[operator]
        case ">":
            return left > right  # type: ignore[operator]
        case ">=":
            return left >= right  # type: ignore[operator]
