"""A large index: building the HNSW side file, its speed beside the exact scan, and how much of that it finds.

Queries are held out: pictures that are in no catalogue, and vectors as texts have them, apart from the pictures;
for a graph the second kind is the harder one.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.index import fill
from benchmarks.peers import K
from benchmarks.plan import Figures, Plan
from benchmarks.products import DIM, Space
from benchmarks.timing import in_fresh_process, peak_mb, seconds, spread
from catalens.catalogue.index import EmbeddedIndex

_BATCH = 1000
_KINDS = ("picture", "text")


def measure(plan: Plan) -> Figures:
    """Fill, scan, build, ask; each in a process of its own, so that each shows its own memory."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "products.catalens"
        figures: Figures = {"records": plan.graph_records, "dim": DIM}
        figures |= in_fresh_process(fill, path, plan.graph_records, _BATCH)
        exact, truth = in_fresh_process(_ask, path, plan.queries)
        figures |= in_fresh_process(_build, path)
        near, found = in_fresh_process(_ask, path, plan.queries)
    for kind in _KINDS:
        shared = [len(set(a) & set(b)) / K for a, b in zip(found[kind], truth[kind], strict=True)]
        figures[f"exact, {kind} query"] = exact[kind]
        figures[f"graph, {kind} query"] = near[kind] | {"recall_at_10": float(np.mean(shared))}
    return figures | {"exact_peak_mb": exact["peak_mb"], "graph_peak_mb": near["peak_mb"]}


def _build(path: Path) -> Figures:
    with EmbeddedIndex.open(path) as index:
        build_s = seconds(index.build_graph)
    side_mb = sum(file.stat().st_size for file in path.parent.glob("*.hnsw")) / 1e6
    return {"build_graph_s": build_s, "build_graph_peak_mb": peak_mb(), "graph_file_mb": side_mb}


def _ask(path: Path, n: int) -> tuple[Figures, dict[str, list[list[str]]]]:
    """Ask n queries of each kind: times, and the ids that were found."""
    space = Space()
    figures: Figures = {}
    found: dict[str, list[list[str]]] = {kind: [] for kind in _KINDS}
    with EmbeddedIndex.open(path, read_only=True) as index:
        for kind, queries in zip(_KINDS, (space.picture_queries(n), space.text_queries(n)), strict=True):
            index.query(queries[:1], K)
            taken_s = []
            for query in queries:
                started_s = time.perf_counter()
                hits = index.query(query[None], K)[0]
                taken_s.append(time.perf_counter() - started_s)
                found[kind].append([hit.record.id for hit in hits])
            figures[kind] = spread(taken_s)
    return figures | {"peak_mb": peak_mb()}, found
