"""Pictures that lie in the cells of a table: what a cell holds, where it is, and how it is found again."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from catalens.catalogue.sources.arrow import parquet_cell
from catalens.catalogue.sources.items import Row
from catalens.catalogue.sources.text import text_rows
from catalens.core.content import Limits, read_content
from catalens.core.errors import InputError

_CELL = re.compile(r"(?P<path>.+)#(?P<column>[^#]+)\[(?P<row>\d+)\]")
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


def cell_address(path: Path, column: str, row: int) -> str:
    """Say where a picture lies in a table, in the form that `read_picture` understands."""
    return f"{path}#{column}[{row}]"


def read_picture(source: str) -> Path | bytes:
    """Find the picture of an item or a record again, from its `source`.

    Args:
        source: a path, or a cell: `file.parquet#column[row]`, `file.jsonl#column[row]`.

    Raises:
        InputError: the table is not there any more, or has no picture in that cell.
    """
    cell = _CELL.fullmatch(source)
    if cell is None or Path(source).exists():
        return Path(source)
    path, column, row = Path(cell["path"]), cell["column"], int(cell["row"])
    try:
        with path.open("rb") as file:
            is_parquet = file.read(len(_PARQUET_MARK)) == _PARQUET_MARK
        value = parquet_cell(path, column, row) if is_parquet else _last_table.values(path, row).get(column)
        picture = held_picture(value)
    except (OSError, InputError) as error:
        raise InputError(f"cannot read the picture {source}: {error}") from error
    if picture is None:
        raise InputError(f"there is no picture any more at {source}")
    return picture


class _Reading:
    """A text table that is read on from where the last row was found; threads take turns."""

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
                self._table, self._rows, self._next = table, text_rows(path), 0
            for found in self._rows:
                self._next = found.number + 1
                if found.number == row:
                    return found.values
            self._table = None
            return {}


_last_table = _Reading()
