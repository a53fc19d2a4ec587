"""The vectors of a catalogue in memory, kept up with its file.

100,000 vectors of 256 load in about 0.1 s and take 51 MB; a refresh fetches only what is new.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import numpy as np

from catalens.catalogue.scan import HalfVectors, Rows
from catalens.catalogue.storage import DamageError, State
from catalens.catalogue.tables import vectors_from


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All vectors at one moment.

    Attributes:
        state: the counters of that moment.
        rows: (n,) row numbers, rising.
        vectors: (n, dim) float16, in the order of rows.
    """

    state: State
    rows: Rows
    vectors: HalfVectors


def current(connection: sqlite3.Connection, state: State, old: Snapshot | None) -> Snapshot:
    """Return the vectors as the current transaction sees them, keeping what is still true of the old ones.

    Raises:
        DamageError: a vector is damaged, or there are more or fewer than there should be.
    """
    if old is None or old.state.space != state.space:
        rows, vectors = vectors_from(connection, 0, state.dim)
        return _complete(Snapshot(state, rows, vectors))
    if (old.state.next_row, old.state.removed) == (state.next_row, state.removed):
        return old
    rows, vectors = old.rows, old.vectors
    if old.state.removed != state.removed:
        left = _row_numbers(connection)
        kept = np.isin(rows, left, assume_unique=True)
        rows, vectors = rows[kept], vectors[kept]
    new_rows, new_vectors = vectors_from(connection, old.state.next_row, state.dim)
    return _complete(Snapshot(state, np.concatenate([rows, new_rows]), np.concatenate([vectors, new_vectors])))


def _complete(found: Snapshot) -> Snapshot:
    expected = found.state.records
    if expected is not None and len(found.rows) != expected:
        raise DamageError(f"it holds {len(found.rows)} vectors where {expected} records were stored")
    return found


def _row_numbers(connection: sqlite3.Connection) -> Rows:
    rows = connection.execute("SELECT row FROM record ORDER BY row")
    return np.fromiter((row for (row,) in rows), dtype=np.int64)
