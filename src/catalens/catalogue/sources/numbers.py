"""Numbers in text tables: a column's type is decided once, for all its cells.

A column is numeric if nearly all of its cells are numbers, however their decimals and thousands
are written; what is left stays text. Codes with leading zeros make their column text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from catalens.catalogue.sources.items import Row
from catalens.core.types import FieldValue

Notation = Literal["point", "comma"]
"""What stands before the decimals; the other one of the two may group thousands."""

_MISSING = frozenset({"", "-", "--", "?", "na", "n/a", "n.a.", "nan", "none", "null"})
_STARTS = frozenset("-0123456789")
_LEAST_NUMERIC = 0.98
_ENOUGH = 1000
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_POINT = re.compile(r"-?\d{1,15}\.\d+")
_COMMA = re.compile(r"-?\d{1,15},\d+")
_GROUPED_BY_COMMA = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
_GROUPED_BY_POINT = re.compile(r"-?[1-9]\d{0,2}(\.\d{3})+(,\d+)?")
_CODE = re.compile(r"0\d+")


@dataclass(slots=True)
class _Column:
    """What the cells of a column look like, counted."""

    shapes: Counter[str] = field(default_factory=Counter)

    def is_text(self) -> bool:
        """Whether the column is text for certain, so that it need not be read to its end."""
        return self.shapes["text"] > _ENOUGH and 2 * self.shapes["text"] > self.shapes.total()

    def notation(self) -> Notation | None:
        """Decide how the column writes numbers; None if it holds text."""
        n = self.shapes
        numbers = n.total() - n["text"] - n["missing"] - n["code"]
        if n["code"] or not numbers or numbers < _LEAST_NUMERIC * (numbers + n["text"]):
            return None
        # Alone, 1,234 and 1.234 can be either; the cells that can be only one thing decide for them.
        comma, point = n["decimal comma"], n["decimal point"]
        return "comma" if comma > point else "point"


def number_columns(rows: Iterable[Row], names: Iterable[str]) -> dict[str, Notation]:
    """Return which of some columns hold numbers, and how they write them.

    Args:
        rows: of a table; they are read until every column is known to be text, and not at all without columns.
        names: of the columns.
    """
    columns = {name: _Column() for name in names}
    undecided = dict(columns)
    for row in rows if columns else ():
        for name, column in undecided.items():
            if isinstance(value := row.values.get(name), str):
                column.shapes[_shape(value.strip())] += 1
        if any(column.is_text() for column in undecided.values()):
            undecided = {name: column for name, column in undecided.items() if not column.is_text()}
            if not undecided:
                break
    return {name: notation for name, column in columns.items() if (notation := column.notation())}


def cell_value(text: str, notation: Notation | None) -> FieldValue | None:
    """Return the value of a cell in a column of numbers, or in one of text (None).

    Returns:
        None for a cell that says it is missing, among numbers.

    >>> [cell_value(text, "point") for text in ("2012", "9.50", "1,234.5", "12,50", "n/a", "call us")]
    [2012, 9.5, 1234.5, 12.5, None, 'call us']
    >>> [cell_value(text, "comma") for text in ("12,50", "1.234,50", "1.234", "9.5")]
    [12.5, 1234.5, 1234, 9.5]
    >>> cell_value("10", None)
    '10'
    """
    if notation is None:
        return text
    plain = text.strip()
    match _shape(plain):
        case "missing":
            return None
        case "text" | "code":
            return text
        case "whole":
            return int(plain)
        case "ambiguous":
            return _number(plain, notation)
        case "decimal comma":
            return _number(plain, "comma")
        case _:
            return _number(plain, "point")


def typed(values: Mapping[str, object], columns: Mapping[str, Notation]) -> dict[str, object]:
    """Return the cells of a row with their values; missing numbers are left out."""
    cells = {
        name: cell_value(value, columns.get(name)) if isinstance(value, str) else value
        for name, value in values.items()
    }
    return {name: value for name, value in cells.items() if value is not None}


def _number(text: str, notation: Notation) -> FieldValue:
    """Read a number, in which the other mark groups thousands."""
    mark, group = (",", ".") if notation == "comma" else (".", ",")
    plain = text.replace(group, "").replace(mark, ".")
    return float(plain) if "." in plain else int(plain)


def _shape(text: str) -> str:
    """Return what a cell looks like: a number of some notation, a code, a missing value, or text."""
    if text[:1] not in _STARTS:
        return "missing" if text.lower() in _MISSING else "text"
    if text in _MISSING:
        return "missing"
    if _WHOLE.fullmatch(text):
        return "whole"
    if _CODE.fullmatch(text):
        return "code"
    by_comma, by_point = _GROUPED_BY_COMMA.fullmatch(text), _GROUPED_BY_POINT.fullmatch(text)
    if by_comma or by_point:
        found = by_comma or by_point
        marks = {each for each in ",." if each in text}
        if len(marks) == 1 and found is not None and text.count(min(marks)) == 1:
            return "ambiguous"  # 1,234 or 1.234
        return "decimal point" if by_comma else "decimal comma"
    if _POINT.fullmatch(text):
        return "decimal point"
    return "decimal comma" if _COMMA.fullmatch(text) else "text"
