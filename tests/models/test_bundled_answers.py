"""The answer weights of a bundle belong to the very models they were learned with."""

from __future__ import annotations

from catalens.models.facts import read_facts
from catalens.models.registry import shipped, shipped_answers
from catalens.tasks.answer_weights import load_answer_weights
from catalens.tasks.question_kinds import QUESTION_KINDS


def test_the_everyday_weights_are_of_the_shipped_revision() -> None:
    path = shipped_answers("everyday@3")
    assert path is not None
    weights = load_answer_weights(path)
    assert weights.encoder_name == weights.reader_name == f"everyday@{read_facts(shipped('everyday')).revision}"
    assert set(weights.kinds) == set(QUESTION_KINDS) - {"other"}
    # A small reader answers "dog" to anything: what a thing is called is the encoder's to say.
    assert weights.of("thing").reader == weights.of("other").reader == 0.0


def test_the_starter_s_reader_answers_alone_and_knows_when_no_colour_fits() -> None:
    path = shipped_answers("starter@4")
    assert path is not None
    weights = load_answer_weights(path)
    assert weights.encoder_name == weights.reader_name == f"starter@{read_facts(shipped('starter')).revision}"
    assert {(each.encoder, each.reader) for each in (*weights.kinds.values(), weights.default)} == {(0.0, 1.0)}
    assert weights.of("colour").most_behind is not None
