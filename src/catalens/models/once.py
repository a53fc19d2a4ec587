"""Values that are made when they are first needed, once, whichever thread asks first."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Calls a function at most once and returns its result to every caller; a call that raises is tried again.

    >>> calls = []
    >>> made = Once(lambda: calls.append("made") or len(calls))
    >>> made.is_made, made(), made(), made.is_made
    (False, 1, 1, True)
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock = make, Lock()
        self._made: tuple[T] | None = None

    @property
    def is_made(self) -> bool:
        """Whether the value exists already."""
        return self._made is not None

    def __call__(self) -> T:
        """Return the value, made now if nobody asked before."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = (self._make(),)
        return self._made[0]
