"""What is written to and read from the tables, inside a transaction that the caller holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Container, Iterable, Mapping, Sequence

import numpy as np

from catalens.catalogue import keywords
from catalens.catalogue.checksums import record_checksum, vector_checksums
from catalens.catalogue.records import UNIT_TOLERANCE, fields_from_json, fields_to_json, words_of
from catalens.catalogue.scan import HalfVectors, Rows
from catalens.catalogue.storage import SCHEMA_VERSION, DamageError
from catalens.core.errors import CatalogueError, InputError
from catalens.core.types import Record, Vectors
from catalens.core.vectors import batched

_FETCH_ROWS = 4096

_RECORD = "row, id, source, fields, hash, checksum"

# A list is one parameter, so that its length is not limited.
_LISTED = "(SELECT value FROM json_each(?))"


def insert(
    connection: sqlite3.Connection, first_row: int, items: Sequence[tuple[Record, str | None]], vectors: Vectors
) -> None:
    """Store n records and hashes with their (n, dim) vectors under new row numbers."""
    rows = np.arange(first_row, first_row + len(items))
    halves = vectors.astype("<f2")
    checksums = vector_checksums(rows, halves).tolist()
    for row, (record, digest), half, checksum in zip(rows.tolist(), items, halves, checksums, strict=True):
        columns = (record.id, record.source, fields_to_json(record.fields), digest)
        connection.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", (row, *columns, record_checksum(row, *columns))
        )
        connection.execute("INSERT INTO vector VALUES (?, ?, ?)", (row, half.tobytes(), checksum))
        keywords.put(connection, row, words_of(record))


def delete(connection: sqlite3.Connection, ids: Iterable[str]) -> int:
    """Delete what there is of these ids and return how many there were."""
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


def records_of(connection: sqlite3.Connection, rows: Collection[int]) -> dict[int, Record]:
    """Return the records of row numbers.

    Raises:
        DamageError: there is none under one of them, or it is not as it was written.
    """
    sql = f"SELECT {_RECORD} FROM record WHERE row IN {_LISTED}"
    found = {columns[0]: record_from(*columns) for columns in connection.execute(sql, (json.dumps(list(rows)),))}
    missing = next((row for row in rows if row not in found), None)
    if missing is not None:
        raise DamageError(f"row {missing} is found by searching, but has no record")
    return found


def record_page(connection: sqlite3.Connection, after_row: int, size: int) -> list[tuple[int, Record]]:
    """Return the next records above a row number, in row order."""
    sql = f"SELECT {_RECORD} FROM record WHERE row > ? ORDER BY row LIMIT ?"
    return [(columns[0], record_from(*columns)) for columns in connection.execute(sql, (after_row, size))]


def record_from(row: int, record_id: str, source: str, fields: str, digest: str | None, checksum: int | None) -> Record:
    """Make a record of the columns of a row.

    Raises:
        DamageError: they are not what was written.
    """
    texts = (record_id, source, fields)
    if not all(isinstance(each, str) for each in texts) or not isinstance(digest, str | None):
        raise DamageError(f"record {record_id!r:.200} holds something else than text")
    if checksum is not None and checksum != record_checksum(row, record_id, source, fields, digest):
        raise DamageError(f"record {record_id!r:.200} is not as it was written")
    try:
        return Record(record_id, source, fields_from_json(fields))
    except (ValueError, LookupError, AttributeError, RecursionError) as error:
        raise DamageError(f"the fields of record {record_id!r:.200} cannot be read") from error


def hashes_of(connection: sqlite3.Connection, ids: Sequence[str] | None) -> dict[str, str]:
    """Return the hashes of some ids, or of all, where they are known."""
    if ids is None:
        return dict(connection.execute("SELECT id, hash FROM record WHERE hash IS NOT NULL ORDER BY row"))
    sql = f"SELECT id, hash FROM record WHERE hash IS NOT NULL AND id IN {_LISTED}"
    return dict(connection.execute(sql, (json.dumps(ids),)))


def vectors_of(connection: sqlite3.Connection, rows: Sequence[int], dim: int) -> tuple[Rows, HalfVectors]:
    """Return rows (n,), rising, and vectors (n, dim) of the row numbers that are there."""
    sql = f"SELECT row, vector, checksum FROM vector WHERE row IN {_LISTED} ORDER BY row"
    return _stacked(connection, connection.execute(sql, (json.dumps(rows),)), len(rows), dim)


def vectors_from(connection: sqlite3.Connection, first_row: int, dim: int) -> tuple[Rows, HalfVectors]:
    """Return rows (n,), rising, and vectors (n, dim) of every row from a number on."""
    (n,) = connection.execute("SELECT count(*) FROM vector WHERE row >= ?", (first_row,)).fetchone()
    sql = "SELECT row, vector, checksum FROM vector WHERE row >= ? ORDER BY row"
    return _stacked(connection, connection.execute(sql, (first_row,)), n, dim)


def ids_without(connection: sqlite3.Connection, known: Container[str]) -> list[str]:
    """Return the ids of the records that are not among some."""
    return [one for (one,) in connection.execute("SELECT id FROM record") if one not in known]


def replace_vectors(connection: sqlite3.Connection, vectors: Mapping[str, bytes]) -> None:
    """Store the vector of every id in its record.

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
    for block in batched(rows, _FETCH_ROWS):
        numbers = np.array([row for row, _ in block])
        blobs = [vectors[one] for _, one in block]
        halves = np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(block), -1)
        changes = zip(blobs, vector_checksums(numbers, halves).tolist(), numbers.tolist(), strict=True)
        connection.executemany("UPDATE vector SET vector = ?, checksum = ? WHERE row = ?", changes)


