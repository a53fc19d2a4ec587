"""How much is measured: sizes and rounds, in full or as a quick look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
"""What a subject found: numbers by name, with the unit in the name; one level of nesting for contestants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every subject is told.

    Attributes:
        rounds: how often contestants take turns.
        pictures: small JPEG files.
        large_pictures: JPEG files of 900 by 1200.
        texts: labels, and titles.
        labels: in the label bank.
        records: in the index that is scanned.
        graph_records: in the index that gets an HNSW graph.
        queries: asked of every index.
        starts: fresh processes for each command.
        enrich_pictures: small JPEG files for one pass with many results.
        enrich_kills: runs of it that are killed.
        model: an encoder's name, or a bundle's folder.
        data: the folder of the product tables, for real pictures; drawn ones serve where it is not there.
    """

    rounds: int
    pictures: int
    large_pictures: int
    texts: int
    labels: int
    records: int
    graph_records: int
    queries: int
    starts: int
    enrich_pictures: int = 20_000
    enrich_kills: int = 20
    model: str = "starter"
    data: Path = Path("../shared/data")


FULL = Plan(
    rounds=5,
    pictures=1024,
    large_pictures=240,
    texts=2048,
    labels=100_000,
    records=100_000,
    graph_records=200_000,
    queries=200,
    starts=9,
)
LARGE_GRAPH = 1_000_000
"""Records in the graph when asked for: its build alone takes four to six minutes on two cores."""


QUICK = Plan(
    rounds=3,
    pictures=192,
    large_pictures=64,
    texts=256,
    labels=10_000,
    records=5_000,
    graph_records=10_000,
    queries=30,
    starts=3,
    enrich_pictures=2_000,
    enrich_kills=4,
)
