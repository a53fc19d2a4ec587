"""Check a catalogue's file row by row, and save what can be read of a damaged one."""

from __future__ import annotations

import secrets
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from catalens.catalogue import hnsw, review_tables, storage, tables
from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.records import words_of
from catalens.catalogue.storage import DamageError, State, errors_named
from catalens.core.errors import CatalogueError
from catalens.core.types import Record, Vectors
from catalens.core.vectors import unit_rows

_BATCH = 1000
_MAX_REPORTED = 1000


@dataclass(frozen=True, slots=True)
class Check:
    """What a look at every row found.

    Attributes:
        records: sound records.
        problems: one sentence each, at most a thousand.
    """

    records: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of a damaged catalogue.

    Attributes:
        kept: records that were saved whole.
        lost: records without a readable vector; encode their pictures and add them again.
        unreadable: rows of which not even the record could be read; `index add` of their source brings them back.
        damaged: where the old file lies now.
    """

    kept: int
    lost: tuple[Record, ...]
    unreadable: int
    damaged: Path


@dataclass(slots=True)
class _Row:
    """What can be read of one row."""

    row: int
    record: Record | None = None
    digest: str | None = None
    vector: Vectors | None = None
    problems: list[str] = field(default_factory=list)


def check_index(path: str | Path) -> Check:
    """Read every row of a catalogue and compare it with what was written.

    Raises:
        CatalogueError: there is no such file, or it is not a catalogue at all.
    """
    path = Path(path)
    with errors_named(path), closing(storage.open_file(path, read_only=True, may_create=False, wait_s=10)) as file:
        try:
            state = storage.check_file(file, path, None)
        except (DamageError, sqlite3.DatabaseError) as error:
            return Check(0, (str(error),))
        problems = [*_structure(file), *_graph(path, state), *islice(review_tables.problems_of(file), _MAX_REPORTED)]
        sound = 0
        for row in _rows(file, state.dim, _last_row(file, state)):
            sound += not row.problems
            problems += row.problems if len(problems) < _MAX_REPORTED else []
        if state.records not in (None, sound) and not problems:
            problems.append(f"it holds {sound} records where {state.records} were stored")
        return Check(sound, tuple(problems[:_MAX_REPORTED]))


def repair_index(path: str | Path, *, encoder_name: str | None = None) -> Repair:
    """Save every sound row of a catalogue into a new file that takes its place; the old one is kept beside it.

    Args:
        path: catalogue file, not open for writing elsewhere.
        encoder_name: needed only if the catalogue's own entry is lost.

    Raises:
        CatalogueError: it is not a catalogue at all, or nothing in it says what encoder filled it.
    """
    path = Path(path)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.repair")
    lost: list[Record] = []
    unreadable = kept = 0
    with errors_named(path), closing(storage.open_file(path, read_only=False, may_create=False, wait_s=10)) as file:
        state = _state(file, path, encoder_name)
        try:
            with storage.writing(file), EmbeddedIndex.open(fresh, encoder_name=state.encoder, dim=state.dim) as index:
                waiting: list[_Row] = []
                for row in _rows(file, state.dim, _last_row(file, state)):
                    if row.record is None:
                        unreadable += 1
                    elif row.vector is None:
                        lost.append(row.record)
                    else:
                        kept += 1
                        waiting.append(row)
                    if len(waiting) == _BATCH:
                        _add(index, waiting)
                _add(index, waiting)
            _keep_review(file, fresh)
        except BaseException:
            for ending in ("", "-wal", "-shm"):
                fresh.with_name(fresh.name + ending).unlink(missing_ok=True)
            raise
    damaged = path.with_name(f"{path.name}.damaged-{secrets.token_hex(4)}")
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).replace(damaged.with_name(damaged.name + ending))
    fresh.replace(path)
    hnsw.delete_others(path, None)
    return Repair(kept, tuple(lost), unreadable, damaged)


def _keep_review(file: sqlite3.Connection, fresh: Path) -> None:
    with (
        closing(storage.open_file(fresh, read_only=False, may_create=False, wait_s=10)) as copy,
        storage.writing(copy),
    ):
        review_tables.copy_sound(file, copy)


def _add(index: EmbeddedIndex, rows: list[_Row]) -> None:
    """Write what waits, and let nothing wait."""
    if rows:
        records = [row.record for row in rows if row.record is not None]
        vectors = np.concatenate([row.vector for row in rows if row.vector is not None])
        index.add(records, vectors, [row.digest for row in rows])
        rows.clear()


def _rows(file: sqlite3.Connection, dim: int, last: int) -> Iterator[_Row]:
    """Look each row number up by itself, so that a damaged page costs only the rows on it."""
    for number in range(1, last + 1):
        row = _Row(number)
        _read_record(file, row)
        _read_vector(file, row, dim)
        if row.record is None and row.vector is None and not row.problems:
            continue  # removed
        if row.record is None and not row.problems:
            row.problems.append(f"row {number} has a vector and no record")
        elif row.vector is None and not row.problems and row.record is not None:
            row.problems.append(f"record {row.record.id!r} has no vector")
        elif row.record is not None and not _has_words(file, number, row.record):
            row.problems.append(f"record {row.record.id!r} is missing from the keyword search")
        yield row


def _read_record(file: sqlite3.Connection, row: _Row) -> None:
    sql = "SELECT row, id, source, fields, hash, checksum FROM record WHERE row = ?"
    try:
        columns = file.execute(sql, (row.row,)).fetchone()
        if columns is not None:
            row.record, row.digest = tables.record_from(*columns), columns[4]
    except (DamageError, sqlite3.DatabaseError) as error:
        row.problems.append(f"row {row.row}: {error}")


def _read_vector(file: sqlite3.Connection, row: _Row, dim: int) -> None:
    try:
        rows, vectors = tables.vectors_of(file, [row.row], dim)
        if len(rows):
            row.vector = unit_rows(vectors)
    except (DamageError, sqlite3.DatabaseError) as error:
        row.problems.append(f"row {row.row}: {error}")


def _has_words(file: sqlite3.Connection, row: int, record: Record) -> bool:
    try:
        found = file.execute("SELECT text FROM words WHERE rowid = ?", (row,)).fetchone()
    except sqlite3.DatabaseError:
        return False
    return bool(found == (words_of(record),))


def _structure(file: sqlite3.Connection) -> list[str]:
    """Ask SQLite about its own structure, and about its index of words, which only a writer may check: on a copy."""
    try:
        found = [text for (text,) in file.execute("PRAGMA integrity_check(20)")]
        with closing(sqlite3.connect("")) as copy:  # in a temporary file
            file.backup(copy)
            copy.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        found = [str(error)]
    return [f"the file's structure: {text}" for text in found if text != "ok"]


def _graph(path: Path, state: State) -> list[str]:
    try:
        hnsw.open_graph(path, state, None)
    except CatalogueError as error:
        return [f"the graph cannot be used: {error}"]
    return []


def _last_row(file: sqlite3.Connection, state: State) -> int:
    """Return the highest row number there may be; the counter itself may be damaged."""
    found = [0]
    for sql in ("SELECT max(row) FROM record", "SELECT max(row) FROM vector"):
        with suppress(sqlite3.DatabaseError):
            found.append(file.execute(sql).fetchone()[0] or 0)
    highest = max(found)
    counted = state.next_row - 1
    return counted if highest <= counted <= highest + 1_000_000 else highest


def _state(file: sqlite3.Connection, path: Path, encoder_name: str | None) -> State:
    """Read the state, or infer it from the rows."""
    try:
        return storage.check_file(file, path, None)
    except (DamageError, sqlite3.DatabaseError) as error:
        if encoder_name is None:
            raise CatalogueError(
                f"{path} no longer names the encoder that filled it; name it to repair the rest"
            ) from error
        return State(encoder_name, _width(file), "", 1, 0, None, None)


def _width(file: sqlite3.Connection) -> int:
    """Return the width that most vectors have."""
    widths: Counter[int] = Counter()
    with suppress(sqlite3.DatabaseError):
        widths.update(n for (n,) in file.execute("SELECT length(vector) FROM vector"))
    if not widths:
        raise DamageError("no vector of it can be read")
    return widths.most_common(1)[0][0] // 2
