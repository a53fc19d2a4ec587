"""The catalogue's file: one SQLite database, its schema, its transactions and its errors.

    state    one row: encoder, width, number of records, and the counters that tell a reader what has changed
    record   row number, id, source, fields as JSON, content hash of the picture, checksum of all that
    vector   row number, float16 unit vector, its checksum; apart, so that reading records skips the vectors
    words    full text of each record (FTS5), under the same row number

A row number is given once and never changes its vector: a record that is added again gets a new
one. So whoever holds the vectors up to a row number needs to fetch only what lies above it, and to
look for removals only when their count has changed.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalens.catalogue import keywords
from catalens.core.errors import CatalogueError

APPLICATION_ID = 0x0CA7A1E5
SCHEMA_VERSION = 2
"""Version 1 had neither checksums nor the number of records; it is read as it is, and brought up by the first write."""
REVIEWED_VERSION = 3
"""The version of files with a review; see review_tables.py."""

_READABLE = (1, SCHEMA_VERSION, REVIEWED_VERSION)

_TABLES = (
    """CREATE TABLE state (
        encoder TEXT NOT NULL,
        dim INTEGER NOT NULL,
        space TEXT NOT NULL,        -- random, and changes when the vectors of all records do
        next_row INTEGER NOT NULL,
        removed INTEGER NOT NULL,   -- rows ever removed
        hnsw TEXT,                  -- what is known of the side file, as JSON: see hnsw.py
        records INTEGER
    )""",
    """CREATE TABLE record (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        fields TEXT NOT NULL,
        hash TEXT,
        checksum INTEGER
    )""",
    "CREATE TABLE vector (row INTEGER PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER)",
)
_VERSION_1_VIEWS = (
    "CREATE TEMP VIEW state AS SELECT encoder, dim, space, next_row, removed, hnsw, NULL AS records FROM main.state",
    "CREATE TEMP VIEW record AS SELECT row, id, source, fields, hash, NULL AS checksum FROM main.record",
    "CREATE TEMP VIEW vector AS SELECT row, vector, NULL AS checksum FROM main.vector",
)


@dataclass(frozen=True, slots=True)
class State:
    """The one row of the `state` table."""

    encoder: str
    dim: int
    space: str
    next_row: int
    removed: int
    hnsw: str | None
    records: int | None


class DamageError(Exception):
    """What is damaged in a catalogue, as half a sentence; `errors_named` adds the file and the way out."""


def open_file(path: Path, *, read_only: bool, may_create: bool, wait_s: float) -> sqlite3.Connection:
    """Open the database file, or a new and still empty one.

    Raises:
        CatalogueError: nothing there, a folder, no permission, or not a database.
    """
    if path.is_dir():
        raise CatalogueError(f"{path} is a folder; a catalogue is one file, such as {path / 'products.catalens'}")
    if not path.exists() and not may_create:
        raise CatalogueError(f"there is no catalogue at {path}; make one with: catalens index add {path} FOLDER")
    if not path.parent.is_dir():
        raise CatalogueError(f"{path} cannot be made: there is no folder {path.parent}")
    mode = "ro" if read_only else ("rwc" if may_create else "rw")
    with errors_named(path):
        try:
            return _connect(path, f"mode={mode}", wait_s)
        except sqlite3.OperationalError:
            # A reader of a WAL database must be able to write beside it. Where nobody can (a read-only
            # folder or disk) and no log is waiting, the file alone is the whole truth and cannot change.
            if not read_only or not path.is_file() or path.with_name(path.name + "-wal").exists():
                raise
            return _connect(path, "mode=ro&immutable=1", wait_s)


def _connect(path: Path, query: str, wait_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}",
        uri=True,
        timeout=wait_s,
        isolation_level=None,  # transactions are begun by hand, below
        check_same_thread=False,  # the index holds a lock
    )
    try:
        # FULL: in a WAL, NORMAL already survives SIGKILL (what was written is in the system's hands) and
        # never corrupts, but a power cut may take back the last commits. A batch takes far longer to
        # encode than one fsync, so "acknowledged" may as well mean "on the disk".
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")  # KiB; the default of 2 MB thrashes on 100,000 records
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the first real look at the file
    except BaseException:
        connection.close()
        raise
    return connection


def create(connection: sqlite3.Connection, encoder_name: str, dim: int) -> None:
    """Make the tables in a database without any; harmless where another process was quicker."""
    # 8 KiB pages: a row of 512 bytes (256 wide) or 2,048 (1,024 wide) wastes little of them.
    connection.execute("PRAGMA page_size = 8192")
    connection.execute("PRAGMA journal_mode = WAL")
    with writing(connection):
        if not is_blank(connection):
            return
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        for table in _TABLES:
            connection.execute(table)
        keywords.create(connection)
        made = (encoder_name, dim, secrets.token_hex(8))
        connection.execute("INSERT INTO state VALUES (?, ?, ?, 1, 0, NULL, 0)", made)


def is_catalogue_file(path: Path) -> bool:
    """Return whether a file begins as a catalogue does: SQLite's header, with our application id at byte 68."""
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:
        return False
    return head.startswith(b"SQLite format 3\0") and int.from_bytes(head[68:72], "big") == APPLICATION_ID


