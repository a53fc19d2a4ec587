"""Rows of text tables (CSV, TSV, JSON lines), read line by line, also from .gz.

Knows encodings, quoting and line numbers; knows nothing of pictures or ids.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from catalens.catalogue.sources.items import Row
from catalens.core.errors import InputError
from catalens.core.types import FieldValue

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BROKEN_FILE = (OSError, EOFError, zlib.error)
_WITH_TABS = (".tsv", ".tab")

# Accented letters stand among plain ones, one or two at a time; runs of them are another script in
# another encoding. The single bytes are undefined in Windows-1252, or half of every Japanese kana.
_NOT_WESTERN = re.compile(rb"[\x80-\xff]{3}|[\x81-\x83\x8d\x8f\x90\x9d]")

Repair = Callable[[Sequence[str], Sequence[str]], Sequence[str]]
"""(header, cells) → cells: puts a row right whose cells do not fit the header."""


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """Return the lines of a text file, one at a time, line ends kept.

    Without an encoding, a byte-order mark decides; else each line is UTF-8 or, where it is not but
    looks like a western language, Windows-1252 (what spreadsheets write). What is neither keeps its
    raw bytes as lone surrogates, which `Source` reports for the row that uses them.

    Raises:
        OSError, EOFError, zlib.error: the file cannot be read on.
    """
    with _open(path) as stream:
        if encoding is None and stream.peek(2)[:2] in _UTF16_MARKS:  # type: ignore[attr-defined]  # both streams have it
            encoding = "utf-16"
        if encoding is not None:
            with io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="") as text:
                yield from text
            return
        for number, line in enumerate(stream):
            yield _decode(line.removeprefix(codecs.BOM_UTF8) if number == 0 else line)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def _decode(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        western = _NOT_WESTERN.search(line) is None
        return line.decode("cp1252") if western else line.decode("utf-8", "surrogateescape")


def csv_header(path: Path, encoding: str | None = None) -> tuple[list[str], str]:
    """Read the names of the columns and find the delimiter among comma, semicolon, tab and bar.

    A .tsv or .tab file has tabs if its header has one, else what the header has most of. Repeated
    names are numbered, as spreadsheets libraries do: `tag`, `tag.1`.

    Raises:
        InputError: the file is empty or cannot be read.
    """
    try:
        delimiter = _delimiter(path, next(read_lines(path, encoding), ""))
    except (*_BROKEN_FILE, UnicodeError) as broken:
        raise InputError(f"cannot read the header of {path}: {broken}") from broken
    _, cells, error = next(_records(path, encoding, delimiter), ("", (), None))
    if error:
        raise InputError(f"cannot read the header of {path}: {error}")
    if not any(cell.strip() for cell in cells):
        raise InputError(f"{path} has no header: its first line must name the columns")
    names: list[str] = []
    for cell in (cell.strip() for cell in cells):
        repeats = sum(name == cell or name.startswith(f"{cell}.") for name in names)
        names.append(f"{cell}.{repeats}" if cell in names else cell)
    return names, delimiter


def _delimiter(path: Path, header: str) -> str:
    unquoted = re.sub(r'"[^"]*"', "", header)
    says_tabs = path.name.lower().removesuffix(".gz").endswith(_WITH_TABS)
    return "\t" if says_tabs and "\t" in unquoted else max(",;\t|", key=unquoted.count)


def csv_rows(path: Path, encoding: str | None = None, *, repair: Repair | None = None) -> Iterator[Row]:
    """Read a CSV or TSV file row by row; a row that does not fit its header is a `Row` with an error.

    Args:
        path: the table; its first line names the columns.
        encoding: see `read_lines`.
        repair: is asked about each row of the wrong length before it is given up.
    """
    header, delimiter = csv_header(path, encoding)
    records = _records(path, encoding, delimiter)
    next(records)
    filled = (record for record in records if record[1] or record[2])  # an empty line is no row
    for number, (place, cells, error) in enumerate(filled):
        if error is None and len(cells) != len(header) and repair is not None:
            cells = repair(header, cells)
        if error is None and len(cells) != len(header):
            error = f"{len(cells)} cells where the header has {len(header)}; quote values that contain {delimiter!r}"
        yield Row(path, place, number, {} if error else dict(zip(header, cells, strict=True)), error)


class _Lines:
    """Hands lines to the csv module, keeps those of the row at hand, and knows when there are no more."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.held: list[str] = []
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        self.held.append(line)
        return line


