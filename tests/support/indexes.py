"""Small vectors for the tests of indexes, and one query as a batch of one."""

from __future__ import annotations

import numpy as np

from catalens.core.filters import Filter
from catalens.core.protocols import Index
from catalens.core.types import Hit, Record, Vectors
from catalens.core.vectors import unit_rows

DIM = 16


def vectors_of(n: int, seed: int = 0) -> Vectors:
    """Return n random unit rows."""
    return unit_rows(np.random.default_rng(seed).standard_normal((n, DIM)))


def ask(
    index: Index, vector: Vectors, k: int, where: Filter | None = None, min_score: float | None = None
) -> list[Hit]:
    """Query with one (dim,) vector."""
    (hits,) = index.query(vector[None], k, where, min_score)
    return hits


def name_of(uri: str) -> str:
    """Return the name of the index in an address."""
    return uri.partition("?")[0].rpartition("/")[2]


def titled(n: int) -> list[Record]:
    """Return n records with a title."""
    return [Record(f"r{at}", "", {"title": f"Item {at}"}) for at in range(n)]
