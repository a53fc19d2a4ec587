"""Find the picture files of a folder, lazily and always in the same order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from catalens.core.errors import InputError

IMAGE_EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"}
)
"""Extensions, in lower case, of the files that count as pictures."""


def find_images(folder: str | os.PathLike[str], *, recursive: bool = True) -> Iterator[Path]:
    """Walk a folder for files with the extension of a picture, sorted by name within each folder.

    One folder's listing is held at a time. Hidden files and folders are skipped, and a folder
    reached twice (by a symbolic link, or a loop of them) is walked once. Nothing is lost silently:
    a dangling link is yielded like any file, and a sub-folder that cannot be listed is yielded in
    place of its content, so that reading it reports what is wrong.

    Args:
        folder: the folder to walk.
        recursive: include sub-folders.

    Raises:
        InputError: not a folder, or one that cannot be listed; raised at the call, before iterating.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}; give a folder of pictures")
    try:
        entries = _sorted_entries(root)
    except OSError as error:
        raise InputError(f"{root}: the folder cannot be listed ({error.strerror})") from error
    return _walk(entries, {_identity(root)}, recursive=recursive)


def _walk(entries: list[os.DirEntry[str]], seen: set[tuple[int, int]], *, recursive: bool) -> Iterator[Path]:
    for entry in entries:
        path = Path(entry.path)
        if not _is_dir(entry):
            if path.suffix.lower() in IMAGE_EXTENSIONS:
                yield path
            continue
        if not recursive:
            continue
        try:
            identity = _identity(path)
            children = [] if identity in seen else _sorted_entries(path)
        except OSError:
            yield path
            continue
        seen.add(identity)
        yield from _walk(children, seen, recursive=True)


def _sorted_entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of symbolic links
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
