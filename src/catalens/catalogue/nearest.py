"""The nearest rows of a catalogue's file: by an exact scan, or by the graph where there is one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from catalens.catalogue import hnsw, scan, snapshots, tables
from catalens.catalogue.fields import Fields, passing
from catalens.catalogue.scan import HalfVectors, Positions, Rows
from catalens.catalogue.snapshots import Snapshot
from catalens.catalogue.storage import State
from catalens.core.errors import CatalogueError
from catalens.core.filters import Filter
from catalens.core.types import Vectors

_SPARE_CANDIDATES = 64  # for rows that the graph holds and the database no longer does
_MAX_EXACT_TAIL = 10_000  # rows newer than the graph; reading that many takes as long as a scan of all
_MAX_SCORES = 32_000_000  # held at once while a batch of queries is answered

Ranked: TypeAlias = tuple[Sequence[int], Sequence[float]]
"""Row numbers and their scores, best first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A batch of queries.

    Attributes:
        queries: (m, dim), unit rows.
        k: rows wanted for each.
        where: the rows that may be found at all.
        min_score: lowest cosine.
    """

    queries: Vectors
    k: int
    where: Filter | None
    min_score: float | None


class NearestRows:
    """What an open catalogue keeps in memory for searching: its vectors, and its graph where there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._snapshot: Snapshot | None = None
        self._graph: hnsw.Graph | None = None
        self._fields: Fields | None = None
        self._refused: str | None = None
        self.notices: list[str] = []

    def snapshot(self, connection: sqlite3.Connection, state: State) -> Snapshot:
        """Return all vectors as the current transaction sees them."""
        self._snapshot = snapshots.current(connection, state, self._snapshot)
        return self._snapshot

    def passing(self, connection: sqlite3.Connection, state: State, where: Filter) -> Rows:
        """Return the row numbers of the records that pass a filter, rising."""
        rows, self._fields = passing(connection, state, where, self._fields)
        return rows

    def nearest(self, connection: sqlite3.Connection, state: State, asked: Asked) -> list[Ranked]:
        """Rank the rows for each query."""
        graph = self._current_graph(state) if asked.where is None else None
        if graph is None or _tail(state, graph) > _MAX_EXACT_TAIL:
            return self._scan(connection, state, asked)
        found: list[Ranked] = []
        for query in asked.queries:
            one = Asked(query[None], asked.k, None, asked.min_score)
            found.append(_near(connection, graph, one) or self._scan(connection, state, one)[0])
        return found

    def _current_graph(self, state: State) -> hnsw.Graph | None:
        """Open the graph; one that cannot be used is noticed once, and queries are exact until it is built anew."""
        if state.hnsw is not None and state.hnsw == self._refused:
            return None
        try:
            self._graph = hnsw.open_graph(self._path, state, self._graph)
        except CatalogueError as reason:
            self._graph, self._refused = None, state.hnsw
            self.notices.append(
                f"the graph of {self._path} is not used: {reason}; searches are exact. "
                f"Build it again with: catalens index graph {self._path}"
            )
        return self._graph

    def _scan(self, connection: sqlite3.Connection, state: State, asked: Asked) -> list[Ranked]:
        held = self.snapshot(connection, state)
        if asked.where is None:
            return _scanned(held.rows, held.vectors, None, asked)
        at = np.searchsorted(held.rows, self.passing(connection, state, asked.where))
        if len(at) < len(held.rows) // 4:  # copying rows costs some four times their scan
            return _scanned(held.rows[at], held.vectors[at], None, asked)
        return _scanned(held.rows, held.vectors, at, asked)


def _scanned(rows: Rows, vectors: HalfVectors, at: Positions | None, asked: Asked) -> list[Ranked]:
    """Rank the rows at some positions, or all."""
    block = max(1, _MAX_SCORES // max(1, len(rows)))
    return [
        (rows[positions].tolist(), scores.tolist())
        for start in range(0, len(asked.queries), block)
        for positions, scores in scan.nearest(
            vectors, asked.queries[start : start + block], asked.k, asked.min_score, at
        )
    ]


def _tail(state: State, graph: hnsw.Graph) -> int:
    """Return how many row numbers were given out after the graph was built."""
    return state.next_row - graph.side.next_row


def _near(connection: sqlite3.Connection, graph: hnsw.Graph, asked: Asked) -> Ranked | None:
    """Rank the graph's candidates and every row that was added later; None: only a scan can answer."""
    (query,) = asked.queries
    near = graph.nearest(query, asked.k + _SPARE_CANDIDATES)
    dim = len(query)
    rows, vectors = tables.vectors_of(connection, near.tolist(), dim)
    tail, tail_vectors = tables.vectors_from(connection, graph.side.next_row, dim)
    if len(rows) + len(tail) < min(asked.k, tables.count(connection)):
        return None  # too many of the candidates are gone
    (found,) = _scanned(np.concatenate([rows, tail]), np.concatenate([vectors, tail_vectors]), None, asked)
    return found