def known_rows(connection: sqlite3.Connection, ids: Sequence[str]) -> list[int]:
    """Return one row number per id, in order.

    Raises:
        InputError: an id that is not there.
        DamageError: it is there, and SQLite's index of ids does not know it.
    """
    found = rows_of(connection, ids)
    missing = next((one for one in ids if one not in found), None)
    if missing is not None:
        if connection.execute("SELECT 1 FROM record NOT INDEXED WHERE id = ?", (missing,)).fetchone():
            raise DamageError(f"record {missing!r:.200} cannot be found by its id")
        raise InputError(f"the index holds no record {missing!r}")
    return [found[one] for one in ids]


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring the tables of version 1 to this version, inside a write: checksums of what is there, and a count."""
    for view in ("state", "record", "vector"):
        connection.execute(f"DROP VIEW IF EXISTS temp.{view}")
    if connection.execute("PRAGMA user_version").fetchone()[0] >= SCHEMA_VERSION:
        return  # another process was quicker
    connection.execute("ALTER TABLE state ADD COLUMN records INTEGER")
    connection.execute("ALTER TABLE record ADD COLUMN checksum INTEGER")
    connection.execute("ALTER TABLE vector ADD COLUMN checksum INTEGER")
    (dim,) = connection.execute("SELECT dim FROM state").fetchone()
    rows, vectors = vectors_from(connection, 0, dim)
    sums = zip(vector_checksums(rows, vectors).tolist(), rows.tolist(), strict=True)
    connection.executemany("UPDATE vector SET checksum = ? WHERE row = ?", sums)
    records = connection.execute("SELECT row, id, source, fields, hash FROM record").fetchall()
    found = ((record_checksum(row, *columns), row) for row, *columns in records)
    connection.executemany("UPDATE record SET checksum = ? WHERE row = ?", found)
    connection.execute("UPDATE state SET records = ?", (len(records),))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _stacked(
    connection: sqlite3.Connection, cursor: sqlite3.Cursor, at_most: int, dim: int
) -> tuple[Rows, HalfVectors]:
    """Gather (row, blob, checksum) in blocks, never one array per row, and check them.

    Raises:
        DamageError: a vector is not what was written, or is none.
    """
    rows = np.empty(at_most, dtype=np.int64)
    vectors = np.empty((at_most, dim), dtype=np.float16)
    n = 0
    while block := cursor.fetchmany(_FETCH_ROWS):
        end = n + len(block)
        rows[n:end] = [row for row, _, _ in block]
        blobs = [blob for _, blob, _ in block]
        if not all(isinstance(blob, bytes) and len(blob) == 2 * dim for blob in blobs):
            wrong = next(row for row, blob, _ in block if not isinstance(blob, bytes) or len(blob) != 2 * dim)
            raise DamageError(f"the vector of record {_id_of(connection, wrong)} is not {2 * dim} bytes long")
        vectors[n:end] = np.frombuffer(b"".join(blobs), dtype="<f2").reshape(-1, dim)
        bad = _first_wrong(rows[n:end], vectors[n:end], [checksum for _, _, checksum in block])
        if bad is not None:
            raise DamageError(f"the vector of record {_id_of(connection, int(rows[n + bad]))} is not as it was written")
        n = end
    return rows[:n], vectors[:n]


def _first_wrong(rows: Rows, vectors: HalfVectors, checksums: Sequence[int | None]) -> int | None:
    """Return the place of the first vector that fails its checksum or, where none is known, is not a unit vector."""
    if None in checksums:
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
            wrong = ~(np.abs(lengths - 1) < UNIT_TOLERANCE)
    else:
        wrong = vector_checksums(rows, vectors) != np.array(checksums, dtype=np.int64)
    return int(np.argmax(wrong)) if wrong.any() else None


def _id_of(connection: sqlite3.Connection, row: int) -> str:
    found = connection.execute("SELECT id FROM record WHERE row = ?", (row,)).fetchone()
    return f"{found[0]!r:.200}" if found else f"in row {row}, which is gone too,"
