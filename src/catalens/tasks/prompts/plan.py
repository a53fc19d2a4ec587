"""Options of prompt search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from catalens.core.errors import InputError

Mode = Literal["best", "fast", "classic", "negative"]
"""How a prompt is made.

- best: the caption, then again and again the term that brings the whole prompt nearest; or one of the next two, or
  the caption alone, where that is nearer.
- fast: the caption and the nearest terms of all tables.
- classic: the caption, the nearest medium, artist, site and movement, and a few flavors.
- negative: the terms that bring a prompt farthest from the picture, for the field that says what to keep out.
"""
Search = Literal["exact", "lazy"]

_LEAST = {"min_flavors": 0, "max_flavors": 1, "candidates": 1, "runners_up": 0, "token_limit": 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Options of prompt search.

    Attributes:
        mode: how it is made.
        search: "lazy" re-scores only the terms that may still win, in modes best and negative.
        min_flavors: minimum number of terms, added even if they do not help.
        max_flavors: maximum number of terms; None for 32, or 3 in mode classic.
        candidates: number of nearest terms that the chain chooses from.
        token_limit: maximum number of tokens, special tokens included; None for the encoder's maximum.
        runners_up: number of next best terms returned per table.
        compatible: reproduce clip-interrogator 0.6.0, quirks included; search, token_limit and runners_up do
            not matter then, and max_flavors and candidates do.
    """

    mode: Mode = "best"
    search: Search = "exact"
    min_flavors: int = 8
    max_flavors: int | None = None
    candidates: int = 2048
    token_limit: int | None = None
    runners_up: int = 0
    compatible: bool = False

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            InputError: one is not among those that are accepted.
        """
        for name, known in (("mode", get_args(Mode)), ("search", get_args(Search))):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} is {value}; it must be at least {least}")

    @property
    def most(self) -> int:
        """Maximum number of terms."""
        return self.max_flavors or (3 if self.mode == "classic" else 32)
