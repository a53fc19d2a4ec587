"""The embedded index: filling it, and exact, filtered and hybrid queries; beside it other exact searches."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.peers import Ask, K, Peer, load_peers
from benchmarks.plan import Figures, Plan
from benchmarks.products import DIM, Space, records
from benchmarks.timing import in_fresh_process, peak_mb, queries_in_turns, seconds, spread
from catalens.catalogue.filters import parse_filter
from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.search import Query, Weighted, search
from catalens.core.types import Vectors
from catalens.models.fakes import FakeEncoder

_BATCH = 32
"""Queries asked at once."""

_INGEST_BATCH = 64
"""What `ingest` writes at once: a transaction, on the disk before the next."""


def measure(plan: Plan) -> Figures:
    """Fill an index, open it as a command would, then ask it beside its peers; each in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "products.catalens"
        figures: Figures = {"records": plan.records, "dim": DIM}
        figures |= in_fresh_process(fill, path, plan.records)
        figures |= in_fresh_process(_first_query, path)
        return figures | in_fresh_process(_ask, path, plan)


def fill(path: Path, n: int, batch: int = _INGEST_BATCH) -> Figures:
    """Store n products."""
    encoder = FakeEncoder(DIM)
    spent_s, done = 0.0, 0
    with EmbeddedIndex.open(path, encoder_name=encoder.name, dim=DIM) as index:
        for block in Space().blocks(n):
            products = records(done, len(block))
            started_s = time.perf_counter()
            for start in range(0, len(block), batch):
                index.add(products[start : start + batch], block[start : start + batch])
            spent_s += time.perf_counter() - started_s
            done += len(block)
    return {
        "ingest_records_per_s": n / spent_s,
        "ingest_peak_mb": peak_mb(),
        "file_mb": path.stat().st_size / 1e6,
    }


def _first_query(path: Path) -> Figures:
    """Open, load the vectors and answer, as every command does."""
    query = Space().picture_queries(1)[0]

    def answer() -> None:
        with EmbeddedIndex.open(path, read_only=True) as index:
            index.query(query[None], K)

    return {"open_and_first_query_ms": seconds(answer) * 1e3, "query_peak_mb": peak_mb()}


def _ask(path: Path, plan: Plan) -> Figures:
    vectors = np.concatenate(list(Space().blocks(plan.records)))
    queries = Space().picture_queries(plan.queries)
    with EmbeddedIndex.open(path, read_only=True) as index:
        colours = [str(record.fields["colour"]) for record in index.records()]
        peers = load_peers(vectors, colours, path.parent)
        ours = _exact(index)
        present = {name: peer for name, peer in peers.items() if peer is not None}
        asks = {"catalens": ours} | {name: peer.ask for name, peer in present.items()}
        taken = queries_in_turns(asks, list(queries), plan.rounds)
        truth = _truth(vectors, queries)
        figures: Figures = {"exact query": spread(taken["catalens"]) | {"recall_at_10": _recall(ours, queries, truth)}}
        for name in peers:
            figures[f"exact query by {name}"] = {"status": "not installed"}
        own_ms = figures["exact query"]["p50_ms"]
        for name, peer in present.items():
            found = spread(taken[name])
            ratio = {"times_ours": found["p50_ms"] / own_ms, "recall_at_10": _recall(peer.ask, queries, truth)}
            figures[f"exact query by {name}"] = found | ratio
        batch_s = [seconds(lambda: index.query(queries[:_BATCH], K)) / _BATCH for _ in range(plan.rounds)]
        figures[f"exact query, {_BATCH} at once"] = spread(batch_s)
        return figures | _other_queries(index, present, list(queries), colours, plan.rounds)


def _other_queries(
    index: EmbeddedIndex, peers: dict[str, Peer], queries: Sequence[Vectors], colours: Sequence[str], rounds: int
) -> Figures:
    """Ask with filters and words; filters of a peer are beside them where it has any."""
    price = count(1000)
    colour = colours[0]
    same = parse_filter(f'colour = "{colour}"')
    encoder = FakeEncoder(DIM)
    words = [" ".join(str(record.fields["title"]).split()[:-2]) for record in records(0, len(queries))]
    texts = iter(words * 2)
    asks: dict[str, Callable[[Vectors], object]] = {
        "filtered query, new filter": lambda query: index.query(query[None], K, parse_filter(f"price < {next(price)}")),
        "filtered query, same filter": lambda query: index.query(query[None], K, same),
        "hybrid query": lambda _: search(index, encoder, Query((Weighted(next(texts)),), mode="hybrid"), k=K),
    }
    for name, peer in peers.items():
        if filtered := peer.ask_filtered:
            asks[f"filtered query by {name}"] = partial(filtered, colour=colour)
    return {name: spread(each) for name, each in queries_in_turns(asks, queries, rounds).items()}


def _exact(index: EmbeddedIndex) -> Ask:
    return lambda query: [int(hit.record.id) for hit in index.query(query[None], K)[0]]


def _truth(vectors: Vectors, queries: Vectors) -> list[set[int]]:
    """Find the ten nearest by float64, whatever a kernel does."""
    exact = vectors.astype(np.float64)
    return [set(np.argpartition(-(exact @ query.astype(np.float64)), K)[:K].tolist()) for query in queries]


def _recall(ask: Ask, queries: Vectors, truth: Sequence[set[int]]) -> float:
    return float(np.mean([len(set(ask(query)) & right) / K for query, right in zip(queries, truth, strict=True)]))
