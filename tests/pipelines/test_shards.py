"""Shards: one schema, exactly one row per item, and what a kill between two steps leaves."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from catalens.catalogue.sources import open_source
from catalens.core.errors import InputError
from catalens.core.types import Record
from catalens.pipelines.output import OutputRow
from catalens.pipelines.shards import SHARD_FORMATS, Kind, Shards
from tests.support.shards import rows_of

COLUMNS: dict[str, Kind] = {"caption": "text", "tags": "tags", "attributes": "attributes", "vector": "vector"}


def row(number: int, **fields: Any) -> OutputRow:
    values = {
        "caption": f"=picture {number}",
        "tags": [{"label": "red", "score": 0.5, "group": "colour"}, {"label": "old", "score": 0.25}],
        "attributes": {"colour": {"value": "red", "probability": 0.5}},
        "vector": np.array([number, 0.1], dtype=np.float32),
    }
    return OutputRow(Record(f"{number}.png", f"gone/{number}.png", fields or {"title": "x"}), values)


def shards(folder: Path, **options: Any) -> Shards:
    given: dict[str, Any] = {"plan": "p", "format": "jsonl", "rows_per_shard": 4}
    return Shards(folder, COLUMNS, **given | options)


@pytest.mark.parametrize("format", SHARD_FORMATS)
def test_rows_come_back_and_are_held_in_another_run(tmp_path: Path, format: Any) -> None:
    first = shards(tmp_path, format=format)
    first.write([row(number) for number in range(10)])
    first.write([row(3)])  # a second time
    first.finish()
    assert len(list(tmp_path.glob("part-*"))) == 3
    found = rows_of(tmp_path)
    assert [each["id"] for each in found] == [f"{number}.png" for number in range(10)]
    again = shards(tmp_path, format=format)
    assert len(again) == 10
    assert again.holds(row(9).record)
    assert not again.holds(row(10).record)
    if format == "parquet":
        assert found[1]["vector"] == [1.0, float(np.float32(0.1))]
        assert found[1]["attributes"] == {"colour": "red"}
        assert found[1]["tags"][1] == {"label": "old", "score": 0.25, "group": None}
    if format == "csv":
        assert found[1]["caption"] == "'=picture 1", "no cell is a formula"


def test_the_schema_is_the_same_for_every_shard(tmp_path: Path) -> None:
    output = shards(tmp_path, format="parquet", rows_per_shard=1)
    output.write([row(1, title="a"), row(2, price=3)])
    output.write([OutputRow(Record("3.png", "3.png"), {})])
    output.finish()
    schemas = [pq.read_schema(path) for path in sorted(tmp_path.glob("*.parquet"))]
    assert len(schemas) == 3
    assert all(schema == schemas[0] for schema in schemas)


def test_a_folder_of_shards_is_a_source(shop: Path, tmp_path: Path) -> None:
    output = shards(tmp_path, format="parquet")
    for item in open_source(shop / "photos"):
        output.write([OutputRow(Record(item.id, str(item.source)), row(0).values)])  # type: ignore[union-attr]
    output.finish()
    items = list(open_source(tmp_path))
    assert [item.id for item in items] == sorted(path.name for path in (shop / "photos").iterdir())


def test_a_kill_between_shard_and_open_file_doubles_nothing(tmp_path: Path) -> None:
    output = shards(tmp_path)
    output.write([row(number) for number in range(3)])
    open_file = (tmp_path / "_open.jsonl").read_bytes()
    output.finish()
    (tmp_path / "_open.jsonl").write_bytes(open_file)
    again = shards(tmp_path)
    again.write([row(number) for number in range(5)])
    again.finish()
    assert [each["id"] for each in rows_of(tmp_path)] == [f"{number}.png" for number in range(5)]


@pytest.mark.parametrize("rest", [b'{"id": "1.png", "ima', bytes(4096), bytes(100) + b'"}\n{"id": "7.png"}\n'])
def test_half_a_line_and_what_a_power_failure_leaves_are_removed(tmp_path: Path, rest: bytes) -> None:
    shards(tmp_path).write([row(0)])
    with (tmp_path / "_open.jsonl").open("ab") as file:
        file.write(rest)
    again = shards(tmp_path)
    assert len(again) == 1
    again.write([row(1)])
    again.finish()
    assert [each["id"] for each in rows_of(tmp_path)] == ["0.png", "1.png"]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalens.pipelines.shards.SYNC_EVERY_S", 0.0)
    output = shards(tmp_path)
    output.write([row(0)])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="disk is full"):
        output.write([row(1)])
    monkeypatch.undo()
    output.write([row(1)])
    output.finish()
    assert [each["id"] for each in rows_of(tmp_path)] == ["0.png", "1.png"]


def test_another_plan_may_not_continue(tmp_path: Path) -> None:
    shards(tmp_path).finish()
    with pytest.raises(InputError, match="another plan"):
        shards(tmp_path, plan="q")
    with pytest.raises(InputError, match="another plan"):
        shards(tmp_path, format="csv")
