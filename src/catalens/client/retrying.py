"""When a request is sent again: after 429, 502, 503, 504 or a lost connection, with a growing, random delay."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and how soon, a request is sent again.

    Attributes:
        attempts: requests in all; 1 never retries.
        first_s: upper bound of the first delay; each further bound is twice as long.
        longest_s: upper bound of any delay, also of the server's `Retry-After`.
        chance: returns a number in [0, 1).
    """

    attempts: int = 4
    first_s: float = 0.25
    longest_s: float = 10.0
    chance: Callable[[], float] = field(default=random.random, repr=False)

    def delay_s(self, attempt: int, retry_after: str | None = None) -> float:
        """Return the delay after an attempt, counted from 1: full jitter, never sooner than the server asks.

        Source:
            "Exponential Backoff And Jitter", AWS Architecture Blog 2015.

        >>> Retries(chance=lambda: 0.5).delay_s(2), Retries(chance=lambda: 0.0).delay_s(1, "3")
        (0.25, 3.0)
        """
        bound = min(self.longest_s, self.first_s * 2.0 ** (attempt - 1))
        return min(self.longest_s, _asked_s(retry_after or "") + self.chance() * bound)


def _asked_s(retry_after: str) -> float:
    """Return the seconds that a server asks for, as a number or as a date; 0 where it says nothing of use."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):  # TypeError: a date without a time zone
        return 0.0


DEFAULT_RETRIES = Retries()
