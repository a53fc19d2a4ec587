"""When a request is sent again: after 429, 502, 503, 504 or a lost connection, with a growing, random delay."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

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
        least = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
        return min(self.longest_s, least + self.chance() * bound)


DEFAULT_RETRIES = Retries()
