"""Waiting for a model that is busy: a few tries, each after a longer pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from catalens.core.errors import ModelError

T = TypeVar("T")

TRIES = 5
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class BusyError(Exception):
    """A service asks to come again: too many requests, or not ready yet.

    Attributes:
        pause_s: after how many seconds, if it said so.
    """

    def __init__(self, reason: str, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


def with_retry(call: Callable[[], T], *, what: str, sleep: Callable[[float], None] = time.sleep) -> T:
    """Make a call, and make it again while it raises `BusyError`: after 1, 2, 4 and 8 seconds, or as it was told.

    Args:
        call: what is done.
        what: names the service in the message.
        sleep: waits for so many seconds.

    Raises:
        ModelError: it was busy each time.
    """
    for place in range(TRIES):
        try:
            return call()
        except BusyError as busy:
            if place == TRIES - 1:
                raise ModelError(
                    f"{what} was too busy {TRIES} times in a row ({busy}); wait a while, or ask for a higher quota"
                ) from busy
            pause = _FIRST_PAUSE_S * 2**place if busy.pause_s is None else busy.pause_s
            sleep(min(max(pause, 0.0), _LONGEST_PAUSE_S))
    raise AssertionError("the last try either returns or raises")
