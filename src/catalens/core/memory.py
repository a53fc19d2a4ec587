"""Memory: what this process has used, and a budget of bytes that threads share, so that large jobs wait in turn."""

from __future__ import annotations

import ctypes
import gc
import mmap
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
_MADV_PAGEOUT = 21
"""Of `madvise(2)`; it gives up pages without losing what they hold."""
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


_COLLECT_EVERY = 20_000
"""New objects between two walks of the garbage collector, of which Python's own choice is 700."""


def collect_rarely() -> None:
    """Let the garbage collector leave out what is loaded by now, and walk the rest more rarely.

    To walk loaded models and modules holds up whoever waits for a tenth of a second; the frequent short walks took 5 %
    of a service's processor time.
    """
    gc.set_threshold(_COLLECT_EVERY)
    gc.freeze()


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
    if (held := most_held_bytes(STATUS)) is not None:
        return held
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def most_held_bytes(status: Path) -> int | None:
    """Return the most memory that a process has held, from its `/proc/PID/status`; None where that does not say."""
    with suppress(OSError):
        if found := _PEAK.search(status.read_text(encoding="ascii", errors="replace")):
            return int(found[1]) * 1024
    return None


def return_freed_memory() -> None:
    """Return to the system what the C library keeps of freed memory; takes milliseconds. Does nothing but with glibc.

    glibc has an arena per thread, and each keeps the blocks of the largest picture that its thread ever decoded.
    """
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def drop_mapped_pages(address: int, size_bytes: int) -> None:
    """Let the system forget what it has read of a mapped file, which is read again when it is next used.

    Memory that is no file's, or was written to, stays. Does nothing but on Linux.
    """
    if not sys.platform.startswith("linux"):
        return
    page = mmap.PAGESIZE
    start, end = -(-address // page) * page, (address + size_bytes) // page * page
    if start < end:
        mmap.mmap(-1, page).close()  # `VmHWM` is only brought up to date where a range is unmapped
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_PAGEOUT)
