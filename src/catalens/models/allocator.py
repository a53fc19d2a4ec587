"""Makes the C library reuse the memory that torch frees (docs/decisions/009-kept-memory.md)."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Names of `mallopt(3)`."""


def keep_memory() -> None:
    """Keep freed memory until the process ends; called where torch computes on the CPU.

    glibc maps every large block afresh and unmaps it when it is freed, and the kernel clears each page again: a seventh
    of a BLIP vision tower's time in bfloat16, and two fifths of a training step of the starter. Does nothing
    with another C library. The process never shrinks.
    """
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_MAX, 0)
            mallopt(_M_TRIM_THRESHOLD, -1)
