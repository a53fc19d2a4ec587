"""Filters as people write them: `colour = "Red" and price < 500`.

    filter     = every ("or" every)*
    every      = condition ("and" condition)*
    condition  = "not" condition | "(" filter ")" | field test
    test       = ("=" | "!=" | "<" | "<=" | ">" | ">=") value
               | ("=" | "!=") "null"                  the field is missing, or is not
               | ["not"] "in" "(" value ("," value)* ")"
               | "between" value "and" value          both ends included
               | ["not"] "contains" text              case is ignored
               | ["not"] "like" text                  % any characters, _ one; case is ignored
               | "exists"
               | "is" ["not"] ("missing" | "null")
    field      = a word (letters, digits, _ . -), or any name in quotes
    value      = text in "double" or 'single' quotes | a number | true | false

Their meaning is defined in `core.filters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, cast

from catalens.core.errors import InputError
from catalens.core.filters import And, Compare, Exists, Filter, Like, Not, OneOf, Operator, Or, check_text, containing
from catalens.core.types import FieldValue

__all__ = ["parse_filter"]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w))
      | (?P<operator>==|=|!=|<=|<|>=|>)
      | (?P<mark>[(),])
      | (?P<word>[^\W\d][\w.-]*)
      | (?P<end>\Z)
      | (?P<unknown>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = frozenset({"and", "or", "not", "in", "between", "exists", "true", "false"})
_REASONS = {
    re.compile(r"(?<=\d),\d"): "write decimals with a point",
    re.compile(r"(?<=\d)-\d"): "a date is text, which needs quotes",
    re.compile(r"[$€£¥%]"): "write a number without its currency or percent sign",
    re.compile(r"[“”„‘’«»]"): "write straight quotes",
    re.compile(r"(?<=<)>"): "write != for 'not equal'",
    re.compile(r"&"): "write 'and'",
    re.compile(r"\|"): "write 'or'",
}
"""What people write who know another notation, where it cannot be read → what is meant."""
_Comparison: TypeAlias = Callable[[FieldValue], Filter]
_MAX_DEPTH = 50
_MAX_CONDITIONS = 500


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int

    @property
    def word(self) -> str | None:
        """The word in lower case, if this is one."""
        return self.text.lower() if self.kind == "word" else None

    @property
    def keyword(self) -> str | None:
        """The word, if it cannot be a field's name."""
        return self.word if self.word in _KEYWORDS else None


def parse_filter(text: str) -> Filter:
    """Parse a filter.

    Raises:
        InputError: a syntax error; the message points at the column and lists what is accepted.

    >>> parse_filter('colour = "Red" and price < 500')
    And(parts=(Compare(field='colour', operator='=', value='Red'), Compare(field='price', operator='<', value=500)))
    >>> parse_filter('"Sleeve Length" exists')
    Exists(field='Sleeve Length')
    """
    check_text(text, "the filter")
    return _Parser(text).parse()


