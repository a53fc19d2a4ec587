"""Archives that are the same bytes for the same content: sorted members, no owners, no times."""

from __future__ import annotations

import gzip
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

from catalens.core.errors import InputError

Members: TypeAlias = Mapping[str, Path | bytes]
"""Name in the archive → a file on disk, or its content."""
_SAFE = re.compile(r"[A-Za-z0-9_.@+-]+")
_LEVEL = 6


def write_archive(members: Members, path: Path) -> int:
    """Write a .tar.gz and return its size in bytes; a failed write leaves nothing behind.

    Raises:
        InputError: a name could leave the folder that the archive is unpacked in.
    """
    for name in members:
        if not is_safe(name):
            raise InputError(f"{name!r} cannot be a member of an archive; use plain names of letters, digits and ._@+-")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with (
            part.open("wb") as file,
            gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name in sorted(members):
                with _opened(members[name]) as (content, size):
                    info = tarfile.TarInfo(name)
                    info.size, info.mode = size, 0o644
                    archive.addfile(info, content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path.stat().st_size


def is_safe(name: str) -> bool:
    """Return whether a member stays in its folder on every system.

    >>> is_safe("code/inference.py"), is_safe("../inference.py"), is_safe("/etc/passwd")
    (True, False, False)
    """
    return all(_SAFE.fullmatch(part) and part not in {".", ".."} for part in name.split("/"))


def files_below(folder: Path, prefix: str) -> dict[str, Path]:
    """Return the files below a folder as members; links are followed, hidden and compiled files are left out."""
    found = {}
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            found["/".join((prefix, *parts))] = path
    return found


@contextmanager
def _opened(content: Path | bytes) -> Iterator[tuple[BinaryIO, int]]:
    if isinstance(content, bytes):
        yield BytesIO(content), len(content)
        return
    with content.open("rb") as file:
        yield file, content.stat().st_size
