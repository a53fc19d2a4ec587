"""Closed answers: the likeliest is chosen, with true probabilities, or none is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.Image import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn
from catalens.tasks.answers import choose
from tests.support.seams import Closeable


class Scored(Closeable):
    """An answerer that gives the scores it was made with, and remembers what it was asked."""

    name = "scored"

    def __init__(self, *rows: Sequence[float]) -> None:
        self.rows = np.array(rows, dtype=np.float32)
        self.asked: list[tuple[str, tuple[str, ...], tuple[Turn, ...]]] = []

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        return list(images)

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        return [["yes"] * len(questions)] * len(encoded)

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        self.asked.append((question, tuple(answers), tuple(history)))
        return self.rows


ONE = [None]
"""One picture that was looked at."""


def test_the_likeliest_answer_is_given_with_the_softmax_of_whole_answers() -> None:
    reader = Scored([np.log(0.2), np.log(0.1), np.log(0.1)], [np.log(0.01), np.log(0.03), 0.0])
    first, second = choose(reader, [None, None], "Which colour?", ["red", "blue", "dark green"])
    assert first.value == "red"
    assert first.probability == pytest.approx(0.5)
    assert first.probabilities == pytest.approx({"red": 0.5, "blue": 0.25, "dark green": 0.25})
    assert second.value == "dark green"
    assert reader.asked == [("Which colour?", ("red", "blue", "dark green"), ())]


def test_an_answer_that_is_not_likely_enough_is_unknown_and_says_how_likely() -> None:
    reader = Scored([np.log(0.5), np.log(0.3), np.log(0.2)])
    (sure,) = choose(reader, ONE, "?", ["a", "b", "c"], unknown_below=0.4)
    (unsure,) = choose(reader, ONE, "?", ["a", "b", "c"], unknown_below=0.6)
    assert (sure.value, unsure.value) == ("a", "unknown")
    assert unsure.probability == pytest.approx(0.5)


def test_of_equally_likely_answers_the_first_is_given() -> None:
    assert choose(Scored([-1.0, -1.0]), ONE, "?", ["b", "a"])[0].value == "b"


def test_the_conversation_before_is_passed_on() -> None:
    reader = Scored([0.0])
    choose(reader, ONE, "And now?", ["yes"], history=[Turn("What?", "a dog")])
    assert reader.asked[0][2] == (Turn("What?", "a dog"),)


def test_no_pictures_are_no_answers() -> None:
    reader = Scored()
    reader.rows = np.zeros((0, 2), dtype=np.float32)
    assert choose(reader, [], "?", ["a", "b"]) == []


@given(st.lists(st.floats(-900, 0), min_size=1, max_size=30))
def test_probabilities_sum_to_one_however_unlikely_the_answers_are(scores: list[float]) -> None:
    answers = [str(place) for place in range(len(scores))]
    (chosen,) = choose(Scored(scores), ONE, "?", answers)
    assert sum(chosen.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert chosen.probability == max(chosen.probabilities.values())


def test_an_impossible_answer_has_no_probability() -> None:
    (chosen,) = choose(Scored([-np.inf, -3.0]), ONE, "?", ["a", "b"])
    assert chosen.probabilities == {"a": 0.0, "b": 1.0}


@pytest.mark.parametrize(
    ("answers", "below", "message"),
    [
        ([], 0.0, "give some"),
        ("red", 0.0, "give some"),
        (["red", " "], 0.0, "none of them empty"),
        (["red", "blue", "red"], 0.0, "'red' is given twice"),
        (["red"], 1.5, "unknown_below is 1.5"),
    ],
)
def test_answers_that_cannot_be_chosen_from_are_refused(answers: list[str], below: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose(Scored([0.0]), ONE, "?", answers, unknown_below=below)


@pytest.mark.parametrize("row", [[0.0], [np.nan, 0.0], [-np.inf, -np.inf]])
def test_a_reader_that_breaks_its_promise_is_named(row: list[float]) -> None:
    with pytest.raises(ModelError, match="scored returned scores"):
        choose(Scored(row), ONE, "?", ["a", "b"])
