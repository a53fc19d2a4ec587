"""Caches are a convenience: whoever cannot write one works without it, and says so once."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import BinaryIO, cast

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


def keep_file(path: Path, write: Callable[[BinaryIO], object]) -> bool:
    """Write a file of a cache whole or not at all, also where several processes write it at once.

    Args:
        path: its folder is made if it is missing.
        write: puts the content into an open file; whose file comes last stays.

    Returns:
        Whether it was written; where the cache cannot be written it is done without, see `try_to_keep`.
    """
    return try_to_keep(lambda: _replace(path, write), path.parent)


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for each process: with one that all share, one process would take away another's file.
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            write(cast(BinaryIO, file.file))
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
