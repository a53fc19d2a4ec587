"""Retries calls to a busy service, after growing pauses or the pause that it asks for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from catalens.core.errors import ModelError, UnavailableError

T = TypeVar("T")

TRIES = 5
LONGEST_PAUSE_S = 60.0
"""A service that asks for a longer pause is not waited for."""
_FIRST_PAUSE_S = 1.0


class BusyError(Exception):
    """A service asks to try again: too many requests, not ready yet, or an error of its own.

    Attributes:
        pause_s: the pause that it asks for, in seconds; None if it does not say.
        failed: it failed with an error of its own, rather than having no capacity.
    """

    def __init__(self, reason: str, pause_s: float | None = None, *, failed: bool = False) -> None:
        super().__init__(reason)
        self.pause_s, self.failed = pause_s, failed


def with_retry(call: Callable[[], T], *, what: str, sleep: Callable[[float], None] = time.sleep) -> T:
    """Make a call, and repeat it while it raises `BusyError`: after 1, 2, 4 and 8 seconds, or the pause asked for.

    Args:
        call: what to do.
        what: name of the service, for messages.
        sleep: waits for a number of seconds.

    Raises:
        UnavailableError: it was busy each time, or asks for too long a pause.
        ModelError: it failed each time.
    """
    for attempt in range(TRIES):
        try:
            return call()
        except BusyError as busy:
            if attempt == TRIES - 1:
                raise (ModelError if busy.failed else UnavailableError)(_gave_up(what, busy)) from busy
            pause_s = _FIRST_PAUSE_S * 2**attempt if busy.pause_s is None else busy.pause_s
            if pause_s > LONGEST_PAUSE_S:
                message = f"{what} is busy and asks to wait {pause_s:.0f} seconds ({busy}); try later"
                raise UnavailableError(message) from busy
            sleep(pause_s)
    raise AssertionError("the last attempt either returns or raises")


def _gave_up(what: str, busy: BusyError) -> str:
    if busy.failed:
        return f"{what} failed {TRIES} times in a row ({busy}); the server's log may say more"
    return f"{what} was too busy {TRIES} times in a row ({busy}); wait a while, or ask for a higher quota"


def retry_after_s(header: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds of a `Retry-After` header, a number or a date; None for none or for nonsense.

    Args:
        header: the header's value.
        now: the current time, for dates.

    >>> retry_after_s("7"), retry_after_s("nan"), retry_after_s("-1"), retry_after_s("soon")
    (7.0, None, None, None)
    """
    if not header:
        return None
    try:
        pause_s = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except (ValueError, TypeError):
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
    return pause_s if math.isfinite(pause_s) and pause_s >= 0 else None
