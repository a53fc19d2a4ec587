"""Tar archives in the layout of webdataset: files with the same stem are one sample.

`000123.jpg`, `000123.json` and `000123.txt` make one item with id `000123`, the JSON's entries as fields, and the text
as the field `txt`. The archive is read once, from start to end, and nothing is unpacked.

Source:
    webdataset's "WebDataset Format": the key is the path up to the first dot of the file's name; the files of a sample
    follow each other.
"""

from __future__ import annotations

import re
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from catalens.catalogue.sources.items import Item, Row, Source, flat_fields
from catalens.core.confinement import check_allowed
from catalens.core.content import Limits
from catalens.core.errors import InputError
from catalens.core.folders import IMAGE_EXTENSIONS
from catalens.core.json_text import parse_json

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_MEMBER = re.compile(r"(?P<path>.+\.(?:tar|tar\.gz|tgz))#(?P<member>.+)", re.IGNORECASE)
_MAX_BYTES = Limits().max_bytes


def is_tar(name: str) -> bool:
    """Return whether a name is that of a tar archive.

    >>> is_tar("shard-000.tar"), is_tar("photos/")
    (True, False)
    """
    return name.lower().endswith(_SUFFIXES)


def tar_source(path: Path) -> Source:
    """Read the samples of an archive, in order.

    Raises:
        InputError: there is no such archive.
    """
    check_allowed(path)
    if not path.is_file():
        raise InputError(f"there is no archive {path}")
    stem = path.name.partition(".")[0]
    return Source(path.absolute(), "tar", lambda: _rows(path), lambda row: f"{stem}/{row.place}", _build)


def member(source: str) -> bytes | None:
    """Return the picture that `file.tar#member` names; None for any other text.

    Raises:
        InputError: the archive is not there any more, or has no such member.
    """
    found = _MEMBER.fullmatch(source)
    if found is None:
        return None
    try:
        content = _last_archive.content(Path(found["path"]), found["member"])
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(f"cannot read the picture {source}: {error}") from error
    if content is None:
        raise InputError(f"there is no longer a picture at {source}")
    return content


class _Reading:
    """An archive that is read on from where the last member was found; threads take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._archive: tuple[Path, int, int] | None = None
        self._members: Iterator[tuple[str, bytes | None]] = iter(())

    def content(self, path: Path, name: str) -> bytes | None:
        """Return the content of a member; None where there is none, or it is too large."""
        check_allowed(path)
        status = path.stat()
        archive = (path, status.st_mtime_ns, status.st_size)
        with self._lock:
            rest = self._found(name) if archive == self._archive else None
            if rest is None:
                self._archive, self._members = archive, _members(path)
                rest = self._found(name)
            return rest

    def _found(self, name: str) -> bytes | None:
        return next((content for key, content in self._members if key == name), None)


_last_archive = _Reading()


def _members(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """Return the members by `key.ending`, as the sources of items name them."""
    with tarfile.open(path, "r|*") as archive:
        for each in archive:
            if each.isfile():
                yield ".".join(_split(each.name)), _content(archive, each)


def _rows(path: Path) -> Iterator[Row]:
    number, key = 0, ""
    parts: dict[str, bytes | None] = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                its_key, ending = _split(member.name)
                if its_key != key and parts:
                    yield Row(path, key, number, parts)
                    number, parts = number + 1, {}
                key = its_key
                parts[ending] = _content(archive, member)
        if parts:
            yield Row(path, key, number, parts)
    except (tarfile.TarError, OSError, EOFError) as error:
        yield Row(path, f"sample {number}", number, error=f"the archive cannot be read further: {error}")


def _split(name: str) -> tuple[str, str]:
    """Return the key and the ending of a member.

    >>> _split("a/b.c/0001.seg.png")
    ('a/b.c/0001', 'seg.png')
    """
    path = PurePosixPath(name)
    stem, _, ending = path.name.partition(".")
    return str(path.parent / stem), ending.lower()


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    """Return a member's bytes; None where it is larger than any picture may be."""
    file = archive.extractfile(member)
    return file.read() if file is not None and member.size <= _MAX_BYTES else None


def _build(row: Row, id: str) -> Item:
    pictures = [ending for ending in row.values if f".{ending.rpartition('.')[2]}" in IMAGE_EXTENSIONS]
    if not pictures:
        raise InputError(f"the sample {row.place} has no picture")
    content = row.values[pictures[0]]
    if not isinstance(content, bytes):
        raise InputError(f"the picture of {row.place} has more than {_MAX_BYTES:,} bytes")
    return Item(id, content, f"{row.file.absolute()}#{row.place}.{pictures[0]}", _fields(row.values))


def _fields(values: Mapping[str, object]) -> Mapping[str, str | int | float | bool]:
    cells: dict[str, object] = {}
    for ending, content in values.items():
        if not isinstance(content, bytes):
            continue
        if ending == "json":
            cells |= _json(content)
        elif ending in ("txt", "cls", "caption"):
            cells[ending] = content.decode("utf-8", "replace")
    return flat_fields(cells)


def _json(content: bytes) -> dict[str, object]:
    try:
        found = parse_json(content)
    except ValueError as error:
        raise InputError(f"its .json cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
