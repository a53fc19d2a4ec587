"""Table formats: which files are tables, and how their rows and columns are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from catalens.catalogue.sources.items import Row

SUFFIXES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".pq")


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def is_table(path: Path) -> bool:
    return _suffix(path) in SUFFIXES


def table_rows(path: Path) -> Iterator[Row]:
    from catalens.catalogue.sources.arrow import parquet_rows
    from catalens.catalogue.sources.text import csv_rows, json_rows

    suffix = _suffix(path)
    if suffix in (".parquet", ".pq"):
        return parquet_rows(path)
    return json_rows(path) if suffix in (".jsonl", ".ndjson") else csv_rows(path)


def table_columns(path: Path) -> list[str]:
    from catalens.catalogue.sources.text import csv_header

    return csv_header(path)[0]
