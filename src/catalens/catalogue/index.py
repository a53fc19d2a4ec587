"""The embedded index: one SQLite file that keeps records, vectors and words, searched in the process."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from catalens.catalogue import hnsw, keywords, storage, tables
from catalens.catalogue.encoder_mismatch import check_encoder
from catalens.catalogue.nearest import Asked, NearestRows
from catalens.catalogue.records import check_batch, check_k, check_queries, check_vectors
from catalens.catalogue.scan import cosines
from catalens.catalogue.storage import State, errors_named
from catalens.core.errors import CatalogueError
from catalens.core.filters import Filter
from catalens.core.protocols import Capabilities
from catalens.core.types import Hit, Record, Scores, Vectors
from catalens.core.vectors import unit_rows

_PAGE = 1000


class EmbeddedIndex:
    """A catalogue in one file; use it as a context manager, or `close` it.

    Writes are durable when the method returns. Many processes may read while one writes; a second
    writer waits, then fails. One object may be shared by threads, which take turns.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, state: State, *, read_only: bool) -> None:
        """Use `EmbeddedIndex.open`."""
        self.path = path
        self._connection = connection
        self._encoder = (state.encoder, state.dim)
        self._read_only = read_only
        self._identity = storage.identity_of(path)
        self._lock = threading.RLock()
        self._search = NearestRows(path)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        encoder_name: str | None = None,
        dim: int | None = None,
        read_only: bool = False,
        wait_s: float = 10.0,
    ) -> Self:
        """Open a catalogue; create it if it does not exist and both encoder and width are given.

        Args:
            path: the file.
            encoder_name: refuse a catalogue filled by another encoder.
            dim: refuse a catalogue with another vector width.
            read_only: open without write access; works on read-only media.
            wait_s: seconds to wait for another writer.

        Raises:
            CatalogueError: the file cannot be used, or was filled by another encoder.
        """
        path = Path(path)
        made_by = (encoder_name, dim) if encoder_name is not None and dim is not None and not read_only else None
        connection = storage.open_file(path, read_only=read_only, may_create=made_by is not None, wait_s=wait_s)
        try:
            with errors_named(path):
                state = storage.check_file(connection, path, made_by)
            check_encoder(path, filled_by=state.encoder, width=state.dim, encoder_name=encoder_name, dim=dim)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, state, read_only=read_only)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
            self._search = NearestRows(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def encoder_name(self) -> str:
        """The encoder that made the vectors."""
        return self._encoder[0]

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._encoder[1]

    @property
    def notices(self) -> Sequence[str]:
        """Warnings as sentences, such as that the graph cannot be used."""
        return tuple(self._search.notices)

    @property
    def capabilities(self) -> Capabilities:
        """Everything but writing, where the file is open for reading only; inexact once a graph was built."""
        with self._reading() as state:
            graph = state.hnsw is not None
        return Capabilities(exact=not graph, all_scores=True, writable=not self._read_only)

    def __len__(self) -> int:
        with self._reading():
            return tables.count(self._connection)

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None) -> None:
        """Store records, replacing those with the same ids: all of them, or, if this raises, none.

        Args:
            records: n records; of records with the same id the last one counts.
            vectors: (n, dim), from the index's encoder.
            hashes: n content hashes of the pictures, where known.

        Raises:
            InputError: a record that cannot be stored.
            CatalogueError: wrong shape, another writer, or the disk.
        """
        array = check_batch(records, vectors, hashes, self.dim)
        digests = hashes or [None] * len(records)
        last = {record.id: at for at, record in enumerate(records)}
        with self._writing() as state:
            replaced = tables.delete(self._connection, last)
            kept = sorted(last.values())
            tables.insert(self._connection, state.next_row, [(records[at], digests[at]) for at in kept], array[kept])
            self._connection.execute(
                "UPDATE state SET next_row = next_row + ?1, removed = removed + ?2, records = records + ?1 - ?2",
                (len(kept), replaced),
            )

    def remove(self, ids: Sequence[str]) -> int:
        """Delete records and return how many there were; unknown ids are not an error."""
        with self._writing():
            removed = tables.delete(self._connection, ids)
            self._connection.execute("UPDATE state SET removed = removed + ?1, records = records - ?1", (removed,))
            return removed

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return one record per id, in order; None where there is none."""
        with self._reading():
            rows = tables.rows_of(self._connection, ids)
            found = tables.records_of(self._connection, rows.values())
        return [found[rows[one]] if one in rows else None for one in ids]

    def hashes(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        """Return the stored hashes of some ids, or of all; records without one are left out."""
        with self._reading():
            return tables.hashes_of(self._connection, ids)

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return (n, dim) vectors of n ids, in order.

        Raises:
            InputError: an id that is not there.
        """
        with self._reading():
            wanted = tables.known_rows(self._connection, ids)
            rows, vectors = tables.vectors_of(self._connection, wanted, self.dim)
        return unit_rows(vectors[np.searchsorted(rows, wanted)])

    def records(self) -> Iterator[Record]:
        """Return every record, lazily, in the order in which they were last added."""
        row = 0
        while True:
            with self._reading():
                page = tables.record_page(self._connection, row, _PAGE)
            if not page:
                return
            yield from (record for _, record in page)
            row = page[-1][0]

    def query(
        self, vectors: Vectors, k: int, where: Filter | None = None, min_score: float | None = None
    ) -> list[list[Hit]]:
        """Return, for each of (m, dim) vectors, the k nearest records, best first; equal scores in `records` order.

        Exact, unless a graph was built (see `build_graph`) and no filter is given. A batch is answered in one scan.

        Args:
            vectors: (m, dim), unit rows, from the index's encoder.
            k: results per vector; fewer are returned where fewer pass.
            where: applied before k.
            min_score: lowest cosine.

        Raises:
            InputError: k is less than 1.
            CatalogueError: vectors of another shape, or the file cannot be read.
        """
        k = check_k(k)
        queries = check_queries(vectors, self.dim)
        with self._reading() as state:
            asked = Asked(queries, k, where, min_score)
            found = self._search.nearest(self._connection, state, asked)
            records = tables.records_of(self._connection, {row for rows, _ in found for row in rows})
        return [[Hit(records[row], score) for row, score in zip(*each, strict=True)] for each in found]

    def scores(self, vector: Vectors) -> Scores:
        """Return (n,) cosines of a (dim,) vector with every record, in the order of `records`."""
        query = check_vectors(vector, (self.dim,))
        with self._reading() as state:
            (found,) = cosines(self._search.snapshot(self._connection, state).vectors, query[None])
        return np.asarray(found)

    def keyword(self, text: str, k: int, where: Filter | None = None, *, without: Sequence[str] = ()) -> list[Record]:
        """Return at most k records with any of the words, best (BM25) first; see `Index.keyword` for `without`."""
        k = check_k(k)
        with self._reading() as state:
            found = keywords.find(self._connection, text, without=without)
            if where is not None:
                allowed = set(self._search.passing(self._connection, state, where).tolist())
                found = (row for row in found if row in allowed)
            rows = list(islice(found, k))
            records = tables.records_of(self._connection, rows)
        return [records[row] for row in rows]

    def reencode(
        self,
        encoder_name: str,
        dim: int,
        blocks: Iterable[tuple[Sequence[str], Vectors]],
        *,
        drop_missing: bool = False,
    ) -> None:
        """Replace every vector and the encoder's name in one step; until then, and on failure, all is as before.

        Other writers wait while blocks are made, so that they add nothing that blocks lack.

        Args:
            encoder_name: the new encoder.
            dim: its width.
            blocks: ids and their (n, dim) vectors, until every record had its turn. They are kept in memory as
                float16 until the end.
            drop_missing: remove records that have no new vector.

        Raises:
            CatalogueError: a record without a new vector, or what `add` raises.
        """
        with self._writing():
            self._replace(encoder_name, dim, _halves(blocks, dim), drop_missing=drop_missing)
        self._encoder = (encoder_name, dim)
        hnsw.delete_others(self.path, None)

    def _replace(self, encoder_name: str, dim: int, fresh: dict[str, bytes], *, drop_missing: bool) -> None:
        removed = tables.delete(self._connection, tables.ids_without(self._connection, fresh)) if drop_missing else 0
        tables.replace_vectors(self._connection, fresh)
        self._connection.execute(
            "UPDATE state SET encoder = ?1, dim = ?2, space = ?3, hnsw = NULL, removed = removed + ?4, "
            "records = records - ?4",
            (encoder_name, dim, secrets.token_hex(8), removed),
        )

    def build_graph(self) -> None:
        """Build the HNSW side file: worthwhile from about half a million records."""
        with self._writing() as state:  # the right to write is asked for before the work
            held = self._search.snapshot(self._connection, state)
        side = hnsw.build(self.path, held.state, held.rows, held.vectors)
        with self._writing():
            self._connection.execute("UPDATE state SET hnsw = ?", (side.to_json(),))
        hnsw.delete_others(self.path, side.name)

    def drop_graph(self) -> None:
        """Delete the side file; queries are exact again."""
        with self._writing():
            self._connection.execute("UPDATE state SET hnsw = NULL")
        hnsw.delete_others(self.path, None)

    @contextmanager
    def _reading(self) -> Iterator[State]:
        with self._lock, errors_named(self.path), storage.reading(self._connection):
            yield self._checked_state()

    @contextmanager
    def _writing(self) -> Iterator[State]:
        if self._read_only:
            raise CatalogueError(f"{self.path} is open for reading only")
        with self._lock, errors_named(self.path):
            self._check_there()
            with storage.writing(self._connection):
                state = self._checked_state()
                if state.records is None:
                    tables.upgrade(self._connection)
                yield state
            self._check_there()

    def _check_there(self) -> None:
        """Notice that the file was deleted or replaced: what is written would vanish with it."""
        if storage.identity_of(self.path) != self._identity:
            raise CatalogueError(
                f"{self.path} was deleted or replaced while it was open, so what was written since is lost; "
                "open it again and add the same source once more"
            )

    def _checked_state(self) -> State:
        state = storage.read_state(self._connection)
        if (state.encoder, state.dim) != self._encoder:
            raise CatalogueError(f"{self.path} was re-encoded meanwhile, with {state.encoder}; open it again")
        return state


def _halves(blocks: Iterable[tuple[Sequence[str], Vectors]], dim: int) -> dict[str, bytes]:
    """Return vectors by id, as they are stored."""
    fresh: dict[str, bytes] = {}
    for ids, vectors in blocks:
        rows = check_vectors(vectors, (len(ids), dim)).astype("<f2")
        fresh.update(zip(ids, (row.tobytes() for row in rows), strict=True))
    return fresh
