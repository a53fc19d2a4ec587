"""Terms of prompts that are only said with evidence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from catalens.core.classes import THINGS, Classes, ClassSets
from catalens.core.errors import ModelError
from catalens.tasks.interrogation import Plan, Vocabulary, build_vocabulary, interrogate
from catalens.tasks.prompts.evidence import NOTHING_KNOWN, Claim, load_evidence, save_evidence
from tests.support.word_encoder import WordEncoder

CLAIMS = [
    Claim("red", "flavor", 0.5),
    Claim("blue", "flavor", 0.5),
    Claim("dog", "flavor", 0.6, THINGS),
    Claim("moth", "flavor", 0.6, THINGS),
    Claim("a photo", "medium", 0.3),
]


@pytest.fixture
def encoder() -> WordEncoder:
    return WordEncoder("red blue dog poodle moth photo", scale=12.0)


@pytest.fixture
def sets(encoder: WordEncoder) -> ClassSets:
    return {THINGS: Classes(encoder.encode_texts(["dog", "poodle", "moth"]), {"dog": (0, 1), "moth": (2,)})}


@pytest.fixture
def vocabulary(encoder: WordEncoder, sets: ClassSets, tmp_path: Path) -> Vocabulary:
    save_evidence(tmp_path / "terms.json", encoder.name, CLAIMS)
    evidence = load_evidence(tmp_path / "terms.json", encoder.name, sets, encoder.logit_scale)
    return build_vocabulary(encoder, evidence.tables(), evidence=evidence)


def said(encoder: WordEncoder, vocabulary: Vocabulary, caption: str = "", mode: str = "fast", **shown: float) -> str:
    plan = Plan(mode=mode)  # type: ignore[arg-type]
    [found] = interrogate(encoder, vocabulary, encoder.picture(**shown), [caption], plan)
    return found.text


@pytest.mark.parametrize("mode", ["best", "fast", "classic"])
def test_only_what_reaches_its_threshold_is_said(encoder: WordEncoder, vocabulary: Vocabulary, mode: str) -> None:
    # The image is as near to "blue" as .42 and to "red" as .9; a poodle is a dog.
    found = said(encoder, vocabulary, mode=mode, red=1.5, blue=0.7, poodle=0.1)
    assert "red" in found.split(", ")
    assert not {"blue", "moth", "a photo"} & {*found.split(", ")}
    assert said(encoder, vocabulary, poodle=1.0) == "dog"


def test_a_share_of_classes_is_what_a_thing_needs_however_near_its_text_is(
    encoder: WordEncoder, vocabulary: Vocabulary
) -> None:
    assert said(encoder, vocabulary, dog=1.0, moth=1.0, poodle=1.0) == "dog"
    assert said(encoder, vocabulary, dog=1.0, moth=1.02) == NOTHING_KNOWN


def test_best_says_all_that_has_evidence_however_near_the_whole_comes(
    encoder: WordEncoder, vocabulary: Vocabulary
) -> None:
    # The caption alone is the nearest prompt: "poodle, dog" is half wrong to an encoder of words.
    assert said(encoder, vocabulary, "poodle", "best", poodle=1.0) == "poodle, dog"


def test_without_evidence_the_caption_stands_alone_and_nothing_is_said_twice(
    encoder: WordEncoder, vocabulary: Vocabulary
) -> None:
    for mode in ("best", "fast", "classic"):
        assert said(encoder, vocabulary, "a cup", mode, moth=1.0, dog=1.0) == "a cup"
        assert said(encoder, vocabulary, "", mode, moth=1.0, dog=1.0) == NOTHING_KNOWN
    assert said(encoder, vocabulary, "two dogs", red=1.0, dog=1.0) == "two dogs, red"


def test_terms_that_need_no_evidence_are_searched_as_before(encoder: WordEncoder, vocabulary: Vocabulary) -> None:
    plain = build_vocabulary(encoder, vocabulary.tables)
    assert said(encoder, plain, dog=1.0, moth=1.0).split(", ")[:2] == ["dog", "moth"]


def test_negative_prompts_are_made_of_the_farthest_whatever_their_evidence(
    encoder: WordEncoder, vocabulary: Vocabulary
) -> None:
    terms = said(encoder, vocabulary, mode="negative", red=1.0).split(", ")
    assert "red" not in terms
    assert terms


def test_a_file_of_other_weights_or_other_classes_is_refused(
    encoder: WordEncoder, sets: ClassSets, tmp_path: Path
) -> None:
    file = tmp_path / "terms.json"
    save_evidence(file, encoder.name, CLAIMS)
    with pytest.raises(ModelError, match="learned with words, not other"):
        load_evidence(file, "other", sets, 1.0)
    with pytest.raises(ModelError, match="cannot be used"):
        load_evidence(file, encoder.name, {}, 1.0)
    file.write_text(json.dumps({"encoder": encoder.name, "terms": {"flavor": []}}), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be used"):
        load_evidence(file, encoder.name, sets, 1.0)


def test_shares_are_of_the_classes_that_a_term_names(encoder: WordEncoder, vocabulary: Vocabulary) -> None:
    assert vocabulary.evidence is not None
    vectors = encoder.pictures([{"poodle": 1.0}, {"moth": 1.0}])
    shares = vocabulary.evidence.shares(vectors)
    expected = (1 + np.exp(12)) / (2 + np.exp(12))
    assert shares["dog"] == pytest.approx([expected, 2 / (2 + np.exp(12))], rel=1e-3)
