"""Pictures that lie in the cells of a table: what a cell holds, where it is, and how it is found again."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePath

from catalens.catalogue.sources.arrow import arrow_rows, parquet_cell
from catalens.catalogue.sources.items import Row
from catalens.catalogue.sources.text import text_rows
from catalens.core.confinement import check_allowed
from catalens.core.content import Limits, read_content
from catalens.core.errors import InputError
from catalens.core.folders import IMAGE_EXTENSIONS
from catalens.core.json_text import parse_json

_CELL = re.compile(r"(?P<path>.+)#(?P<column>[^#]+)\[(?P<row>\d+)(?:\.(?P<part>\d+))?\]")
_QUOTED = r"""(?:'[^'\\]*'|"[^"\\]*")"""
_PRINTED_LIST = re.compile(rf"\s*\[\s*{_QUOTED}(?:[\s,]+{_QUOTED})*\s*\]\s*")
"""A list as Python and numpy print it, which is what pandas writes into CSV."""
_PARQUET_MARK = b"PAR1"
_MAX_BYTES = Limits().max_bytes


def is_data_address(value: object) -> bool:
    """Tell a picture that is written out as text, `data:image/png;base64,…`, from the name of a file."""
    return isinstance(value, str) and value.lstrip()[:5].lower() == "data:"


def held_picture(value: object) -> bytes | None:
    """Return the bytes of the picture that a cell holds itself; None if it holds none, or only names a file.

    Args:
        value: bytes, a `data:` address, or a struct that has one of them as `bytes`.

    Raises:
        ImageError: a `data:` address that holds no bytes, or too many.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes")
    if isinstance(value, str) and is_data_address(value):
        return read_content(value.strip(), max_bytes=_MAX_BYTES)[0]
    return value if isinstance(value, bytes) and value else None


def each_picture(rows: Iterable[Row], column: str) -> Iterator[Row]:
    """Return a row for each picture where a cell has several: a list, also as text, or file names between ; | or ,."""
    for row in rows:
        pictures = _pictures(row.values.get(column))
        if len(pictures) < 2:
            yield replace(row, values={**row.values, column: pictures[0]}) if pictures else row
            continue
        for part, picture in enumerate(pictures):
            yield replace(row, values={**row.values, column: picture}, part=part)


def _pictures(value: object) -> Sequence[object]:
    """Return the pictures of a cell that has a list of them; nothing for any other cell."""
    if isinstance(value, list):
        return [each for each in value if each not in (None, "", b"")]
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError):
            return _pictures(parse_json(value))
        if _PRINTED_LIST.fullmatch(value):
            return [each[1:-1] for each in re.findall(_QUOTED, value)]
    if isinstance(value, str) and not is_data_address(value):
        for mark in ";|,":
            parts = [part.strip() for part in value.split(mark) if part.strip()]
            if len(parts) > 1 and all(PurePath(part).suffix.lower() in IMAGE_EXTENSIONS for part in parts):
                return parts
    return []


def cell_address(row: Row, column: str) -> str:
    """Return the address of an image in a table, in the form that `read_picture` reads."""
    return f"{row.file}#{column}[{row.number}{f'.{row.part}' if row.part else ''}]"


def row_at(source: str, path: Path) -> int | None:
    """Return the number of a table's row in which a picture lies; None if its source is none of this table."""
    cell = _CELL.fullmatch(source)
    same = cell is not None and os.path.abspath(cell["path"]) == os.path.abspath(path)  # noqa: PTH100 - also of no path
    return int(cell["row"]) if cell is not None and same else None


def read_picture(source: str) -> Path | bytes:
    """Find the image of an item or a record from its `source`.

    Args:
        source: a path, an object `s3://bucket/key`, a member of an archive `file.tar#member`, or a cell:
            `file.parquet#column[row]`, also of .jsonl and .arrow files, or `[row.part]` for the second and later
            pictures of a cell.

    Raises:
        InputError: the object, the archive or the table is not there any more, or has no picture in that place.
    """
    from catalens.catalogue.sources.bucket import fetch, is_bucket
    from catalens.catalogue.sources.tar import member

    if is_bucket(source):
        return fetch(source)
    cell = _CELL.fullmatch(source)
    if cell is None or Path(source).exists():
        return Path(source) if (content := member(source)) is None else content
    path, column, row = Path(cell["path"]), cell["column"], int(cell["row"])
    try:
        check_allowed(path)
        with path.open("rb") as file:
            is_parquet = file.read(len(_PARQUET_MARK)) == _PARQUET_MARK
        value = parquet_cell(path, column, row) if is_parquet else _last_table.values(path, row).get(column)
        part = int(cell["part"] or 0)
        picture = held_picture((pictures[part : part + 1] or [None])[0] if (pictures := _pictures(value)) else value)
    except (OSError, InputError) as error:
        raise InputError(f"cannot read the picture {source}: {error}") from error
    if picture is None:
        raise InputError(f"there is no longer a picture at {source}")
    return picture


class _Reading:
    """A table that is read on from where the last row was found; threads take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: tuple[Path, int, int] | None = None
        self._rows: Iterator[Row] = iter(())
        self._next = 0

    def values(self, path: Path, row: int) -> Mapping[str, object]:
        """Return the cells of a row by column name; none where there is no such row."""
        status = path.stat()
        table = (path, status.st_mtime_ns, status.st_size)
        with self._lock:
            if table != self._table or row < self._next:
                self._table, self._rows, self._next = table, _rows_of(path), 0
            for found in self._rows:
                self._next = found.number + 1
                if found.number == row:
                    return found.values
            self._table = None
            return {}


_last_table = _Reading()


def _rows_of(path: Path) -> Iterator[Row]:
    return arrow_rows(path) if path.suffix.lower() == ".arrow" else text_rows(path)
