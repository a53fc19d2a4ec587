"""Memory: what this process has used, and a budget of bytes that threads share, so that large jobs wait in turn."""

from __future__ import annotations

import ctypes
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


class ByteBudget:
    """A budget of bytes in use; whoever needs more than is free waits, first come first served."""

    def __init__(self, total_bytes: int) -> None:
        self._total = self._free = total_bytes
        self._turn = threading.Lock()
        self._released = threading.Condition()

    @contextmanager
    def reserve(self, count_bytes: int) -> Iterator[None]:
        """Hold bytes while the block runs; more than the total counts as the total, and so runs alone.

        >>> with ByteBudget(100).reserve(1_000):
        ...     pass
        """
        count_bytes = min(count_bytes, self._total)
        with self._turn, self._released:  # the turn keeps small jobs from overtaking a large one for ever
            self._released.wait_for(lambda: self._free >= count_bytes)
            self._free -= count_bytes
        try:
            yield
        finally:
            with self._released:
                self._free += count_bytes
                self._released.notify_all()


def peak_bytes() -> int | None:
    """Return the most memory that this process has held; None where the system does not say.

    On Linux that is `VmHWM`: the peak of `getrusage` is kept across fork and exec, and so counts what the parent held.
    """
    with suppress(OSError):
        found = _PEAK.search(STATUS.read_text(encoding="ascii", errors="replace"))
        if found:
            return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def return_freed_memory() -> None:
    """Return to the system what the C library keeps of freed memory; takes milliseconds. Does nothing but with glibc.

    glibc has an arena per thread, and each keeps the blocks of the largest picture that its thread ever decoded.
    """
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