def is_blank(connection: sqlite3.Connection) -> bool:
    """Return whether the database has no tables: a new file, or an interrupted creation."""
    return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def check_file(connection: sqlite3.Connection, path: Path, made_by: tuple[str, int] | None) -> State:
    """Refuse databases of another program or of another version.

    Args:
        connection: open.
        path: of the file, for the messages.
        made_by: encoder and width; if given, a blank file becomes their catalogue first.

    Raises:
        CatalogueError: names the reason and the remedy.
    """
    if made_by and is_blank(connection):
        create(connection, *made_by)
    if is_blank(connection):
        raise CatalogueError(
            f"{path} is an empty file; delete it, then make a catalogue with: catalens index add {path} FOLDER"
        )
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise CatalogueError(f"{path} is a database of another program, not a Catalens catalogue")
    if version not in _READABLE:
        raise CatalogueError(
            f"{path} has schema version {version} and this Catalens reads version {REVIEWED_VERSION}; "
            "use the release that wrote it, or index the pictures again"
        )
    if version == 1:
        for view in _VERSION_1_VIEWS:
            connection.execute(view)
    return read_state(connection)


def read_state(connection: sqlite3.Connection) -> State:
    """Read the counters as the current transaction sees them.

    Raises:
        DamageError: they are missing, or of other kinds.
    """
    rows = connection.execute("SELECT encoder, dim, space, next_row, removed, hnsw, records FROM state").fetchall()
    if len(rows) != 1:
        raise DamageError(f"its state has {len(rows)} rows and not one")
    state = State(*rows[0])
    expected = {"encoder": str, "space": str, "dim": int, "next_row": int, "removed": int, "hnsw": str | None,
                "records": int | None}  # fmt: skip
    wrong = next((name for name, kind in expected.items() if not isinstance(getattr(state, name), kind)), None)
    if wrong is not None or state.dim < 1:
        raise DamageError(f"its state has no sound {wrong or 'dim'}")
    return state


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """Read transaction: a consistent view; never waits for a writer."""
    with _transaction(connection, "BEGIN"):
        yield


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Write transaction: all or nothing; waits for another writer up to the timeout."""
    with _transaction(connection, "BEGIN IMMEDIATE"):
        yield


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


_WAY_OUT = "restore a copy, or keep what can be read with: catalens index check {} --repair"


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return a key that differs for another file at the same path; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences about this file."""
    try:
        yield
    except DamageError as error:
        raise CatalogueError(f"{path} is damaged: {error}; {_WAY_OUT.format(path)}") from error
    except UnicodeDecodeError as error:  # the sqlite3 module cannot decode SQLite's message about a damaged schema
        raise CatalogueError(f"{path} is damaged: its schema cannot be read; {_WAY_OUT.format(path)}") from error
    except sqlite3.Error as error:
        raise CatalogueError(_sentence(path, error)) from error


def _sentence(path: Path, error: sqlite3.Error) -> str:
    match getattr(error, "sqlite_errorname", "").split("_")[:2]:
        case ["SQLITE", "BUSY" | "LOCKED"]:
            return f"{path} is being written by another process and stayed locked; try again when that one has finished"
        case ["SQLITE", "NOTADB" | "CORRUPT"]:
            return f"{path} is not a Catalens catalogue, or is damaged; {_WAY_OUT.format(path)}"
        case ["SQLITE", "READONLY" | "CANTOPEN" | "PERM"]:
            return f"{path} cannot be opened or written; check the permissions of the file and its folder ({error})"
    return f"{path}: {error}"
