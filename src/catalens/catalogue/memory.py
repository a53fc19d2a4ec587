"""An index in memory: brute force over plain arrays.

For a folder that is searched once, and the reference for the embedded index in the contract
tests: apart from the keyword table and rank fusion, it shares no code with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from catalens.catalogue import keywords
from catalens.catalogue.records import check_batch, check_k, check_queries, check_vectors, words_of
from catalens.core.errors import InputError
from catalens.core.filters import Filter, matches
from catalens.core.protocols import Capabilities
from catalens.core.types import Hit, Record, Scores, Vectors
from catalens.core.vectors import unit_rows


@dataclass(frozen=True, slots=True)
class _Entry:
    record: Record
    vector: NDArray[np.float16]
    digest: str | None


class MemoryIndex:
    """A `LocalIndex` that lasts as long as the object; for one thread."""

    def __init__(self, encoder_name: str, dim: int) -> None:
        self.encoder_name = encoder_name
        self.dim = dim
        self._entries: dict[str, _Entry] = {}

    @property
    def notices(self) -> Sequence[str]:
        """Return nothing."""
        return ()

    @property
    def capabilities(self) -> Capabilities:
        """Everything that this process can do."""
        return Capabilities(exact=True, all_scores=True, writable=True)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None) -> None:
        """Store records, replacing those with the same ids."""
        rows = check_batch(records, vectors, hashes, self.dim).astype(np.float16)
        for record, row, digest in zip(records, rows, hashes or [None] * len(records), strict=True):
            self._entries.pop(record.id, None)  # a replaced record comes last, as in the embedded index
            self._entries[record.id] = _Entry(record, row, digest)

    def remove(self, ids: Sequence[str]) -> int:
        """Delete records and return how many there were; unknown ids are not an error."""
        return sum(self._entries.pop(one, None) is not None for one in ids)

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return one record per id, in order; None where there is none."""
        return [self._entries[one].record if one in self._entries else None for one in ids]

    def hashes(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        """Return the stored hashes of some ids, or of all; records without one are left out."""
        wanted = self._entries if ids is None else [one for one in ids if one in self._entries]
        return {one: digest for one in wanted if (digest := self._entries[one].digest) is not None}

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return (n, dim) vectors of n ids, in order.

        Raises:
            InputError: an id that is not there.
        """
        missing = next((one for one in ids if one not in self._entries), None)
        if missing is not None:
            raise InputError(f"the index holds no record {missing!r}")
        return unit_rows(self._matrix([self._entries[one] for one in ids]))

    def records(self) -> Iterator[Record]:
        """Return every record in the order in which they were last added."""
        return iter([entry.record for entry in self._entries.values()])

    def query(
        self, vectors: Vectors, k: int, where: Filter | None = None, min_score: float | None = None
    ) -> list[list[Hit]]:
        """Return, for each of (m, dim) vectors, at most k hits, best first; equal scores in the order of `records`."""
        k = check_k(k)
        passed = self._passed(where)
        found = []
        for query in check_queries(vectors, self.dim):
            scores = self._cosines(passed, query).tolist()
            hits = [
                Hit(entry.record, score)
                for entry, score in zip(passed, scores, strict=True)
                if min_score is None or score >= np.float32(min_score)
            ]
            found.append(sorted(hits, key=lambda hit: -hit.score)[:k])
        return found

    def scores(self, vector: Vectors) -> Scores:
        """Return (n,) cosines of a (dim,) vector with every record, in the order of `records`."""
        return self._cosines(self._passed(None), check_vectors(vector, (self.dim,)))

    def keyword(self, text: str, k: int, where: Filter | None = None, *, without: Sequence[str] = ()) -> list[Record]:
        """Return at most k records with any of the words, best (BM25) first; see `Index.keyword` for `without`."""
        k = check_k(k)
        entries = list(self._entries.values())
        table = sqlite3.connect(":memory:")
        try:
            keywords.create(table)
            for row, entry in enumerate(entries):
                keywords.put(table, row, words_of(entry.record))
            found = (entries[row].record for row in keywords.find(table, text, without=without))
            passed = (record for record in found if where is None or matches(where, record.fields))
            return list(islice(passed, k))
        finally:
            table.close()

    def close(self) -> None:
        """Drop every record."""
        self._entries.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _passed(self, where: Filter | None) -> list[_Entry]:
        entries = self._entries.values()
        return [entry for entry in entries if where is None or matches(where, entry.record.fields)]

    def _matrix(self, entries: Sequence[_Entry]) -> NDArray[np.float16]:
        return np.array([entry.vector for entry in entries], dtype=np.float16).reshape(-1, self.dim)

    def _cosines(self, entries: Sequence[_Entry], query: Vectors) -> Scores:
        products = self._matrix(entries).astype(np.float64) @ query.astype(np.float64)
        return np.round(np.clip(products, -1, 1), 6).astype(np.float32)
