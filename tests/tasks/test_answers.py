"""Closed answers: the likeliest is chosen, with true probabilities, or none is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.Image import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn
from catalens.tasks.answer_weights import (
    AnsweredCases,
    AnswerWeights,
    KindWeights,
    fit_weights,
    load_answer_weights,
    save_answer_weights,
)
from catalens.tasks.answers import AnswerChooser, choose
from catalens.tasks.question_kinds import answer_texts, parse_question
from catalens.training.none_of_these import KEPT, KEPT_OF_THINGS, Offer, learn_limits, report
from tests.support.seams import Closeable
from tests.support.word_encoder import WordEncoder


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
        ([], 0.0, "name at least one"),
        ("red", 0.0, "name at least one"),
        (["red", " "], 0.0, "none of them empty"),
        (["red", "blue", "red"], 0.0, "'red' is listed twice"),
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


ANSWERS = ["dog", "cat", "bird"]
WORDS = WordEncoder("dog cat bird red shirt blue", scale=10.0)


def chooser(reader: Scored | None, **kinds: KindWeights) -> AnswerChooser:
    weights = AnswerWeights(encoder_name="words", reader_name="scored", kinds=kinds)  # type: ignore[arg-type]
    return AnswerChooser(WORDS, reader, weights)


def test_the_encoder_alone_answers_what_the_reader_does_not_know() -> None:
    reader = Scored([0.0, -5.0, -9.0])
    only_encoder = chooser(reader, thing=KindWeights(encoder=10.0, reader=0.0))
    [chosen] = only_encoder.choose(WORDS.picture(cat=1.0), ONE, "what is it?", ANSWERS)
    assert chosen.value == "cat"
    assert reader.asked == []
    [without] = chooser(None).choose(WORDS.picture(cat=1.0), None, "what is it?", ANSWERS)
    assert without.value == "cat"


def test_both_opinions_are_added_with_their_weights() -> None:
    reader = Scored([-1.0, -2.0, -3.0])
    both = chooser(reader, thing=KindWeights(encoder=2.0, reader=0.5))
    vectors = WORDS.picture(cat=1.0, bird=0.5)
    [chosen] = both.choose(vectors, ONE, "what is it?", ANSWERS)
    near = both.encoder_scores(vectors, parse_question("what is it?", ANSWERS), ANSWERS)[0]
    logits = 2.0 * near + 0.5 * np.array([-1.0, -2.0, -3.0])
    shares = np.exp(logits) / np.exp(logits).sum()
    assert list(chosen.probabilities.values()) == pytest.approx(shares.tolist(), abs=1e-5)


def test_a_kind_without_weights_is_the_readers() -> None:
    reader = Scored([-1.0, -2.0, -3.0])
    [chosen] = chooser(reader).choose(WORDS.picture(bird=1.0), ONE, "why?", ANSWERS)
    [alone] = choose(reader, ONE, "why?", ANSWERS)
    assert chosen == alone


def test_weights_of_other_models_are_refused() -> None:
    weights = AnswerWeights(encoder_name="other@1", reader_name="scored")
    with pytest.raises(InputError, match="learned with other@1 and scored, not with words and scored"):
        AnswerChooser(WORDS, Scored([0.0]), weights)
    alone = AnswerChooser(WORDS, None, AnswerWeights.encoder_only("words", 10.0))
    assert alone.choose(WORDS.picture(bird=1.0), None, "what is it?", ANSWERS)[0].value == "bird"


def test_yes_is_compared_with_what_is_asked_for() -> None:
    presence = chooser(None, presence=KindWeights(encoder=20.0, reader=0.0, offset=-8.0))
    vectors = np.concatenate([WORDS.picture(dog=1.0), WORDS.picture(cat=1.0)])
    first, second = presence.choose(vectors, None, "Is there a dog in the picture?", ["no", "yes"])
    assert (first.value, second.value) == ("yes", "no")


def test_unknown_is_answered_below_what_was_learned_unless_the_caller_says_otherwise() -> None:
    unsure = chooser(None, thing=KindWeights(encoder=1.0, reader=0.0, unknown_below=0.6))
    vectors = WORDS.picture(cat=1.0)
    assert unsure.choose(vectors, None, "what is it?", ANSWERS)[0].value == "unknown"
    assert unsure.choose(vectors, None, "what is it?", ANSWERS, unknown_below=0.0)[0].value == "cat"


def test_none_of_the_answers_fits_where_another_one_leads() -> None:
    weights = KindWeights(encoder=20.0, reader=0.0, most_behind=1.0)
    reader = Scored([0.0])
    asked = chooser(reader, colour=weights)
    vectors = np.concatenate([WORDS.picture(blue=1.0), WORDS.picture(red=1.0)])
    both = [None, None]
    found = asked.choose(vectors, both, "what colour is it?", ["red", "green"])
    assert [each.value for each in found] == ["unknown", "red"]
    assert sum(found[0].probabilities.values()) == pytest.approx(1.0)
    # Blue is among the answers in another word; a word that nobody knows may mean anything.
    for answers in (["red", "navy blue"], ["red", "reddish-what"]):
        assert "unknown" not in {each.value for each in asked.choose(vectors, both, "what colour is it?", answers)}
    found = asked.choose(vectors, both, "what colour is it?", ["red", "green"], unknown_below=0.0)
    assert [each.value for each in found] == ["red", "red"], "who names a threshold decides alone"
    assert asked.choose(vectors, both, "what colour is it?", ["red"])[0].value == "unknown"


def test_none_of_the_answers_fits_where_the_likeliest_is_far_from_the_picture() -> None:
    asked = chooser(Scored([0.0]), thing=KindWeights(encoder=10.0, reader=0.0, least_logit=5.0))
    vectors = np.concatenate([WORDS.picture(shirt=1.0), WORDS.picture(cat=1.0)])
    found = asked.choose(vectors, [None, None], "what is it?", ANSWERS)
    assert [each.value for each in found] == ["unknown", "cat"]


def test_the_limits_leave_the_share_of_right_answers_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    fitting = [Offer(row[None, :3], row[None, 3:], 0) for row in rng.normal([4, 0, 0, 0], 1, (400, 4))]
    without = [Offer(row[None, :3], row[None, 3:], None) for row in rng.normal([0, 0, 0, 4], 1, (400, 4))]
    weights = KindWeights(encoder=1.0)
    learned = learn_limits([*fitting, *without], weights)
    before, after = (report([*fitting, *without], each) for each in (weights, learned))
    assert before["given where none fits"] == 1.0
    assert after["given where none fits"] < 0.2
    assert before["right"] - after["right"] == pytest.approx(1 - KEPT, abs=0.01)
    nearly_all = report([*fitting, *without], learn_limits([*fitting, *without], weights, KEPT_OF_THINGS))
    assert before["right"] - nearly_all["right"] <= 1 / 400


def cases(*, right_encoder: bool, right_reader: bool, n: int = 400) -> AnsweredCases:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, n)
    told = np.eye(3, dtype=np.float32)[truth]
    noise = rng.standard_normal((2, n, 3)).astype(np.float32)
    encoder = 0.2 * told * right_encoder + 0.1 * noise[0]
    reader = 3.0 * told * right_reader + 2.0 * noise[1]
    return AnsweredCases(encoder, reader, truth.tolist(), ["one"] * n)


def test_weights_follow_who_is_right() -> None:
    encoder_knows = fit_weights(cases(right_encoder=True, right_reader=False), 0.6)
    assert encoder_knows.encoder >= 10.0
    assert encoder_knows.reader <= 0.2
    reader_knows = fit_weights(cases(right_encoder=False, right_reader=True), 0.6)
    assert reader_knows.reader >= 0.4
    assert reader_knows.encoder <= 3.0
    neither = fit_weights(cases(right_encoder=False, right_reader=False), 0.9)
    assert neither.unknown_below > 0.5
    with pytest.raises(InputError, match="50 are needed"):
        fit_weights(cases(right_encoder=True, right_reader=True, n=20), 0.6)


def test_a_domain_where_enough_is_right_asks_for_no_threshold() -> None:
    truth = np.tile([0, 1], 100)
    told = np.eye(2, dtype=np.float32)[truth]
    # One domain is certain, the other less so, and nearly all of both is right.
    encoder = np.concatenate([0.6 * told[:100], 0.1 * told[100:]])
    encoder[100:104] = 0.1 * told[100:104, ::-1]
    some = AnsweredCases(encoder, np.zeros_like(encoder), truth.tolist(), ["sure"] * 100 + ["less"] * 100)
    assert fit_weights(some, 0.9, everywhere=True).unknown_below == 0.0
    assert fit_weights(some, 0.99, everywhere=True).unknown_below > 0.5


def test_a_limit_keeps_the_right_answers_of_every_domain() -> None:
    weights = KindWeights(encoder=1.0, reader=0.0)
    offers = [
        Offer(np.array([[logit, 0.0]], np.float32), np.empty((1, 0), np.float32), 0, domain)
        for domain, near in (("easy", 20.0), ("hard", 5.0))
        for logit in np.linspace(near, near + 1, 100)
    ]
    kept = learn_limits(offers, weights)
    alone = learn_limits(offers[100:], weights)
    assert kept.least_logit == alone.least_logit == pytest.approx(5.03, abs=0.01)


def test_weights_are_kept_in_a_file(tmp_path: Path) -> None:
    weights = AnswerWeights(
        encoder_name="e@1",
        reader_name="r@2",
        kinds={"presence": KindWeights(encoder=14.0, offset=-2.25), "place": KindWeights(most_behind=0.5)},
    )
    save_answer_weights(weights, tmp_path / "answers.json")
    assert load_answer_weights(tmp_path / "answers.json") == weights
    (tmp_path / "answers.json").write_text(
        '{"format": "catalens answer weights 1", "kinds": {"thing": {"encoder": -1}}}'
    )
    with pytest.raises(ModelError, match=r"answers\.json cannot be used"):
        load_answer_weights(tmp_path / "answers.json")


@pytest.mark.parametrize(
    ("question", "answers", "kind", "about"),
    [
        ("what is it?", ANSWERS, "thing", ""),
        ("How many people are there?", ["one", "two"], "count", "people"),
        ("is there a dog in the picture?", ["yes", "no"], "presence", "a dog"),
        ("Do you see any water?", [], "presence", "water"),
        ("Is the shirt red?", ["No", "Yes"], "presence", "shirt red"),
        ("is this indoors or outdoors?", ["inside", "outside"], "inside", ""),
        ("What color is the shirt?", ["red"], "colour", "shirt"),
        ("Which colour has the dog?", ["red"], "colour", "dog"),
        ("What colour is it?", ["red"], "colour", ""),
        ("Where was the picture taken?", [], "place", ""),
        ("What is the dog doing?", [], "action", "dog"),
        ("What is it made of?", [], "other", ""),
        ("¿Qué es esto?", [], "other", ""),
    ],
)
def test_questions_are_recognised(question: str, answers: list[str], kind: str, about: str) -> None:
    found = parse_question(question, answers)
    assert (found.kind, found.about) == (kind, about)


def test_answers_are_written_as_sentences_of_their_kind() -> None:
    assert answer_texts(parse_question("how many dogs?"), "two") == ("two dogs",)
    assert answer_texts(parse_question("how many people?"), "0")[0] == "no people"
    assert "in a room" in answer_texts(parse_question("indoors or outdoors?"), "Inside")
    assert answer_texts(parse_question("where is it?"), "in the snow")[1] == "a photo taken in the snow"
    assert answer_texts(parse_question("what is the dog doing?"), "running")[1] == "a dog running"
