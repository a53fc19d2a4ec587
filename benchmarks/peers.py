"""Other ways to search the same vectors exactly; one that is not installed is said to be so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalens.core.types import Vectors

Ask = Callable[[Vectors], Sequence[int]]
"""The numbers of the ten products nearest to a (dim,) vector, best first."""

K = 10


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that holds the vectors.

    Attributes:
        ask: exact search.
        ask_filtered: the same among the products of one colour, where the peer has filters.
    """

    ask: Ask
    ask_filtered: Callable[..., Sequence[int]] | None = None


def usearch_exact(vectors: Vectors, colours: Sequence[str], folder: Path) -> Peer:  # noqa: ARG001
    """Scan float16 rows on every core with usearch's own exact search."""
    from usearch.compiled import MetricKind
    from usearch.index import search

    halves = vectors.astype(np.float16)

    def ask(query: Vectors) -> Sequence[int]:
        found = search(halves, query.astype(np.float16), K, MetricKind.IP, exact=True, threads=0)
        return [int(key) for key in found.keys]

    return Peer(ask)


def faiss_flat(vectors: Vectors, colours: Sequence[str], folder: Path) -> Peer:  # noqa: ARG001
    """Scan float32 rows with faiss's IndexFlatIP."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return Peer(lambda query: [int(at) for at in index.search(query[None], K)[1][0]])


def lancedb_exact(vectors: Vectors, colours: Sequence[str], folder: Path) -> Peer:
    """Scan a LanceDB table that has no vector index; it reads from disk, as it always does."""
    import lancedb
    import pyarrow as pa

    rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    columns = {"number": pa.array(range(len(vectors))), "colour": pa.array(colours), "vector": rows}
    table = lancedb.connect(folder / "lancedb").create_table("products", pa.table(columns))

    def ask(query: Vectors, colour: str | None = None) -> Sequence[int]:
        search: Any = table.search(query, vector_column_name="vector")
        search = search.distance_type("dot").select(["number", "_distance"])
        if colour is not None:
            search = search.where(f"colour = '{colour}'", prefilter=True)
        found: Sequence[int] = search.limit(K).to_arrow()["number"].to_pylist()
        return found

    return Peer(ask, ask)


PEERS: dict[str, Callable[[Vectors, Sequence[str], Path], Peer]] = {
    "usearch_exact_float16": usearch_exact,
    "faiss_flat_ip_float32": faiss_flat,
    "lancedb_exact": lancedb_exact,
}


def load_peers(vectors: Vectors, colours: Sequence[str], folder: Path) -> dict[str, Peer | None]:
    """Return every peer n products by their vectors and colours; None for one that is not installed."""
    loaded: dict[str, Peer | None] = {}
    for name, load in PEERS.items():
        try:
            loaded[name] = load(vectors, colours, folder)
        except ImportError:
            loaded[name] = None
    return loaded
