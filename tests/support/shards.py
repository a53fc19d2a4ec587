"""Rows of a folder of shards."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of every shard, in order."""
    rows: list[dict[str, Any]] = []
    for shard in sorted(folder.glob("part-*")):
        if shard.suffix == ".parquet":
            import pyarrow.parquet as pq

            rows += [
                {
                    name: dict(value) if name in ("fields", "attributes", "answers") else value
                    for name, value in row.items()
                }
                for row in pq.read_table(shard).to_pylist()
            ]
        elif shard.suffix == ".jsonl":
            rows += map(json.loads, shard.read_text().splitlines())
        else:
            with shard.open(newline="") as file:
                rows += list(csv.DictReader(file))
    return rows
