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


def test_the_starter_s_weights_are_of_the_shipped_revision_and_leave_unknown_what_no_product_shows() -> None:
    name = f"starter@{read_facts(shipped('starter')).revision}"
    path = shipped_answers(name)
    assert path is not None
    weights = load_answer_weights(path)
    assert weights.encoder_name == weights.reader_name == name
    assert weights.of("inside").unknown_below == weights.of("count").unknown_below == 1.0
    # Colours, patterns and the like are the reader's to say.
    assert weights.of("colour").reader == weights.of("other").reader == 1.0
    assert weights.of("colour").most_behind is not None
