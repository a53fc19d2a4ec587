"""Caches are a convenience: whoever cannot write one works without it, and says so once."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event

_log = logging.getLogger(__name__)
_noticed = Event()

CACHE_ERRORS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR})
"""Numbers of an OSError that mean that a folder cannot be written; others of its kind are of the network."""


def try_to_keep(write: Callable[[], object], folder: Path) -> bool:
    """Write something into a cache, or do without where the cache cannot be written.

    Args:
        write: writes it; an OSError means that the cache cannot be written: no right to, no space, no such place.
        folder: where in the cache; the notice, one per process, goes to the log as a warning and names it.

    Returns:
        Whether it was written.
    """
    try:
        write()
    except OSError as error:
        if not _noticed.is_set():
            _noticed.set()
            reason = error.strerror or error
            _log.warning(
                "cannot write to the cache %s (%s), so nothing is kept there; "
                "set CATALENS_CACHE to a folder that can be written",
                *(folder, reason),
            )
        return False
    return True
