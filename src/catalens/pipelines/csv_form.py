"""A CSV file kept as it is written: cells are put into its own text, so that nothing else in it changes.

Knows quotes, line ends and encodings; knows nothing of pictures or values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalens.catalogue.sources.lines import open_bytes
from catalens.core.files import split_mark

_UTF16 = ("utf-16-le", "utf-16-be")
_SEPARATOR_LINE = re.compile(r"""["']?sep=.["']?\s*""", re.IGNORECASE)

_EMPTY_CELL = re.compile(r'\s*|"\s*"\s*')


@dataclass(frozen=True, slots=True)
class Line:
    """A record in the file's own text.

    Attributes:
        cells: as written, with their quotes.
        end: of the line; empty for the last one of some files.
    """

    cells: tuple[str, ...]
    end: str


@dataclass(slots=True)
class CsvForm:
    """The text of a CSV file, row by row.

    Bytes are held as Latin-1, one character each, so that a file whose lines are in several encodings keeps all of
    them; a file in UTF-16 is held as its text.

    Attributes:
        delimiter: between cells.
        encoding: of cells that are put in.
        before: what stands before the header: a byte order mark, a line `sep=;`.
        header: names of the columns.
        rows: below the header; a row of one empty cell is an empty line.
        quotes_all: every name in the header stands in quotes.
    """

    delimiter: str
    encoding: str
    before: str
    header: Line
    rows: list[Line] = field(default_factory=list)
    quotes_all: bool = False

    @property
    def line_end(self) -> str:
        """What ends the header, and so new lines."""
        return self.header.end or "\n"

    def cell(self, text: str) -> str:
        """Return a text as a cell of this file.

        Raises:
            UnicodeEncodeError: the file's encoding does not have one of its letters.
        """
        special = any(mark in text for mark in (self.delimiter, '"', "\r", "\n"))
        quoted = '"' + text.replace('"', '""') + '"' if special or self.quotes_all else text
        return quoted if self.encoding in _UTF16 else quoted.encode(self.encoding).decode("latin-1")

    def filled_rows(self) -> Iterator[int]:
        """Return the places of the rows that are no empty lines, nor of empty cells only."""
        return (at for at, row in enumerate(self.rows) if not all(map(_EMPTY_CELL.fullmatch, row.cells)))

    def edit(self, at: int, changed: Mapping[int, str], added: Sequence[str]) -> None:
        """Change cells of a row, and add some at its end."""
        row = self.rows[at]
        cells = [changed.get(place, cell) for place, cell in enumerate(row.cells)]
        self.rows[at] = Line((*cells, *added), row.end)

    def edit_header(self, added: Sequence[str]) -> None:
        """Add names at the end of the header."""
        self.header = Line((*self.header.cells, *added), self.header.end)

    def append(self, cells: Sequence[str]) -> None:
        """Add a row."""
        last = self.rows[-1] if self.rows else self.header
        if not last.end:
            ended = Line(last.cells, self.line_end)
            if self.rows:
                self.rows[-1] = ended
            else:
                self.header = ended
        self.rows.append(Line(tuple(cells), self.line_end))

    def content(self) -> bytes:
        """Return the bytes of the file."""
        text = "".join(self.delimiter.join(row.cells) + row.end for row in (self.header, *self.rows))
        return (self.before + text).encode(self.encoding if self.encoding in _UTF16 else "latin-1")


def read_form(path: Path, delimiter: str) -> CsvForm:
    """Read a CSV file as it is written.

    Args:
        path: of the file; unpacked if its name ends in .gz.
        delimiter: between its cells.
    """
    with open_bytes(path) as file:
        content = file.read()
    mark, encoding = split_mark(content)
    held = encoding if encoding in _UTF16 else "latin-1"
    before, text = mark.decode(held), content[len(mark) :].decode(held)
    if encoding not in _UTF16:
        encoding = _encoding(content)
    ends = _line_ends(text)
    first = re.match(rf"[^\r\n]*(?:{ends})", text)
    if first and _SEPARATOR_LINE.fullmatch(first[0]):
        before, text = before + first[0], text[first.end() :]
    records = list(_records(text, delimiter, ends))
    header = records[0] if records else Line(("",), "")
    quotes_all = all(cell.startswith('"') for cell in header.cells)
    return CsvForm(delimiter, encoding, before, header, records[1:], quotes_all)


def _encoding(content: bytes) -> str:
    try:
        content.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _line_ends(text: str) -> str:
    """Return a pattern of what ends a line: carriage returns alone in a file that has no line feed."""
    return "\r\n|\n" if "\n" in text else "\r"


def _records(text: str, delimiter: str, ends: str) -> Iterator[Line]:
    mark = re.escape(delimiter)
    # A quoted cell, and whatever carelessly follows its last quote; else everything up to the next mark.
    cell = re.compile(rf'(?:"(?:[^"]|"")*")?(?:(?!{mark}|{ends})[\s\S])*')
    after = re.compile(rf"{mark}|{ends}")
    at, cells = 0, list[str]()
    while at < len(text) or cells:
        found = cell.match(text, at)
        cells.append(found[0] if found else "")
        at += len(cells[-1])
        closing = after.match(text, at)
        at = closing.end() if closing else at
        if closing is None or closing[0] != delimiter:
            yield Line(tuple(cells), closing[0] if closing else "")
            cells = []
