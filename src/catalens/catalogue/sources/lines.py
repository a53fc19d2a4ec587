"""Lines of text files, one at a time, also from .gz: encodings, line ends, and a limit on their length."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from catalens.core.confinement import check_allowed
from catalens.core.files import split_mark

BROKEN_FILE = (OSError, EOFError, zlib.error)
"""What reading a damaged file raises."""

MAX_LINE = 96 * 2**20
"""Characters: a picture of 64 MiB as base64 still fits, one endless line does not fill the memory."""

_PEEKED = 1 << 16
_T = TypeVar("_T", str, bytes)

# Accented letters stand among plain ones, one or two at a time; runs of them are another script in
# another encoding. The single bytes are undefined in Windows-1252, or half of every Japanese kana.
_NOT_WESTERN = re.compile(rb"[\x80-\xff]{3}|[\x81-\x83\x8d\x8f\x90\x9d]")


class LongLine(str):
    """The start of a line that was over the limit; the rest of it was passed over."""


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    r"""Return the lines of a text file, line ends kept; one over `MAX_LINE` is a `LongLine`.

    Without an encoding, a byte-order mark or the zeros of UTF-16 decide; else each line is UTF-8 or,
    where it is not but looks like a western language, Windows-1252 (what spreadsheets write). What is
    neither keeps its raw bytes as lone surrogates, which `Source` reports for the row that uses them. A
    file without a single line feed in its first 64 KiB, but with carriage returns, has lines that end in \r.

    Raises:
        OSError, EOFError, zlib.error: the file cannot be read on.
    """
    with open_bytes(path) as stream:
        start = stream.peek(_PEEKED)  # type: ignore[attr-defined]  # both streams have it
        mark, found = split_mark(start[:4])
        if encoding is None and found != "utf-8":
            encoding = "utf-16" if mark else found
        if encoding is not None:
            with io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="") as text:
                for line in _bounded(text.readline, ("\n", "\r")):
                    yield LongLine(line[:_PEEKED]) if len(line) > MAX_LINE else line
            return
        for number, row in enumerate(_byte_lines(stream, ends_in_cr=b"\r" in start and b"\n" not in start)):
            plain = row.removeprefix(codecs.BOM_UTF8) if number == 0 else row
            yield LongLine(_decoded(plain[:_PEEKED])) if len(row) > MAX_LINE else _decoded(plain)


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, unpacked if its name ends in .gz."""
    check_allowed(path)
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb", buffering=_PEEKED)


def _byte_lines(stream: BinaryIO, *, ends_in_cr: bool) -> Iterator[bytes]:
    if not ends_in_cr:
        yield from _bounded(stream.readline, (b"\n",))
        return
    # Every byte is one Latin-1 character, so the text layer only finds the line ends.
    with io.TextIOWrapper(stream, "latin-1", newline="\r") as text:
        for line in _bounded(text.readline, ("\r",)):
            yield line.encode("latin-1")


def _bounded(readline: Callable[[int], _T], ends: tuple[_T, ...]) -> Iterator[_T]:
    """Read lines of at most `MAX_LINE` and one more; the rest of a longer one is read and dropped."""
    while line := readline(MAX_LINE + 1):
        yield line
        rest = line
        while len(line) > MAX_LINE and rest and not rest.endswith(ends):
            rest = readline(_PEEKED)


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        western = _NOT_WESTERN.search(line) is None
        return line.decode("cp1252") if western else line.decode("utf-8", "surrogateescape")
