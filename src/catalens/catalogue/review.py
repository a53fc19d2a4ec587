"""A review of a catalogue: a queue of questions about records, and the decisions of people, in the catalogue's file."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from catalens.catalogue import review_tables as tables
from catalens.catalogue import storage
from catalens.catalogue.opening import scheme_of, shown
from catalens.catalogue.review_tables import Decision, Item, Question, Verdict
from catalens.catalogue.storage import errors_named
from catalens.core.errors import CatalogueError, InputError
from catalens.core.filters import check_text

LEASE_S = 300.0
"""How long a question is kept for the reviewer who has it on the screen."""
_MOST_NAME = 100


class ReviewConflictError(InputError):
    """Another reviewer decided, or has the question now."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a review is.

    Attributes:
        total: questions.
        decided: of them.
        leased: that somebody has now.
        reviewers: name → decisions.
        questions: name of the question → (decided, value before kept).
    """

    total: int = 0
    decided: int = 0
    leased: int = 0
    reviewers: dict[str, int] = field(default_factory=dict)
    questions: dict[str, tuple[int, int]] = field(default_factory=dict)

    def row(self) -> dict[str, object]:
        """Return it as JSON values."""
        questions = {name: {"decided": decided, "kept": kept} for name, (decided, kept) in self.questions.items()}
        return {**asdict(self), "questions": questions}


class Review:
    """The review of one catalogue file; use it as a context manager, or `close` it.

    Every call is one transaction: processes and threads may review at the same time, and a decision that was
    returned is on the disk.
    """

    def __init__(self, path: str | Path, *, wait_s: float = 10.0, clock: Callable[[], float] = time.time) -> None:
        """Open a catalogue that exists.

        Args:
            path: of its file.
            wait_s: seconds to wait for another writer.
            clock: seconds since 1970.

        Raises:
            CatalogueError: there is none, or it cannot be written.
        """
        self.path, self._clock = Path(path), clock
        self._lock = threading.Lock()
        self._file = storage.open_file(self.path, read_only=False, may_create=False, wait_s=wait_s)
        try:
            with errors_named(self.path):
                storage.check_file(self._file, self.path, None)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def fill(self, questions: Iterable[Question], items: Iterable[Item]) -> int:
        """Add questions about records, and return how many are new; what was asked before stays as it is."""
        with self._writing(may_create=True) as file:
            for each in questions:
                row = (each.name, each.words, json.dumps(each.labels, ensure_ascii=False))
                file.execute("INSERT OR REPLACE INTO review_question VALUES (?, ?, ?)", row)
            (last,) = file.execute("SELECT coalesce(max(item), 0) FROM review_item").fetchone()
            added = 0
            for item in items:
                added += tables.insert_item(file, last + added + 1, item)
            return added

    def questions(self) -> dict[str, Question]:
        """Return the questions by name."""
        with self._reading() as file:
            rows = file.execute("SELECT name, words, labels FROM review_question").fetchall() if file else []
        return {name: Question(name, words, tuple(json.loads(labels))) for name, words, labels in rows}

    def take(self, reviewer: str) -> Item | None:
        """Reserve the most doubtful open question for a reviewer and return it; None where none is left.

        A reviewer who has one already gets the same again, so nothing is lost by reloading a page. Questions that
        this reviewer skipped, and those about records that are gone, are left out.
        """
        check_reviewer(reviewer)
        with self._writing() as file:
            now = self._clock()
            row = file.execute(
                f"""SELECT {tables.ITEM_COLUMNS} FROM review_item AS asked
                WHERE is_open AND (leased_by = ?1 OR leased_by IS NULL OR leased_until <= ?2)
                    AND EXISTS (SELECT 1 FROM record WHERE record.id = asked.id)
                    AND NOT EXISTS (SELECT 1 FROM review_decision AS skip WHERE skip.item = asked.item
                        AND skip.reviewer = ?1 AND skip.verdict = 'skipped' AND skip.withdrawn_at IS NULL)
                ORDER BY leased_by IS ?1 DESC, doubt DESC, item LIMIT 1""",
                (reviewer, now),
            ).fetchone()
            if row is None:
                return None
            self._lease(file, row[0], reviewer, now + LEASE_S)
            return tables.item_from(row)

    def decide(self, reviewer: str, number: int, verdict: Verdict, value: str | None, *, token: str) -> Decision:
        """Store a decision, and return it.

        Args:
            reviewer: who decides.
            number: of the item.
            verdict: what is decided.
            value: of a correction; else None.
            token: chosen by the caller, new for each decision: sent again, the decision that is stored is returned.

        Raises:
            InputError: there is no such item, or the value does not go with the verdict or the question.
            ReviewConflictError: somebody else decided it, or has it now.
        """
        check_reviewer(reviewer)
        _check_value(verdict, value)
        with self._writing() as file:
            if stored := self._stored(file, token):
                if (stored.item.number, stored.reviewer) != (number, reviewer):
                    raise InputError("this token belongs to another decision; choose a new one for each")
                return stored
            item, holder, until, is_open = self._item(file, number)
            now = self._clock()
            if not is_open:
                raise ReviewConflictError(f"{self._decider(file, number)} has decided this meanwhile")
            if holder not in (None, reviewer) and until > now:
                raise ReviewConflictError(f"{holder} has this question now; take the next one")
            if value is not None and value not in self._values(file, item):
                raise InputError(f"{value[:100]!r} is no label of {item.question}")
            after = {"accepted": item.before, "corrected": value}.get(verdict)
            if verdict == "accepted" and item.before is None:
                raise InputError("there is no value to accept; choose one, or say that it is unknown")
            if verdict == "corrected" and after == item.before:
                verdict = "accepted"
            self._insert(file, (number, token, reviewer, _stamp(now), verdict, item.before, after))
            skipped = verdict == "skipped"
            file.execute("UPDATE review_item SET is_open = ?, leased_by = NULL WHERE item = ?", (skipped, number))
            found = self._stored(file, token)
            assert found is not None
            return found

    def undo(self, reviewer: str) -> Item | None:
        """Withdraw a reviewer's last decision that stands, and give the question back to the reviewer.

        Returns:
            The question; None where there is nothing to undo.
        """
        check_reviewer(reviewer)
        with self._writing() as file:
            sql = f"""SELECT {tables.DECISION_COLUMNS} FROM review_decision
                WHERE reviewer = ? AND withdrawn_at IS NULL ORDER BY decision DESC LIMIT 1"""
            row = file.execute(sql, (reviewer,)).fetchone()
            if row is None:
                return None
            now = self._clock()
            columns = list(tables.decision_columns(row))
            columns[8] = _stamp(now)
            file.execute(
                "UPDATE review_decision SET withdrawn_at = ?, checksum = ? WHERE decision = ?",
                (columns[8], tables.checksum(columns), columns[0]),
            )
            number = int(str(columns[1]))
            if columns[5] != "skipped":
                file.execute("UPDATE review_item SET is_open = 1 WHERE item = ?", (number,))
            item, holder, until, is_open = self._item(file, number)
            if not is_open or (holder not in (None, reviewer) and until > now):
                return item  # what was skipped is somebody else's by now
            self._lease(file, number, reviewer, now + LEASE_S)
            return item

    def progress(self) -> Progress:
        """Return how far the review is."""
        with self._reading() as file:
            if file is None:
                return Progress()
            total, decided, leased = file.execute(
                "SELECT count(*), count(*) FILTER (WHERE NOT is_open), "
                "count(*) FILTER (WHERE is_open AND leased_by IS NOT NULL AND leased_until > ?) FROM review_item",
                (self._clock(),),
            ).fetchone()
            standing = "FROM review_decision WHERE withdrawn_at IS NULL AND verdict != 'skipped'"
            reviewers = dict(file.execute(f"SELECT reviewer, count(*) {standing} GROUP BY reviewer ORDER BY 2 DESC"))
            kept = file.execute(
                "SELECT question, count(*), count(*) FILTER (WHERE verdict = 'accepted') FROM review_decision "
                "JOIN review_item USING (item) WHERE withdrawn_at IS NULL AND verdict != 'skipped' GROUP BY question"
            ).fetchall()
        return Progress(total, decided, leased, reviewers, {name: (count, same) for name, count, same in kept})

    def decisions(self, *, withdrawn: bool = False) -> Iterator[Decision]:
        """Return the decisions that stand, without skips, in the order in which they were made.

        Args:
            withdrawn: also those that were withdrawn, and skips.
        """
        where = "" if withdrawn else "WHERE withdrawn_at IS NULL AND verdict != 'skipped'"
        sql = f"SELECT {tables.DECISION_COLUMNS} FROM review_decision {where} ORDER BY decision"
        with self._reading() as file:
            found = [self._decision(file, row) for row in file.execute(sql).fetchall()] if file else []
        return iter(found)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Give a consistent view; None where the catalogue has no review yet."""
        with self._lock, errors_named(self.path), storage.reading(self._file):
            yield self._file if tables.has_review(self._file) else None

    @contextmanager
    def _writing(self, *, may_create: bool = False) -> Iterator[sqlite3.Connection]:
        with self._lock, errors_named(self.path), storage.writing(self._file):
            if may_create:
                tables.create(self._file)
            elif not tables.has_review(self._file):
                raise CatalogueError(f"{self.path} has no review yet; begin one with: catalens review fill {self.path}")
            yield self._file

    def _item(self, file: sqlite3.Connection, number: int) -> tuple[Item, str | None, float, bool]:
        sql = f"SELECT {tables.ITEM_COLUMNS}, leased_by, leased_until, is_open FROM review_item WHERE item = ?"
        row = file.execute(sql, (number,)).fetchone()
        if row is None:
            raise InputError(f"the review has no question {number}")
        return tables.item_from(row[:-3]), row[-3], row[-2], bool(row[-1])

    def _values(self, file: sqlite3.Connection, item: Item) -> set[str]:
        """Return what an item may be corrected to: a label of its question, or one of its candidates."""
        row = file.execute("SELECT labels FROM review_question WHERE name = ?", (item.question,)).fetchone()
        return {label for label, _ in item.candidates}.union(json.loads(row[0]) if row else ())

    def _stored(self, file: sqlite3.Connection, token: str) -> Decision | None:
        sql = f"SELECT {tables.DECISION_COLUMNS} FROM review_decision WHERE token = ?"
        row = file.execute(sql, (token,)).fetchone()
        return None if row is None else self._decision(file, row)

    def _decision(self, file: sqlite3.Connection, row: tuple[object, ...]) -> Decision:
        number, item, _, reviewer, decided_at, verdict, before, after, undone = tables.decision_columns(row)
        asked = self._item(file, int(str(item)))[0]
        columns = (asked, reviewer, decided_at, verdict, before, after, number, undone is not None)
        return Decision(*columns)  # type: ignore[arg-type]  # as they were written

    def _insert(self, file: sqlite3.Connection, columns: tuple[object, ...]) -> None:
        (last,) = file.execute("SELECT coalesce(max(decision), 0) FROM review_decision").fetchone()
        row = (last + 1, *columns, None)
        marks = ", ".join("?" * (len(row) + 1))
        sql = f"INSERT INTO review_decision ({tables.DECISION_COLUMNS}) VALUES ({marks})"
        file.execute(sql, (*row, tables.checksum(row)))

    def _decider(self, file: sqlite3.Connection, number: int) -> str:
        sql = "SELECT reviewer FROM review_decision WHERE item = ? AND withdrawn_at IS NULL ORDER BY decision DESC"
        row = file.execute(sql, (number,)).fetchone()
        return str(row[0]) if row else "somebody"

    def _lease(self, file: sqlite3.Connection, number: int, reviewer: str, until: float) -> None:
        """Give a question to a reviewer, who has one at a time."""
        file.execute("UPDATE review_item SET leased_by = NULL WHERE leased_by = ?", (reviewer,))
        sql = "UPDATE review_item SET leased_by = ?, leased_until = ? WHERE item = ?"
        file.execute(sql, (reviewer, until, number))


def check_reviewable(catalogue: str | Path) -> None:
    """Refuse a catalogue that is not a file: a review needs the locks of one, which a server does not have.

    Raises:
        InputError: it is on a server or in memory; the message says how to review a copy.
    """
    if scheme_of(catalogue) is not None:
        raise InputError(
            f"{shown(catalogue)} is in no file, and a review lies in its catalogue's file; review a copy: "
            f"catalens index migrate {shown(catalogue)} copy.catalens"
        )


def check_reviewer(name: str) -> None:
    """Refuse an invalid name of a reviewer.

    Raises:
        InputError: it is empty, too long, or no plain text.
    """
    if not name.strip() or len(name) > _MOST_NAME:
        raise InputError(f"a reviewer has a name of 1 to {_MOST_NAME} characters, so that decisions say whose they are")
    check_text(name, "the reviewer")


def _check_value(verdict: Verdict, value: str | None) -> None:
    if (verdict == "corrected") != (value is not None):
        raise InputError("a correction needs its value, and nothing else has one")


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
