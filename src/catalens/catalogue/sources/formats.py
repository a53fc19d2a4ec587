"""The one list of table formats: which suffixes there are, and what reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from catalens.catalogue.sources.arrow import open_parquet, parquet_rows
from catalens.catalogue.sources.items import Row
from catalens.catalogue.sources.json_text import json_rows
from catalens.catalogue.sources.text import csv_header, csv_rows
from catalens.core.errors import InputError
from catalens.core.files import IS_POINTER, is_pointer

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["csv", "jsonl", "parquet"]

COMPRESSED = ".gz"
"""Suffix that may follow that of a text table."""


SUFFIXES: Mapping[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""What reads and writes a table, by its suffix; the delimiter of CSV is found, and JSON arrays are `jsonl`."""

_WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
"""Suffixes of what spreadsheet programs keep, which is not read."""


def table_suffix(path: Path) -> str:
    """Return the suffix that tells a table's format, in lower case and without .gz.

    >>> table_suffix(Path("Products.CSV.gz")), table_suffix(Path("photo.jpg"))
    ('.csv', '.jpg')
    """
    return Path(path.name.lower().removesuffix(COMPRESSED)).suffix


def is_compressed(path: Path) -> bool:
    """Return whether a file is read through gzip."""
    return path.suffix.lower() == COMPRESSED


def is_table(path: Path) -> bool:
    """Tell a table from a picture by its suffix; a workbook is one too, which `table_kind` refuses.

    >>> [is_table(Path(name)) for name in ("a.ndjson", "a.tab.gz", "a.jpg", "a.gz")]
    [True, True, False, False]
    """
    return table_suffix(path) in SUFFIXES or path.suffix.lower() in _WORKBOOKS


def table_kind(path: Path) -> Kind:
    """Return what reads a table.

    Raises:
        InputError: the suffix is that of no table, or of a table that is not read from .gz.
    """
    if is_pointer(path):
        raise InputError(f"{path} {IS_POINTER}")
    if path.suffix.lower() in _WORKBOOKS:
        raise InputError(f"{path} is a spreadsheet's workbook, which is not read; save its sheet as CSV in UTF-8")
    kind = SUFFIXES.get(table_suffix(path))
    if kind is None:
        raise InputError(f"{path} is not a table that can be read; accepted are {', '.join(SUFFIXES)}")
    if kind == "parquet" and is_compressed(path):
        raise InputError(f"{path}: parquet is compressed inside and cannot be read from .gz; unpack it first")
    return kind


def table_rows(path: Path) -> Iterator[Row]:
    """Return the rows of a table, lazily; a bad row has an error.

    Raises:
        InputError: not a table, or one that cannot be opened.
    """
    match table_kind(path):
        case "csv":
            return csv_rows(path)
        case "jsonl":
            return json_rows(path)
        case "parquet":
            return parquet_rows(path)


def table_columns(path: Path) -> list[str]:
    """Return the names of a table's columns; of JSON, all that any row has.

    A column `attributes` that holds a map, as `catalens attributes` writes, stands for the names in it.

    Raises:
        InputError: not a table, or one that cannot be opened.
    """
    match table_kind(path):
        case "csv":
            return csv_header(path)[0]
        case "parquet":
            return [name for column in open_parquet(path).schema_arrow for name in _names_in(column)]
        case "jsonl":
            cells = (pair for row in json_rows(path) for pair in row.values.items())
            names = (
                name
                for column, cell in cells
                for name in (cell if column == "attributes" and isinstance(cell, Mapping) else [column])
            )
            return list(dict.fromkeys(names))


def _names_in(column: pa.Field) -> list[str]:
    """Return the column names that a parquet column stands for."""
    from pyarrow import types

    nested = column.name == "attributes" and types.is_struct(column.type)
    return [part.name for part in column.type] if nested else [column.name]
