"""What may be given where pictures are expected, made into entries: names, patterns, tables, bytes, images, arrays."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from PIL.Image import Image

from catalens.catalogue.sources import Entry, Item, Source, open_source
from catalens.catalogue.sources.formats import is_table
from catalens.core.errors import InputError
from catalens.core.folders import IMAGE_EXTENSIONS, existing
from catalens.core.images import Source as ImageSource
from catalens.core.types import Record
from catalens.pipelines.destination import STANDARD_INPUT
from catalens.pipelines.stages import EncodedPicture

_log = logging.getLogger(__name__)
Pictures: TypeAlias = ImageSource | EncodedPicture | Source | Iterable["ImageSource | EncodedPicture | Item"]
"""One picture, a folder, table or pattern of them, or any number one by one."""


class NamedEntries(Protocol):
    """Entries that come of names, by which a job's journal knows them."""

    @property
    def names(self) -> Sequence[str]:
        """Files, folders and tables."""

    def __iter__(self) -> Iterator[Entry]:
        """Return the entries, from the start."""


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries that some names mean; each iteration reads them anew.

    Attributes:
        names: files, folders and tables that exist, in order; "-" for the picture on standard input.
        given: the bytes of standard input, if they are among the names.
    """

    names: Sequence[str]
    given: bytes = b""
    _told: set[str] = field(default_factory=set, compare=False)

    def __iter__(self) -> Iterator[Entry]:
        """Return the entries of every name; the log tells, once, which images of a folder are not read."""
        for name in self.names:
            yield from (entries := _entries_of(name, self.given))
            notice = entries.missed.notice if isinstance(entries, Source) else None
            if notice and name not in self._told:
                self._told.add(name)
                _log.warning("%s: %s", name, notice)

    @property
    def are_many(self) -> bool:
        """Whether there may be more than one picture."""
        return len(self.names) > 1 or any(Path(name).is_dir() or is_table(Path(name)) for name in self.names)


def named_entries(names: Sequence[str], given: bytes = b"") -> Entries:
    """Return the entries that names mean, in order; what does not exist is found before work begins.

    Args:
        names: files, folders, patterns, tables, or "-".
        given: what "-" stands for.

    Raises:
        InputError: nothing has that name; the message offers the nearest names.
    """
    return Entries([found for name in names for found in expand(name)], given)


def expand(name: str) -> list[str]:
    """Return the files that a name or pattern means, in order.

    Raises:
        InputError: nothing has that name or matches.
    """
    if not name or name == STANDARD_INPUT or Path(name).exists() or not glob.has_magic(name):
        return [name if name == STANDARD_INPUT else str(existing(name))]
    found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not found:
        raise InputError(f"no file matches {name!r}")
    return found


def exists(name: str) -> bool:
    """Return whether a text names or matches a file, as opposed to being mere words."""
    try:
        if os.path.exists(name):  # noqa: PTH110 - a whole sentence may be too long for a path
            return True
        return glob.has_magic(name) and bool(glob.glob(name, recursive=True))  # noqa: PTH207 - as in expand
    except (OSError, ValueError):
        return False


def split_questions(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split pictures from questions: pictures come first, and exist or at least look like files.

    Raises:
        InputError: the first argument is not a picture.
    """
    count = next((place for place, each in enumerate(arguments) if not _may_be_picture(each)), len(arguments))
    if count == 0:
        raise InputError(f"there is no picture {arguments[0]!r}; name pictures first, then ask questions in quotes")
    return list(arguments[:count]), list(arguments[count:])


def _may_be_picture(name: str) -> bool:
    path = Path(name)
    return name == STANDARD_INPUT or path.suffix.lower() in IMAGE_EXTENSIONS or is_table(path) or exists(name)


def is_one(pictures: Pictures) -> bool:
    """Return whether something is a single picture, so that one result is expected."""
    if isinstance(pictures, bytes | bytearray | memoryview | Image | np.ndarray | EncodedPicture):
        return True
    if isinstance(pictures, str | os.PathLike):
        name = os.fspath(pictures)
        if not exists(name):
            return not glob.has_magic(name)
        path = Path(name)
        return path.is_file() and not is_table(path)
    return False


def are_vectors(value: object) -> bool:
    """Return whether a value is vectors rather than a picture: floats with one or two axes."""
    return isinstance(value, np.ndarray) and value.ndim <= 2 and bool(np.issubdtype(value.dtype, np.floating))


def entries_of(pictures: Pictures) -> Iterable[Entry]:
    """Return entries, lazily, for whatever was given.

    Ids are the names as given; pictures without a name are numbered from 0.

    Raises:
        InputError: nothing has that name, or a value is not a picture.
    """
    if isinstance(pictures, Source | Entries):
        return pictures
    if isinstance(pictures, str | os.PathLike) and not _is_content(pictures):
        return named_entries([str(pictures)])
    if is_one(pictures):
        return [_item(pictures, 0)]
    if hasattr(pictures, "read"):
        raise InputError("an open file is not a picture; give its path, or the bytes that its read() returns")
    if isinstance(pictures, Mapping) or not isinstance(pictures, Iterable):
        raise InputError(f"a {type(pictures).__name__} is not a picture, nor several; give a path, bytes or an image")
    return _one_by_one(pictures)


def _one_by_one(pictures: Iterable[Any]) -> Iterator[Entry]:
    for number, each in enumerate(pictures):
        if isinstance(each, str | os.PathLike) and not _is_content(each):
            path = Path(each)
            if path.is_dir() or is_table(path) or (glob.has_magic(str(each)) and not path.exists()):
                yield from named_entries([str(each)])
            else:
                yield Item(str(each), path, str(each))
        elif isinstance(each, Item):
            yield each
        else:
            yield _item(each, number)


def _item(picture: object, number: int) -> Item:
    if isinstance(picture, EncodedPicture):
        return Item(picture.record.id, picture.content, picture.record.source, picture.record.fields)
    name = f"picture {number}"
    return Item(name, picture, name)  # type: ignore[arg-type]  # reading says what is not a picture


def _is_content(picture: str | os.PathLike[str]) -> bool:
    """Return whether a text is a picture itself: a data: address, or base64 that names no file."""
    text = os.fspath(picture)
    return text[:5].lower() == "data:" or (len(text) > 256 and not exists(text))


def encoded_picture(picture: ImageSource | Item | EncodedPicture) -> EncodedPicture:
    """Return a picture whose content is kept and whose encodings are remembered.

    Raises:
        ImageError: it cannot be read.
    """
    from catalens.core.content import Limits, read_content

    if isinstance(picture, EncodedPicture):
        return picture
    item = picture if isinstance(picture, Item) else None
    source: Any = item.picture if item is not None else picture
    source = source() if callable(source) else source
    if isinstance(source, Image | np.ndarray):
        return EncodedPicture(_record(item, "picture"), None, {}, {}, content=source)
    content, name = read_content(source, max_bytes=Limits().max_bytes)
    return EncodedPicture(_record(item, name), None, {}, {}, content=content)


def _record(item: Item | None, name: str) -> Record:
    return Record(name, name) if item is None else Record(item.id, item.source, item.fields)


def _entries_of(name: str, given: bytes) -> Iterable[Entry]:
    path = Path(name)
    if name == STANDARD_INPUT:
        return [Item(id=STANDARD_INPUT, picture=given, source="standard input")]
    if path.is_dir() or is_table(path):
        return open_source(path)
    return [Item(id=name, picture=path, source=name)]