class _Parser:
    """One pass over the tokens, one method per line of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [_Token(m.lastgroup or "", m.group(m.lastgroup or 0), m.start(m.lastgroup or 0) + 1)
                        for m in _TOKEN.finditer(text)]  # fmt: skip
        self._at = 0
        self._depth = 0
        self._conditions = 0

    def parse(self) -> Filter:
        where = self._any()
        if self._next.kind != "end":
            self._refuse("'and', 'or' or the end")
        return where

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _take_if(self, *words: str) -> bool:
        """Consume a keyword or a mark if it comes next; return whether it did."""
        token = self._next
        found = token.word in words or (token.kind == "mark" and token.text in words)
        self._at += found
        return found

    def _need(self, word: str) -> None:
        if not self._take_if(word):
            self._refuse(f"'{word}'")

    def _any(self) -> Filter:
        parts = [self._every()]
        while self._take_if("or"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _every(self) -> Filter:
        parts = [self._condition()]
        while self._take_if("and"):
            parts.append(self._condition())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _condition(self) -> Filter:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._refuse(f"at most {_MAX_DEPTH} conditions inside each other")
        where: Filter
        if self._take_if("not"):
            where = Not(self._condition())
        elif self._take_if("("):
            where = self._any()
            self._need(")")
        else:
            where = self._test(self._field())
        self._depth -= 1
        return where

    def _field(self) -> str:
        self._conditions += 1
        if self._conditions > _MAX_CONDITIONS:
            self._refuse(f"at most {_MAX_CONDITIONS} conditions; use 'in (…)' for a list of values")
        token = self._next
        if token.kind == "text":
            return _unquoted(self._take().text)
        if token.kind != "word" or token.keyword:
            self._refuse("a field name (in quotes unless it is one plain word), 'not' or '('")
        return self._take().text

    def _test(self, field: str) -> Filter:
        if self._next.kind == "operator":
            return self._comparison(field)
        if self._take_if("exists"):
            return Exists(field)
        if self._take_if("is"):
            return self._missing(field)
        if self._take_if("between"):
            least = self._checked(lambda value: Compare(field, ">=", value))
            self._need("and")
            return And((least, self._checked(lambda value: Compare(field, "<=", value))))
        if self._take_if("not"):
            return Not(self._membership(field))
        return self._membership(field)

    def _comparison(self, field: str) -> Filter:
        operator = cast(Operator, self._take().text.replace("==", "="))
        if operator in ("=", "!=") and self._take_if("null"):
            return Exists(field) if operator == "!=" else Not(Exists(field))
        return self._checked(lambda value: Compare(field, operator, value))

    def _missing(self, field: str) -> Filter:
        present = self._take_if("not")
        if not self._take_if("missing", "null"):
            self._refuse("'missing' or 'null'" if present else "'missing', 'null' or 'not'")
        return Exists(field) if present else Not(Exists(field))

    def _membership(self, field: str) -> Filter:
        if self._take_if("in"):
            return self._one_of(field)
        if self._take_if("contains"):
            return Like(field, containing(self._pattern()))
        if self._take_if("like"):
            return Like(field, self._pattern())
        return self._refuse(
            "=, !=, <, <=, >, >=, 'in', 'between', 'contains', 'like', 'exists', 'is', or 'not' before one",
            "a field name of several words needs quotes" if self._next.kind == "word" else "",
        )

    def _pattern(self) -> str:
        if self._next.kind != "text":
            self._refuse("text in quotes", f'text needs quotes: "{self._next.text}"' if self._next.word else "")
        return _unquoted(self._take().text)

    def _one_of(self, field: str) -> Filter:
        self._need("(")
        values = [self._value()]
        while self._take_if(","):
            values.append(self._value())
        self._need(")")
        return OneOf(field, tuple(values))

    def _checked(self, compare: _Comparison) -> Filter:
        """Make a comparison with the next value; a refused one points at that value."""
        at = self._at
        value = self._value()
        try:
            return compare(value)
        except InputError as error:
            self._at = at
            self._refuse("another value", str(error))

    def _value(self) -> FieldValue:
        token = self._next
        match token.kind, token.keyword:
            case "text", _:
                return _unquoted(self._take().text)
            case "number", _:
                self._take()
                return int(token.text) if re.fullmatch(r"-?\d{1,18}", token.text) else float(token.text)
            case _, ("true" | "false") as truth:
                self._take()
                return truth == "true"
            case "word", _ if token.word == "null":
                self._refuse("a value", "for a missing field write = null, != null or 'is missing'")
            case "word", _:
                self._refuse("a value", f'text needs quotes: "{token.text}"')
        return self._refuse("text in quotes, a number, true or false")

    def _refuse(self, expected: str, reason: str = "") -> NoReturn:
        token = self._next
        got = "the end" if token.kind == "end" else repr(token.text)
        if token.text in {'"', "'"}:
            reason = "this quote is never closed"
        at = token.column - 1
        reason = reason or next((said for form, said in _REASONS.items() if form.match(self._text, at)), "")
        raise InputError(
            f"filter, column {token.column}: expected {expected}, got {got}{f'; {reason}' if reason else ''}"
            f"\n  {self._text}\n  {' ' * (token.column - 1)}^"
        )


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
