"""Rows of CSV and TSV files, read line by line, also from .gz.

Knows quoting and line numbers; knows nothing of pictures or ids.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from catalens.catalogue.sources.items import Row
from catalens.catalogue.sources.json_text import json_rows
from catalens.catalogue.sources.lines import BROKEN_FILE, MAX_LINE, LongLine, read_lines
from catalens.core.errors import InputError

__all__ = ["csv_header", "csv_rows", "json_rows", "text_rows"]

_WITH_TABS = (".tsv", ".tab")
_SEPARATOR_LINE = re.compile(r"""["']?sep=(?P<delimiter>.)["']?\s*""", re.IGNORECASE)

Repair = Callable[[Sequence[str], Sequence[str]], Sequence[str]]
"""(header, cells) → cells: puts a row right whose cells do not fit the header."""


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How a file separates cells, and how many lines stand before its header."""

    delimiter: str
    skipped: int


def csv_header(path: Path, encoding: str | None = None) -> tuple[list[str], str]:
    """Read the names of the columns and find the delimiter among comma, semicolon, tab and bar.

    A first line `sep=;`, which spreadsheets write and read, decides. Otherwise a .tsv or .tab file
    has tabs if its header has one, else what the header has most of. Repeated names are numbered,
    as spreadsheet libraries do: `tag`, `tag.1`.

    Raises:
        InputError: the file is empty or cannot be read.
    """
    dialect = _dialect(path, encoding)
    _, cells, error = next(_records(path, encoding, dialect), ("", (), None))
    if error:
        raise InputError(f"cannot read the header of {path}: {error}")
    if not any(cell.strip() for cell in cells):
        raise InputError(f"{path} has no header: its first line must name the columns")
    return _distinct([cell.strip() for cell in cells]), dialect.delimiter


def _distinct(cells: Sequence[str]) -> list[str]:
    """Number repeated names."""
    names: dict[str, None] = {}
    repeats: Counter[str] = Counter()
    for cell in cells:
        name = cell
        while name in names:
            repeats[cell] += 1
            name = f"{cell}.{repeats[cell]}"
        names[name] = None
    return list(names)


def _dialect(path: Path, encoding: str | None) -> _Dialect:
    lines = read_lines(path, encoding)
    try:
        first = next(lines, "")
        said = _SEPARATOR_LINE.fullmatch(first)
        header = next(lines, "") if said else first
    except (*BROKEN_FILE, UnicodeError) as broken:
        raise InputError(f"cannot read the header of {path}: {broken}") from broken
    return _Dialect(said["delimiter"], 1) if said else _Dialect(_delimiter(path, header), 0)


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
    records = _records(path, encoding, _dialect(path, encoding))
    next(records)
    # An empty line is not a row, nor is one of empty cells, such as spreadsheets leave below a table.
    filled = (record for record in records if any(cell.strip() for cell in record[1]) or record[2])
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
        self.ended = self.too_long = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        if isinstance(line, LongLine):
            self.too_long, line = True, "\n"
        self.held.append(line)
        return line


def _records(path: Path, encoding: str | None, dialect: _Dialect) -> Iterator[tuple[str, Sequence[str], str | None]]:
    """Return (place, cells, error) for each record, the header and empty lines too."""
    lines = _Lines(islice(read_lines(path, encoding), dialect.skipped, None))
    reader = csv.reader(lines, delimiter=dialect.delimiter)
    while True:
        lines.held.clear()
        lines.too_long = False
        first, cells, error = reader.line_num + dialect.skipped + 1, [""], None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as broken:
            error = f"not a readable row ({broken}); is a quote left open, or a picture too large for a cell?"
        except (*BROKEN_FILE, UnicodeError) as broken:
            yield f"line {first}", (), f"the rest of the file cannot be read: {broken}"
            return
        last = reader.line_num + dialect.skipped
        place = f"line {first}" if last <= first else f"lines {first} to {last}"
        if lines.too_long:
            error = f"the line is longer than {MAX_LINE >> 20} million characters"
        elif error is None and (lines.ended or len(lines.held) > 1):
            error = _open_quote(lines, cells, first, dialect.delimiter)
        yield place, cells, error


def _open_quote(lines: _Lines, cells: Sequence[str], first: int, delimiter: str) -> str | None:
    """Return what is wrong with a row that spans several lines, which may be rows of their own; None if nothing is.

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
    """Read the rows of JSON (lines or an array) or of CSV, whichever the first line is.

    Raises:
        InputError: the file cannot be read, or has no header.
    """
    try:
        first = next((line for line in read_lines(path) if line.strip()), "")
    except (*BROKEN_FILE, UnicodeError) as broken:
        raise InputError(f"cannot read {path}: {broken}") from broken
    return json_rows(path) if first.lstrip().startswith(("{", "[")) else csv_rows(path)
