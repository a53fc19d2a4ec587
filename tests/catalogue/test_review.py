"""The contract of a review: no question for two, no decision lost or counted twice, nothing that cannot be undone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.repair import check_index, repair_index
from catalens.catalogue.review import LEASE_S, Review, ReviewConflictError
from catalens.catalogue.review_tables import Item, Question
from catalens.core.errors import CatalogueError, InputError
from catalens.core.types import Record
from catalens.core.vectors import unit_rows

COLOUR = Question("colour", "What colour is it?", ("red", "blue", "green"))


class Clock:
    """A clock that is set by hand."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "shop.catalens"
    with EmbeddedIndex.open(path, encoder_name="words", dim=4) as index:
        records = [Record(f"p{at}", f"/shots/p{at}.jpg", {"colour": "red"}) for at in range(20)]
        index.add(records, unit_rows(np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)))
    return path


def items(n: int = 4) -> list[Item]:
    candidates = (("red", 0.5), ("blue", 0.3))
    return [Item(f"p{at}", "colour", candidates, "red", "unsure", (n - at) / n) for at in range(n)]


@pytest.fixture
def review(path: Path, clock: Clock) -> Iterator[Review]:
    with Review(path, clock=clock) as review:
        assert review.fill([COLOUR], items()) == 4
        yield review


def test_the_question_of_most_doubt_comes_first_and_stays_with_its_reviewer(review: Review) -> None:
    first = review.take("ana")
    assert first is not None
    assert (first.id, first.number, first.candidates) == ("p0", 1, (("red", 0.5), ("blue", 0.3)))
    assert review.take("ana") == first
    second = review.take("ben")
    assert second is not None
    assert second.id == "p1"


def test_what_was_asked_is_not_asked_again(review: Review) -> None:
    review.decide("ana", 1, "corrected", "blue", token="t")
    assert review.fill([COLOUR], items(5)) == 1
    assert review.progress().total == 5
    assert review.progress().decided == 1


def test_a_decision_says_who_when_before_and_after(review: Review) -> None:
    made = review.decide("ana", 1, "corrected", "blue", token="t")
    assert (made.reviewer, made.decided_at) == ("ana", "2023-11-14T22:13:20+00:00")
    assert (made.verdict, made.before, made.after) == ("corrected", "red", "blue")
    kept = review.decide("ana", 2, "accepted", None, token="u")
    assert (kept.before, kept.after) == ("red", "red")
    told = review.decide("ana", 3, "unknown", None, token="v")
    assert (told.before, told.after) == ("red", None)
    assert list(review.decisions()) == [made, kept, told]
    assert review.progress().questions == {"colour": (3, 1)}


def test_choosing_the_value_before_accepts_it(review: Review) -> None:
    assert review.decide("ana", 1, "corrected", "red", token="t").verdict == "accepted"


def test_a_decision_that_is_sent_twice_counts_once(review: Review) -> None:
    first = review.decide("ana", 1, "corrected", "blue", token="t")
    assert review.decide("ana", 1, "corrected", "blue", token="t") == first
    assert review.progress().reviewers == {"ana": 1}
    with pytest.raises(InputError, match="belongs to another decision"):
        review.decide("ana", 2, "accepted", None, token="t")


def test_a_question_is_not_for_two(review: Review, clock: Clock) -> None:
    taken = review.take("ana")
    assert taken is not None
    with pytest.raises(ReviewConflictError, match="ana has this question now"):
        review.decide("ben", taken.number, "accepted", None, token="b")
    clock.now += LEASE_S + 1
    review.decide("ben", taken.number, "corrected", "green", token="b2")
    with pytest.raises(ReviewConflictError, match="ben has decided this meanwhile"):
        review.decide("ana", taken.number, "accepted", None, token="a")


def test_a_lease_that_ran_out_goes_to_the_next(review: Review, clock: Clock) -> None:
    taken = review.take("ana")
    clock.now += LEASE_S + 1
    assert review.take("ben") == taken


def test_what_somebody_skips_is_left_to_others(review: Review) -> None:
    taken = review.take("ana")
    assert taken is not None
    review.decide("ana", taken.number, "skipped", None, token="s")
    following = review.take("ana")
    assert following is not None
    assert following.id == "p1"
    assert review.take("ben") == taken
    assert review.progress().decided == 0
    assert list(review.decisions()) == []


def test_undo_gives_the_question_back_until_nothing_is_left_to_undo(review: Review) -> None:
    review.decide("ana", 1, "corrected", "blue", token="1")
    review.decide("ben", 3, "corrected", "blue", token="2")
    review.decide("ana", 2, "skipped", None, token="3")
    undone = review.undo("ana")
    assert undone is not None
    assert undone.number == 2
    assert review.take("ana") == undone
    again = review.undo("ana")
    assert again is not None
    assert again.number == 1
    assert review.take("ana") == again
    assert review.undo("ana") is None
    assert [each.reviewer for each in review.decisions()] == ["ben"]
    assert [(each.number, each.withdrawn) for each in review.decisions(withdrawn=True)] == [
        (1, True),
        (2, False),
        (3, True),
    ]
    made = review.decide("ana", 1, "corrected", "green", token="4")
    assert [each.after for each in review.decisions()] == ["blue", made.after]


