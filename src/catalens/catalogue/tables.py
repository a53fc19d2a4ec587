"""What is written to and read from the tables, inside a transaction that the caller holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from catalens.catalogue import keywords
from catalens.catalogue.records import fields_from_json, fields_to_json, words_of
from catalens.catalogue.scan import HalfVectors, Rows
from catalens.core.errors import CatalogueError, InputError
from catalens.core.types import Record, Vectors

_FETCH_ROWS = 4096

# A list is one parameter, so that its length is not limited.
_LISTED = "(SELECT value FROM json_each(?))"


def insert(connection: sqlite3.Connection, first_row: int, items: Iterable[tuple[Record, Vectors, str | None]]) -> int:
    """Store records with their (dim,) vectors and hashes under new row numbers; gives how many."""
    n = 0
    for n, (record, vector, digest) in enumerate(items, start=1):
        row = first_row + n - 1
        connection.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
            (row, record.id, record.source, fields_to_json(record.fields), digest),
        )
        connection.execute("INSERT INTO vector VALUES (?, ?)", (row, vector.astype("<f2").tobytes()))
        keywords.put(connection, row, words_of(record))
    return n


def delete(connection: sqlite3.Connection, ids: Iterable[str]) -> int:
    """Delete what there is of these ids; gives the number."""
    rows = [(row,) for row in rows_of(connection, list(ids)).values()]
    for statement in ("DELETE FROM words WHERE rowid = ?", "DELETE FROM vector WHERE row = ?",
                      "DELETE FROM record WHERE row = ?"):  # fmt: skip
        connection.executemany(statement, rows)
    return len(rows)


def count(connection: sqlite3.Connection) -> int:
    """Return the number of records."""
    return int(connection.execute("SELECT count(*) FROM record").fetchone()[0])


def rows_of(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, int]:
    """Return the row number of each id that is there."""
    found: dict[str, int] = dict(
        connection.execute(f"SELECT id, row FROM record WHERE id IN {_LISTED}", (json.dumps(ids),))
    )
    asked = set(ids)  # SQLite's JSON stops at a NUL, and so could take one id for another
    return {one: row for one, row in found.items() if one in asked}


def records_of(connection: sqlite3.Connection, rows: Iterable[int]) -> dict[int, Record]:
    """Return the records of row numbers that are there."""
    sql = f"SELECT row, id, source, fields FROM record WHERE row IN {_LISTED}"
    return {row: _record(*columns) for row, *columns in connection.execute(sql, (json.dumps(list(rows)),))}


def record_page(connection: sqlite3.Connection, after_row: int, size: int) -> list[tuple[int, Record]]:
    """Return the next records above a row number, in row order."""
    sql = "SELECT row, id, source, fields FROM record WHERE row > ? ORDER BY row LIMIT ?"
    return [(row, _record(*columns)) for row, *columns in connection.execute(sql, (after_row, size))]


def hashes_of(connection: sqlite3.Connection, ids: Sequence[str] | None) -> dict[str, str]:
    """Return the hashes of some ids, or of all, where they are known."""
    if ids is None:
        return dict(connection.execute("SELECT id, hash FROM record WHERE hash IS NOT NULL ORDER BY row"))
    sql = f"SELECT id, hash FROM record WHERE hash IS NOT NULL AND id IN {_LISTED}"
    return dict(connection.execute(sql, (json.dumps(ids),)))


def vectors_of(connection: sqlite3.Connection, rows: Sequence[int], dim: int) -> tuple[Rows, HalfVectors]:
    """Return rows (n,), rising, and vectors (n, dim) of the row numbers that are there."""
    sql = f"SELECT row, vector FROM vector WHERE row IN {_LISTED} ORDER BY row"
    return _stacked(connection.execute(sql, (json.dumps(rows),)), len(rows), dim)


def vectors_from(connection: sqlite3.Connection, first_row: int, dim: int) -> tuple[Rows, HalfVectors]:
    """Return rows (n,), rising, and vectors (n, dim) of every row from a number on."""
    (n,) = connection.execute("SELECT count(*) FROM record WHERE row >= ?", (first_row,)).fetchone()
    sql = "SELECT row, vector FROM vector WHERE row >= ? ORDER BY row"
    return _stacked(connection.execute(sql, (first_row,)), n, dim)


def replace_vectors(connection: sqlite3.Connection, vectors: Mapping[str, bytes]) -> None:
    """Return every record the vector that stands under its id.

    Raises:
        CatalogueError: a record has none.
    """
    rows: list[tuple[int, str]] = connection.execute("SELECT row, id FROM record ORDER BY row").fetchall()
    missing = [one for _, one in rows if one not in vectors]
    if missing:
        raise CatalogueError(
            f"the old vectors stay: {len(missing)} records have no new one, the first of them {missing[0]!r}; "
            "encode them too, or remove them"
        )
    connection.executemany("UPDATE vector SET vector = ? WHERE row = ?", ((vectors[one], row) for row, one in rows))


def known_rows(connection: sqlite3.Connection, ids: Sequence[str]) -> list[int]:
    """Return one row number per id, in order.

    Raises:
        InputError: an id that is not there.
    """
    found = rows_of(connection, ids)
    missing = next((one for one in ids if one not in found), None)
    if missing is not None:
        raise InputError(f"the index holds no record {missing!r}")
    return [found[one] for one in ids]


def _record(record_id: str, source: str, fields: str) -> Record:
    return Record(record_id, source, fields_from_json(fields))


def _stacked(cursor: sqlite3.Cursor, at_most: int, dim: int) -> tuple[Rows, HalfVectors]:
    """Gather (row, blob) pairs in blocks, never one array per row."""
    rows = np.empty(at_most, dtype=np.int64)
    vectors = np.empty((at_most, dim), dtype=np.float16)
    n = 0
    for block in _blocks(cursor):
        end = n + len(block)
        rows[n:end] = [row for row, _ in block]
        vectors[n:end] = np.frombuffer(b"".join([blob for _, blob in block]), dtype="<f2").reshape(-1, dim)
        n = end
    return rows[:n], vectors[:n]


def _blocks(cursor: sqlite3.Cursor) -> Iterator[list[tuple[int, bytes]]]:
    while block := cursor.fetchmany(_FETCH_ROWS):
        yield block