def _records(path: Path, encoding: str | None, delimiter: str) -> Iterator[tuple[str, Sequence[str], str | None]]:
    """Return (place, cells, error) for each record, the header and empty lines too."""
    lines = _Lines(read_lines(path, encoding))
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.held.clear()
        first, cells, error = reader.line_num + 1, [""], None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as broken:
            error = f"not a readable row ({broken}); is a quote left open, or a picture too large for a cell?"
        except (*_BROKEN_FILE, UnicodeError) as broken:
            yield f"line {first}", (), f"the rest of the file cannot be read: {broken}"
            return
        place = f"line {first}" if reader.line_num <= first else f"lines {first} to {reader.line_num}"
        if error is None and (lines.ended or len(lines.held) > 1):
            error = _open_quote(lines, cells, first, delimiter)
        yield place, cells, error


def _open_quote(lines: _Lines, cells: Sequence[str], first: int, delimiter: str) -> str | None:
    """Say what is wrong with a row that took in lines which may be rows of their own; None if nothing is.

    The csv module reads carelessly placed quotes as well as it can, which is right within a line. A row
    of several lines is trusted only if its quotes are placed strictly, and one that was still inside a
    quote when the file ended is none.

    Args:
        lines: those of the row are held.
        cells: what the csv module made of them.
        first: the number of the first of them.
        delimiter: between cells.
    """
    if lines.ended:
        inside = cells[-1]
        ends = inside.count("\n") or inside.count("\r")
        opened = first + len(lines.held) - ends - (not inside.endswith(("\n", "\r")))
        return (
            f"the quote opened in line {opened} is never closed, so nothing from line {first} to the end was read; "
            'close it, or write "" where a value has a quote mark'
        )
    try:
        list(csv.reader(lines.held, delimiter=delimiter, strict=True))
    except csv.Error as broken:
        return f"not a readable row ({broken}); is a quote left open? None of these lines was read"
    return None


def text_rows(path: Path) -> Iterator[Row]:
    """Read the rows of JSON lines or of CSV, whichever the first line is.

    Raises:
        InputError: the file cannot be read, or has no header.
    """
    try:
        first = next((line for line in read_lines(path) if line.strip()), "")
    except (*_BROKEN_FILE, UnicodeError) as broken:
        raise InputError(f"cannot read {path}: {broken}") from broken
    return json_rows(path) if first.lstrip().startswith("{") else csv_rows(path)


def json_rows(path: Path, encoding: str | None = None) -> Iterator[Row]:
    """Read JSON lines: one object per line; other lines are a `Row` with an error."""
    line_number = number = 0
    try:
        for line_number, line in enumerate(read_lines(path, encoding), start=1):
            if line.strip():
                yield _json_row(path, f"line {line_number}", number, line)
                number += 1
    except (*_BROKEN_FILE, UnicodeError) as broken:
        yield Row(path, f"line {line_number + 1}", number, error=f"the rest of the file cannot be read: {broken}")


def _json_row(path: Path, place: str, number: int, line: str) -> Row:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Row(path, place, number, error=f"not JSON: {error}")
    if not isinstance(values, dict):
        return Row(
            path, place, number, error=f'a JSON object is needed, like {{"file_name": …}}, not {line.strip()[:40]!r}'
        )
    return Row(path, place, number, values)


_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?\d{1,15}\.\d+")


def number_or_text(text: str) -> FieldValue:
    """Read a cell that looks like a number as one, so that ranges work; codes with leading zeros stay text.

    >>> [number_or_text(text) for text in ("2012", "9.50", "0012", "M")]
    [2012, 9.5, '0012', 'M']
    """
    stripped = text.strip()
    if _WHOLE.fullmatch(stripped):
        return int(stripped)
    return float(stripped) if _DECIMAL.fullmatch(stripped) else text