def test_records_that_are_gone_are_not_asked_about(review: Review, path: Path) -> None:
    with EmbeddedIndex.open(path) as index:
        index.remove(["p0"])
    taken = review.take("ana")
    assert taken is not None
    assert taken.id == "p1"


def test_reviewers_at_the_same_time_never_get_the_same_question(path: Path) -> None:
    with Review(path) as review:
        review.fill([COLOUR], items(20))
    decided: list[tuple[str, int]] = []

    def work(name: str) -> None:
        with Review(path) as own:
            while (item := own.take(name)) is not None:
                own.decide(name, item.number, "accepted", None, token=f"{name}-{item.number}")
                decided.append((name, item.number))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ana", "ben", "eve", "tom")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(number for _, number in decided) == list(range(1, 21))
    with Review(path) as review:
        assert sum(review.progress().reviewers.values()) == 20


CHILD = """
import os, signal, sys
from catalens.catalogue.review import Review
review = Review(sys.argv[1])
item = review.take("ana")
review.decide("ana", item.number, "corrected", "blue", token="once")
os.kill(os.getpid(), signal.SIGKILL)  # before anybody is told
"""


def test_a_crash_between_the_decision_and_its_answer_loses_and_repeats_nothing(path: Path) -> None:
    with Review(path) as review:
        review.fill([COLOUR], items())
    ran = subprocess.run([sys.executable, "-c", CHILD, str(path)], env=os.environ.copy(), check=False)
    assert ran.returncode == -signal.SIGKILL
    with Review(path) as review:
        assert [each.after for each in review.decisions()] == ["blue"]
        again = review.decide("ana", 1, "corrected", "blue", token="once")  # by who heard nothing
        assert again.number == 1
        assert review.progress().decided == 1


def test_a_catalogue_without_a_review_says_how_to_begin(path: Path) -> None:
    with Review(path) as review:
        assert review.progress().total == 0
        assert list(review.decisions()) == []
        with pytest.raises(CatalogueError, match="catalens review fill"):
            review.take("ana")


@pytest.mark.parametrize(
    ("verdict", "value"), [("corrected", None), ("accepted", "blue"), ("corrected", " "), ("corrected", "x" * 501)]
)
def test_what_is_no_decision_is_refused(review: Review, verdict: str, value: str | None) -> None:
    with pytest.raises(InputError):
        review.decide("ana", 1, verdict, value, token="t")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a reviewer has a name"):
        review.take(" ")
    with pytest.raises(InputError, match="no question 99"):
        review.decide("ana", 99, "accepted", None, token="t")


def test_a_correction_is_a_label_of_its_question_or_a_candidate(review: Review) -> None:
    review.fill([], [Item("p9", "colour", (("red", 0.5), ("Navy", 0.0)), "Navy", "disagreement", 0.1)])
    with pytest.raises(InputError, match="'tartan' is no label of colour"):
        review.decide("ana", 5, "corrected", "tartan", token="t")
    assert review.decide("ana", 5, "corrected", "green", token="t").after == "green"
    review.undo("ana")
    assert review.decide("ana", 5, "corrected", "Navy", token="u").verdict == "accepted"


def test_a_reviewed_catalogue_is_used_as_before(review: Review, path: Path) -> None:
    with EmbeddedIndex.open(path) as index:
        index.add([Record("new", "/new.jpg")], unit_rows(np.ones((1, 4), dtype=np.float32)))
        assert len(index) == 21
    assert check_index(path).problems == ()


def test_damage_to_a_decision_is_an_error_and_never_another_decision(review: Review, path: Path) -> None:
    review.decide("ana", 1, "corrected", "blue", token="t")
    review.decide("ana", 2, "corrected", "green", token="u")
    review.close()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE review_decision SET after = 'green' WHERE decision = 1")
    file.close()
    assert check_index(path).problems == ("row 1 of review_decision is not as it was written",)
    with (
        Review(path) as again,
        pytest.raises(CatalogueError, match="decision 1 of its review is not as it was written"),
    ):
        list(again.decisions())
    assert repair_index(path).kept == 20
    with Review(path) as repaired:
        assert [each.after for each in repaired.decisions()] == ["green"]
        assert repaired.progress().total == 4


def test_a_repair_of_a_file_without_a_review_makes_none(path: Path) -> None:
    repair_index(path)
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (2,)
    file.close()
