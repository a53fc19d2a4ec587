"""The tables of a review, in the catalogue's own file: what is asked, who decided what, and checksums of both.

    review_question   name, words and labels of a question
    review_item       one question about one record: candidates, value so far, why it is asked, lease
    review_decision   who decided what and when, with the value before and after; never changed, only withdrawn

A file gets them with its first review and has schema version 3 from then on, so that no release that does not know
them drops decisions in a repair.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

from catalens.catalogue import tables
from catalens.catalogue.storage import REVIEWED_VERSION, DamageError

Reason = Literal["unsure", "disagreement", "sample"]
Verdict = Literal["accepted", "corrected", "unknown", "skipped"]

_TABLES = (
    "CREATE TABLE review_question (name TEXT PRIMARY KEY, words TEXT NOT NULL, labels TEXT NOT NULL)",
    """CREATE TABLE review_item (
        item INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        question TEXT NOT NULL,
        candidates TEXT NOT NULL,   -- [[label, probability], ...], likeliest first
        before TEXT,
        reason TEXT NOT NULL,
        doubt REAL NOT NULL,        -- what is asked first
        checksum INTEGER NOT NULL,  -- of all above
        leased_by TEXT,
        leased_until REAL NOT NULL DEFAULT 0,
        is_open INTEGER NOT NULL DEFAULT 1,
        UNIQUE (id, question)
    )""",
    "CREATE INDEX review_open ON review_item (is_open, doubt DESC)",
    """CREATE TABLE review_decision (
        decision INTEGER PRIMARY KEY,
        item INTEGER NOT NULL,
        token TEXT NOT NULL UNIQUE, -- of the caller, so that a decision that is sent twice counts once
        reviewer TEXT NOT NULL,
        decided_at TEXT NOT NULL,
        verdict TEXT NOT NULL,
        before TEXT,
        after TEXT,
        withdrawn_at TEXT,
        checksum INTEGER NOT NULL
    )""",
    "CREATE INDEX review_decided ON review_decision (item)",
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question that a review asks of records.

    Attributes:
        name: such as "colour"; a group of a schema.
        words: as people are asked.
        labels: every answer there is.
    """

    name: str
    words: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One question about one record.

    Attributes:
        id: of the record.
        question: its name.
        candidates: the likeliest answers with their probabilities, likeliest first.
        before: the value so far; None where there is none.
        reason: why it is asked.
        doubt: what is asked first, in [0, 1].
        number: in the queue; 0 for one that is not there yet.
    """

    id: str
    question: str
    candidates: tuple[tuple[str, float], ...]
    before: str | None
    reason: Reason
    doubt: float
    number: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer decided.

    Attributes:
        item: the question and the record.
        reviewer: who.
        decided_at: when, ISO 8601 in UTC.
        verdict: "accepted" keeps the value before, "corrected" gives another, "unknown" says that the picture does
            not tell, "skipped" leaves it to others.
        before: value before.
        after: value after; None where the verdict gives none.
        number: rises.
        withdrawn: whether it was undone.
    """

    item: Item
    reviewer: str
    decided_at: str
    verdict: Verdict
    before: str | None
    after: str | None
    number: int
    withdrawn: bool = False

    def row(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "id": self.item.id,
            "question": self.item.question,
            "reason": self.item.reason,
            "reviewer": self.reviewer,
            "decided_at": self.decided_at,
            "verdict": self.verdict,
            "before": self.before,
            "after": self.after,
            "withdrawn": self.withdrawn,
        }


def has_review(file: sqlite3.Connection) -> bool:
    """Return whether a catalogue has the tables of a review."""
    return bool(file.execute("PRAGMA user_version").fetchone()[0] >= REVIEWED_VERSION)


def create(file: sqlite3.Connection) -> None:
    """Add the tables inside a write transaction; files of version 1 get their checksums first."""
    if has_review(file):
        return
    if file.execute("PRAGMA user_version").fetchone()[0] == 1:
        tables.upgrade(file)
    for table in _TABLES:
        file.execute(table)
    file.execute(f"PRAGMA user_version = {REVIEWED_VERSION}")


ITEM_COLUMNS = "item, id, question, candidates, before, reason, doubt, checksum"
DECISION_COLUMNS = "decision, item, token, reviewer, decided_at, verdict, before, after, withdrawn_at, checksum"


def insert_item(file: sqlite3.Connection, number: int, item: Item) -> bool:
    """Store an item under a number, unless its question about its record is there; return whether it was stored."""
    candidates = json.dumps(item.candidates, ensure_ascii=False)
    columns = (number, item.id, item.question, candidates, item.before, item.reason, item.doubt)
    sql = f"INSERT OR IGNORE INTO review_item ({ITEM_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    return bool(file.execute(sql, (*columns, checksum(columns))).rowcount)


def item_from(columns: Sequence[object]) -> Item:
    """Make an item of its columns.

    Raises:
        DamageError: they are not what was written.
    """
    *given, stored = columns
    if stored != checksum(given) or given[5] not in get_args(Reason):
        raise DamageError(f"question {given[0]!r:.50} of its review is not as it was written")
    number, record, question, candidates, before, reason, doubt = given
    pairs = tuple((str(label), float(share)) for label, share in json.loads(str(candidates)))
    return Item(record, question, pairs, before, reason, doubt, number)  # type: ignore[arg-type]  # as it was written


def decision_columns(columns: Sequence[object]) -> tuple[object, ...]:
    """Return the columns of a decision without its checksum.

    Raises:
        DamageError: they are not what was written.
    """
    *given, stored = columns
    if stored != checksum(given) or given[5] not in get_args(Verdict):
        raise DamageError(f"decision {given[0]!r:.50} of its review is not as it was written")
    return tuple(given)


def checksum(columns: Sequence[object]) -> int:
    """Return the checksum of a row's columns."""
    return zlib.crc32("\0".join(map(repr, columns)).encode(errors="surrogatepass"))


def copy_sound(file: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    """Copy the sound rows of a review into another catalogue, inside a write transaction there."""
    if not has_review(file):
        return
    create(fresh)
    for table, is_sound in _COPIED:
        with suppress(sqlite3.DatabaseError):  # a damaged page ends what can be read of a table
            for row in file.execute(f"SELECT * FROM {table}"):
                if is_sound(row):
                    marks = ", ".join("?" * len(row))
                    fresh.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)


def problems_of(file: sqlite3.Connection) -> Iterator[str]:
    """Yield a sentence for each row of a review that is not as it was written."""
    if not has_review(file):
        return
    for table, is_sound in _COPIED:
        try:
            for row in file.execute(f"SELECT * FROM {table}"):
                if not is_sound(row):
                    yield f"row {row[0]!r:.50} of {table} is not as it was written"
        except sqlite3.DatabaseError as error:
            yield f"{table}: {error}"


def _is_sound_item(row: Sequence[object]) -> bool:
    return row[7] == checksum(row[:7])


def _is_sound_decision(row: Sequence[object]) -> bool:
    return row[9] == checksum(row[:9])


def _is_sound_question(row: Sequence[object]) -> bool:
    return all(isinstance(each, str) for each in row)


_COPIED = (
    ("review_question", _is_sound_question),
    ("review_item", _is_sound_item),
    ("review_decision", _is_sound_decision),
)
