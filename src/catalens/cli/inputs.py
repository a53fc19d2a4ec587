"""What a person may write where pictures are expected, made into items."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.catalogue.sources import Entry

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Entries:
    """What some arguments mean; iterating reads it, as often as is wanted.

    Attributes:
        names: files, folders and tables that are there, in order; "-" for the picture that came in as bytes.
        given: the bytes of standard input, if they are among the names.
    """

    names: Sequence[str]
    given: bytes = b""

    def __iter__(self) -> Iterator[Entry]:
        """Return the items of every name."""
        return (entry for name in self.names for entry in _entries_of(name, self.given))


def entries(arguments: Sequence[str]) -> Entries:
    """Return the items that arguments mean, in order; what does not exist is found before work begins.

    Raises:
        InputError: nothing is there under that name; the message offers the nearest names.
    """
    names = [name for argument in arguments for name in _expand(argument)]
    return Entries(names, sys.stdin.buffer.read() if STANDARD_INPUT in names else b"")


def existing(name: str | Path) -> Path:
    """Return the path of a file or folder that is there.

    Raises:
        InputError: it is not; the message offers the nearest names.
    """
    path = Path(name)
    if path.exists():
        return path
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}, so no {path}")
    near = get_close_matches(path.name, sorted(other.name for other in folder.iterdir()), n=3)
    hint = f": did you mean {' or '.join(str(folder / name) for name in near)}?" if near else f" in {folder.resolve()}"
    raise InputError(f"there is no {path.name}{hint}")


def is_there(argument: str) -> bool:
    """Say whether an argument names or matches something, as opposed to being mere words."""
    if os.path.exists(argument):  # noqa: PTH110 - a whole sentence may be too long for a path
        return True
    return glob.has_magic(argument) and bool(glob.glob(argument, recursive=True))  # noqa: PTH207 - as in _expand


def words(value: str) -> list[str]:
    """Read labels or other words between commas or from a file, as `load_labels` does; a missing file gets a hint.

    >>> words("a red dress, a blue shirt")
    ['a red dress', 'a blue shirt']

    Raises:
        InputError: there are none, or the file cannot be used.
    """
    from catalens.tasks.label_files import is_label_file, load_labels

    if is_label_file(value):
        existing(value)
    return load_labels(value)


def text_of(path: Path) -> str:
    """Read a text file.

    Raises:
        InputError: it is no UTF-8; the message says in which line it is not.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise InputError(f"{path} is no UTF-8 text (byte 0x{byte:02x} in line {line}); save it as UTF-8") from error


def is_table(path: Path) -> bool:
    """Tell a table from a picture by its ending."""
    from catalens.catalogue.sources.opening import SUFFIXES

    return path.name.lower().endswith((*SUFFIXES, ".gz"))


def _expand(argument: str) -> list[str]:
    if argument == STANDARD_INPUT or Path(argument).exists() or not glob.has_magic(argument):
        return [argument if argument == STANDARD_INPUT else str(existing(argument))]
    found = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not found:
        raise InputError(f"no file matches {argument!r}")
    return found


def _entries_of(name: str, given: bytes) -> Iterator[Entry]:
    from catalens.catalogue.sources import Item, open_source

    path = Path(name)
    if name == STANDARD_INPUT:
        yield Item(id=STANDARD_INPUT, picture=given, source="standard input")
    elif path.is_dir() or is_table(path):
        yield from open_source(path)
    else:
        yield Item(id=name, picture=path, source=name)
