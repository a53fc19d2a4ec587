"""Rows of parquet files, one small batch at a time, and single pictures out of them.

A damaged part of a file costs the rows of that part, not the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.catalogue.sources.items import Row
from catalens.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_ROWS_AT_ONCE = 16
"""Pictures of a few MB each must not add up."""

_CELL = re.compile(r"(?P<path>.+)#(?P<column>[^#]+)\[(?P<row>\d+)\]")


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a parquet file; only its footer is read.

    Raises:
        InputError: pyarrow is missing, or the file is not parquet.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise InputError('reading parquet needs pyarrow: pip install "catalens[parquet]"') from error
    try:
        # One row group may be the whole file: it must be read piece by piece, and not ahead.
        return pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error


def picture_columns(schema: pa.Schema) -> list[str]:
    """Name the columns that hold bytes: binary ones, and structs with `bytes` (Hugging Face `Image`)."""
    from pyarrow import types

    def holds_bytes(kind: pa.DataType) -> bool:
        if types.is_struct(kind):
            return any(inner.name == "bytes" and holds_bytes(inner.type) for inner in kind)
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    return [column.name for column in schema if holds_bytes(column.type)]


def parquet_rows(path: Path) -> Iterator[Row]:
    """Read the rows of a parquet file in order; rows are counted from 0."""
    import pyarrow as pa

    table = open_parquet(path)
    number = 0
    for group in range(table.num_row_groups):
        end = number + table.metadata.row_group(group).num_rows
        try:
            for batch in table.iter_batches(_ROWS_AT_ONCE, row_groups=[group], use_threads=False):
                for values in batch.to_pylist():
                    yield Row(path, f"row {number}", number, values)
                    number += 1
        except (pa.ArrowException, OSError, ValueError) as error:
            yield Row(path, f"rows {number} to {end - 1}", number, error=f"cannot be read: {error}")
        number = end


def cell_address(path: Path, column: str, row: int) -> str:
    """Say where bytes lie in a parquet file, in the form that `read_picture` understands."""
    return f"{path}#{column}[{row}]"


def read_picture(source: str) -> Path | bytes:
    """Find the picture of an item or a record again, from its `source`.

    Args:
        source: a path, or `file.parquet#column[row]`.

    Raises:
        InputError: the parquet file is not there any more, or has no such cell.
    """
    cell = _CELL.fullmatch(source)
    if cell is None or Path(source).exists():
        return Path(source)
    import pyarrow as pa

    table = open_parquet(Path(cell["path"]))
    row = int(cell["row"])
    try:
        for group in range(table.num_row_groups):
            n_rows = table.metadata.row_group(group).num_rows
            if row < n_rows:
                value = table.read_row_group(group, columns=[cell["column"]]).column(0)[row].as_py()
                picture = value["bytes"] if isinstance(value, dict) else value
                if isinstance(picture, bytes):
                    return picture
                break
            row -= n_rows
    except (pa.ArrowException, OSError, IndexError) as error:
        raise InputError(f"cannot read the picture {source}: {error}") from error
    raise InputError(f"there is no picture any more at {source}")
