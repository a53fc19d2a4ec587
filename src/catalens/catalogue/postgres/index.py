"""A table of PostgreSQL as an `Index`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, LiteralString, Self

import numpy as np

from catalens.catalogue.encoder_mismatch import check_encoder
from catalens.catalogue.postgres import table
from catalens.catalogue.postgres.address import Address, connect, parse_address
from catalens.catalogue.postgres.errors import errors_named
from catalens.catalogue.postgres.filters import compile_filter
from catalens.catalogue.records import (
    check_batch,
    check_k,
    check_queries,
    fields_from_json,
    fields_to_json,
    storable,
)
from catalens.catalogue.scan import rounded
from catalens.core.errors import CatalogueError, InputError
from catalens.core.filters import Filter
from catalens.core.protocols import Capabilities
from catalens.core.types import Hit, Record, Vectors
from catalens.core.vectors import unit_rows

if TYPE_CHECKING:
    from psycopg import Connection

_PAGE = 1000
_MAX_EF_SEARCH = 1000
"""A limit of pgvector; more results than this are found by a scan of the table."""


class PostgresIndex:
    """A catalogue in a table of PostgreSQL; use it as a context manager, or `close` it.

    Each write is one transaction. One object may be shared by threads, which take turns.
    """

    def __init__(self, connection: Connection[Any], address: Address, facts: table.Facts, *, read_only: bool) -> None:
        """Use `PostgresIndex.open`."""
        self.shown = address.shown
        self._connection, self._address, self._facts, self._read_only = connection, address, facts, read_only
        self._lock = threading.RLock()

    @classmethod
    def open(
        cls,
        uri: str,
        *,
        encoder_name: str | None = None,
        dim: int | None = None,
        read_only: bool = False,
        wait_s: float = 10.0,
    ) -> Self:
        """Open a table; create it if it does not exist and both encoder and width are given.

        Args:
            uri: see `parse_address`.
            encoder_name: refuse a table filled by another encoder.
            dim: refuse a table of another width.
            read_only: refuse to write.
            wait_s: seconds to wait for another writer.

        Raises:
            InputError: the address is wrong.
            CatalogueError: the server or the table cannot be used, or another encoder filled it.
        """
        address = parse_address(uri)
        connection = connect(address, read_only=read_only, wait_s=wait_s)
        try:
            with errors_named(address.shown):
                found = table.read(connection, address)
                if found is None:
                    if encoder_name is None or dim is None or read_only:
                        raise CatalogueError(f"there is no table {address.shown} yet; add pictures to make it")
                    table.create(connection, address, table.Facts(encoder_name, dim))
                    found = table.read(connection, address) or table.Facts(encoder_name, dim)
                elif not read_only:  # a process that was loading may have been killed before it built the graph
                    table.create_graph(connection, address, found.dim)
            check_encoder(
                address.shown, filled_by=found.encoder_name, width=found.dim, encoder_name=encoder_name, dim=dim
            )
        except BaseException:
            connection.close()
            raise
        return cls(connection, address, found, read_only=read_only)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def encoder_name(self) -> str:
        """The encoder that made the vectors."""
        return self._facts.encoder_name

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._facts.dim

    @property
    def notices(self) -> Sequence[str]:
        """Return nothing."""
        return ()

    @property
    def capabilities(self) -> Capabilities:
        """Approximate search, with words."""
        return Capabilities(exact=False, all_scores=False, writable=not self._read_only)

    def __len__(self) -> int:
        ((count,),) = self._rows("SELECT count(*) FROM {}", [])
        return int(count)

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None) -> None:
        """Store records, replacing those with the same ids: all of them, or, if this raises, none.

        Raises:
            InputError: a record that cannot be stored.
            CatalogueError: wrong shape, another writer, or the server refuses.
        """
        rows = check_batch(records, vectors, hashes, self.dim)
        digests = hashes or [None] * len(records)
        last = sorted({record.id: at for at, record in enumerate(records)}.values())
        columns: list[list[str | None]] = [[], [], [], [], [], [], [], []]
        for at in last:
            record = records[at]
            values = (record.id, record.source, digests[at], fields_to_json(record.fields), *table.filterable(record))
            for column, value in zip(columns, (*values, table.searchable(record), _halfvec(rows[at])), strict=True):
                column.append(value)
        self._write(
            "INSERT INTO {} (id, source, hash, record, fields, lower, words, vector) "
            "SELECT id, source, hash, record::json, fields::jsonb, lower::jsonb, "
            "to_tsvector('catalens_words', words), vector::halfvec FROM unnest(%s::text[], %s::text[], %s::text[], "
            "%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY "
            "AS given(id, source, hash, record, fields, lower, words, vector, place) ORDER BY place "
            "ON CONFLICT (id) DO UPDATE SET row = excluded.row, source = excluded.source, hash = excluded.hash, "
            "record = excluded.record, fields = excluded.fields, lower = excluded.lower, words = excluded.words, "
            "vector = excluded.vector",
            list(columns),
        )

    def remove(self, ids: Sequence[str]) -> int:
        """Delete records and return how many there were; unknown ids are not an error."""
        return self._write("DELETE FROM {} WHERE id = ANY(%s)", [storable(ids)])

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Return one record per id, in order; None where there is none."""
        rows = self._rows("SELECT id, source, record::text FROM {} WHERE id = ANY(%s)", [storable(ids)])
        found = {row[0]: _record(row) for row in rows}
        return [found.get(one) for one in ids]

    def hashes(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        """Return the stored hashes of some ids, or of all; records without one are left out."""
        some: LiteralString = "" if ids is None else " AND id = ANY(%s)"
        rows = self._rows(
            "SELECT id, hash FROM {} WHERE hash IS NOT NULL" + some, [] if ids is None else [storable(ids)]
        )
        return dict(rows)

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return (n, dim) vectors of n ids, in order.

        Raises:
            InputError: an id that is not there.
        """
        with self._lock, errors_named(self.shown), self._connection.transaction():
            self._check_encoder()
            rows = self._rows("SELECT id, vector::real[] FROM {} WHERE id = ANY(%s)", [storable(ids)])
        found = dict(rows)
        missing = next((one for one in ids if one not in found), None)
        if missing is not None:
            raise InputError(f"the index holds no record {missing!r}")
        return unit_rows(np.array([found[one] for one in ids], dtype=np.float32).reshape(-1, self.dim))

    def records(self) -> Iterator[Record]:
        """Return every record, lazily, in the order in which they were last added."""
        at = 0
        while True:
            page = self._rows(
                "SELECT id, source, record::text, row FROM {} WHERE row > %s ORDER BY row LIMIT %s", [at, _PAGE]
            )
            yield from map(_record, page)
            if len(page) < _PAGE:
                return
            at = page[-1][3]

    def query(
        self, vectors: Vectors, k: int, where: Filter | None = None, min_score: float | None = None
    ) -> list[list[Hit]]:
        """Return, for each of (m, dim) vectors, about the k nearest records, best first.

        Approximate by the HNSW graph, whose scan goes on until k records have passed the filter; exact where that gives
        too few, or k is beyond 1,000.

        Raises:
            InputError: k is less than 1.
            CatalogueError: vectors of another shape, or the server refuses.
        """
        k, queries = check_k(k), check_queries(vectors, self.dim)
        found = []
        for query in queries:
            rows = self._nearest(query, k, where, exactly=False) if k <= _MAX_EF_SEARCH else []
            if len(rows) < k:
                rows = self._nearest(query, k, where, exactly=True)
            scores = rounded(np.array([1 - row[3] for row in rows])).tolist()
            found.append(
                [
                    Hit(_record(row), score)
                    for row, score in zip(rows, scores, strict=True)
                    if min_score is None or score >= np.float32(min_score)
                ]
            )
        return found

    def keyword(self, text: str, k: int, where: Filter | None = None, *, without: Sequence[str] = ()) -> list[Record]:
        """Return at most k records with any of the words, best first; see `Index.keyword` for `without`.

        The rank is PostgreSQL's `ts_rank`, which knows how often a word is in a record but not how rare it is.
        """
        k = check_k(k)
        query = table.tsquery(text, list(without))
        if query is None:
            return []
        condition, values = compile_filter(where) if where is not None else ("true", [])
        rows = self._rows(
            "SELECT id, source, record::text FROM {}, to_tsquery('catalens_words', %s) AS asked "
            f"WHERE words @@ asked AND ({condition}) ORDER BY ts_rank(words, asked, 1) DESC, row LIMIT %s",
            [query, *values, k],
        )
        return list(map(_record, rows))

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Load much at once: the graph is dropped, and built when the block ends.

        If this process is killed meanwhile, the next one that opens the table for writing builds it.
        """
        self._check_writable()
        with self._lock, errors_named(self.shown):
            table.drop_graph(self._connection, self._address)
        try:
            yield
        finally:
            with self._lock, errors_named(self.shown):
                table.create_graph(self._connection, self._address, self.dim)

    def _nearest(self, query: Vectors, k: int, where: Filter | None, *, exactly: bool) -> list[Any]:
        condition, values = compile_filter(where) if where is not None else ("true", [])
        with self._lock, errors_named(self.shown), self._connection.transaction():
            self._check_encoder()
            settings = {"enable_indexscan": "off" if exactly else "on"}
            if not exactly:
                settings["hnsw.ef_search"] = str(min(max(k, self._address.ef_search), _MAX_EF_SEARCH))
            for name, value in settings.items():
                self._connection.execute("SELECT set_config(%s, %s, true)", (name, value))
            return self._rows(
                "SELECT id, source, record::text, vector <=> %s::halfvec AS distance FROM {} "
                f"WHERE {condition} ORDER BY distance LIMIT %s",
                [_halfvec(query), *values, k],
            )

    def _rows(self, query: LiteralString, values: Sequence[object]) -> list[Any]:
        from psycopg import sql

        composed = sql.SQL(query).format(sql.Identifier(self._address.table))
        with self._lock, errors_named(self.shown):
            return self._connection.execute(composed, values).fetchall()

    def _write(self, query: LiteralString, values: Sequence[object]) -> int:
        from psycopg import sql

        self._check_writable()
        name = sql.Identifier(self._address.table)
        with self._lock, errors_named(self.shown), self._connection.transaction():
            # Waits for a swap of tables, which this name may lead to another one after.
            self._connection.execute(sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(name))
            self._check_encoder()
            return self._connection.execute(sql.SQL(query).format(name), values).rowcount

    def _check_encoder(self) -> None:
        """Notice that the table was replaced: vectors of another encoder mean nothing to it."""
        found = table.read(self._connection, self._address)
        if found is not None and found != self._facts:
            raise CatalogueError(f"{self.shown} was re-encoded meanwhile, with {found.encoder_name}; open it again")

    def _check_writable(self) -> None:
        if self._read_only:
            raise CatalogueError(f"{self.shown} is open for reading only")


def _record(row: Sequence[Any]) -> Record:
    return Record(row[0], row[1], fields_from_json(row[2]))


def _halfvec(vector: Vectors) -> str:
    return "[" + ",".join(map(repr, np.round(vector.astype(np.float64), 6).tolist())) + "]"
