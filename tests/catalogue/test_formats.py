"""Table formats: one list of suffixes, and what reads each of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from catalens.catalogue.sources import open_source
from catalens.catalogue.sources.formats import (
    SUFFIXES,
    is_compressed,
    is_table,
    table_columns,
    table_rows,
)
from catalens.core.errors import InputError

ROWS = [{"image": "a.png", "title": "x"}, {"image": "b.png", "title": "y"}]


def written(folder: Path, name: str) -> Path:
    path = folder / name
    suffix = "".join(path.suffixes[:1])
    kind = SUFFIXES[suffix]
    if kind == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(ROWS), path)
        return path
    mark = "," if suffix == ".csv" else "\t"
    table = "".join(f"{mark.join(row)}\n" for row in (["image", "title"], *(list(row.values()) for row in ROWS)))
    lines = json.dumps(ROWS) if suffix == ".json" else "\n".join(map(json.dumps, ROWS))
    content = (table if kind == "csv" else lines).encode()
    path.write_bytes(gzip.compress(content) if is_compressed(path) else content)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read_alike(tmp_path: Path, suffix: str) -> None:
    for name in (f"a{suffix}", f"b{suffix}.gz"):
        if SUFFIXES[suffix] == "parquet" and name.endswith(".gz"):
            continue
        path = written(tmp_path, name)
        assert is_table(path)
        assert [dict(row.values) for row in table_rows(path)] == ROWS
        assert table_columns(path) == ["image", "title"]
        assert [entry.id for entry in open_source(path)] == ["a.png", "b.png"]


def test_the_names_of_attributes_are_columns(tmp_path: Path) -> None:
    rows = [{"id": "1", "attributes": {"colour": "Red"}}, {"id": "2", "attributes": {"size": "L"}}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert table_columns(tmp_path / "a.jsonl") == ["id", "colour", "size"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a.jpg", r"accepted are \.csv"), ("a.parquet.gz", "unpack it first"), ("a.XLSX", "save its sheet as CSV")],
)
def test_other_files_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / name).touch()
    for read in (table_rows, table_columns, open_source):
        with pytest.raises(InputError, match=reason):
            read(tmp_path / name)
