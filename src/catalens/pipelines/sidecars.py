"""Text files beside pictures, and what becomes of text that is there already.

Every file is written under another name and then renamed: whoever reads it finds the old text or the new.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal, get_args

from catalens.catalogue.sources.formats import COMPRESSED, SUFFIXES
from catalens.core.confinement import check_allowed
from catalens.core.errors import InputError
from catalens.core.files import check_writable, read_bytes, split_mark, write_bytes_atomically
from catalens.core.folders import IMAGE_EXTENSIONS
from catalens.core.types import Record
from catalens.pipelines.output import OutputRow

IfExists = Literal["skip", "overwrite", "append", "prepend"]
IF_EXISTS: tuple[IfExists, ...] = get_args(IfExists)
"""What may be done where a picture has a text already."""

_BETWEEN = ", "


@dataclass(frozen=True, slots=True)
class _OldText:
    """The text of a file that is there, and how it is written."""

    text: str = ""
    mark: bytes = b""
    encoding: str = "utf-8"
    line_end: str = "\n"

    def content(self, text: str) -> bytes:
        """Return a text as a file that is written like this one."""
        return self.mark + f"{text}\n".replace("\n", self.line_end).encode(self.encoding)


class Sidecars:
    """One text file per picture: `shirt.txt` for `shirt.jpg`, beside it or in a folder of their own."""

    def __init__(
        self, text: str, *, ending: str = ".txt", if_exists: IfExists = "skip", folder: Path | None = None
    ) -> None:
        """Choose where the files go.

        Args:
            text: the name of the value to write; a list of texts is written one a line.
            ending: of the file's name.
            if_exists: what to do where the file is there; appending and prepending put a comma between.
            folder: where to put the files, under the pictures' ids; None puts them beside the pictures.

        Raises:
            InputError: the ending is none, or that of a picture or a table, which such a text would look like.
        """
        if not ending.startswith(".") or len(ending) < 2 or PurePath("a" + ending).name != "a" + ending:
            raise InputError(f"a sidecar's ending looks like .txt or .caption, not {ending!r}")
        last = PurePath("a" + ending).suffix.lower()
        if last in IMAGE_EXTENSIONS or last == COMPRESSED or last in SUFFIXES:
            kind = "pictures" if last in IMAGE_EXTENSIONS else "tables"
            raise InputError(f"{last} files are {kind}; a sidecar's ending looks like .txt or .caption, not {ending!r}")
        self._text, self._ending, self._if_exists, self._folder = text, ending, if_exists, folder
        self._owners: dict[Path, str] = {}

    def path(self, record: Record) -> Path:
        """Return the file of a picture.

        Raises:
            InputError: the picture is not a file of its own and no folder is given, or that file is the picture or
                another's.
        """
        if self._folder is not None:
            inside = [part for part in PurePath(record.id).parts if part not in ("..", PurePath(record.id).anchor)]
            path = self._folder.joinpath(*inside).with_suffix(self._ending)
        elif os.path.isfile(record.source):  # noqa: PTH113 - never raises, whatever the source says
            path = Path(record.source).with_suffix(self._ending)
            check_allowed(path)
        else:
            raise InputError(
                "the picture is not a file of its own, so no sidecar can be written beside it; name a folder or a table"
            )
        if path == Path(record.source):
            raise InputError(f"its text would go to {path}, which is the picture itself; give another ending")
        owner = self._owners.setdefault(path, record.source)
        if owner != record.source:
            raise InputError(f"its text would go to {path}, which is that of {owner}; rename one of the pictures")
        return path

    def holds(self, record: Record) -> bool:
        """Return whether the file is there and is to stay."""
        return self.path(record).exists() and self._if_exists == "skip"

    def write(self, results: Sequence[OutputRow]) -> None:
        """Write the file of each picture.

        Raises:
            InputError: there is no place for it, or what is there is not text.
            OSError: it cannot be written.
        """
        for result in results:
            self._write(result.record, lines(result.values[self._text]))

    def _write(self, record: Record, new: str) -> None:
        path = self.path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(path)
        # A file that is replaced need not be readable.
        old = _read(path) if self._if_exists != "overwrite" and path.exists() else _OldText()
        text = merged(old.text, new, self._if_exists)
        if text != old.text or self._if_exists == "overwrite":
            write_bytes_atomically(path, old.content(text))

    def finish(self) -> None:
        """Nothing waits."""


def lines(value: str | Sequence[str]) -> str:
    """Return a text as it is, and several one a line."""
    return value if isinstance(value, str) else "\n".join(value)


def merged(old: str, new: str, if_exists: IfExists) -> str:
    r"""Return what a picture's text becomes; what was added already is not added again.

    >>> [merged("a shirt", "red", how) for how in IF_EXISTS]
    ['a shirt', 'red', 'a shirt, red', 'red, a shirt']
    >>> merged("a shirt, red", "red", "append")
    'a shirt, red'
    >>> merged("a shirt\nred", "blue", "append")
    'a shirt\nred\nblue'
    """
    if not old or if_exists == "overwrite" or old == new:
        return new
    if not new:
        return old
    between = "\n" if "\n" in old + new else _BETWEEN
    if if_exists == "append":
        return old if old.endswith(between + new) else old + between + new
    if if_exists == "prepend":
        return old if old.startswith(new + between) else new + between + old
    return old


def _read(path: Path) -> _OldText:
    content = read_bytes(path)
    mark, encoding = split_mark(content)
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} exists and is not UTF-8 text; save it as UTF-8, move it away, or give --if-exists overwrite"
        ) from error
    return _OldText(text.replace("\r\n", "\n").strip(), mark, encoding, "\r\n" if "\r\n" in text else "\n")
