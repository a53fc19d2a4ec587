"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all, also through a power failure.

    Args:
        path: in a folder that exists. A file beside it, `.NAME.part`, may stay behind after a kill; the next
            write replaces it.
        write: puts the content into the open file.

    Raises:
        OSError: it cannot be written; what was there is unchanged.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
