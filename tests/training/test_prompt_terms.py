"""Which terms an encoder knows: what is true of an image, how terms rank images, and the thresholds that follow."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="torch is not installed: make test-models")

from catalens.core.classes import THINGS
from catalens.tasks.prompts.evidence import Claim
from catalens.tasks.schema import load_schema
from catalens.training.caption_truth import CaptionTruth
from catalens.training.label_truth import LabelTruth
from catalens.training.pixels import png
from catalens.training.prompt_images import DETAILS, Judged, details
from catalens.training.prompt_terms import (
    FEWEST,
    LEAST_SHARE,
    OTHER_SENSES,
    Measured,
    area,
    candidates,
    kept_off_details,
    measure,
    quiet_from,
    threshold,
)
from catalens.training.prompt_truth import ProductTruth, Sayable, schema_terms, term_truth
from tests.support.word_encoder import WordEncoder

SAID = Sayable.of([["a dog and a student on a sandy beach , red kayak"]], ["dog", "moth", "kayak"])
DOG = CaptionTruth(["a poodle jumps", "a white dog"])
CUP = LabelTruth(frozenset({("cup",), ("coffee", "mug")}), people=False, done=None)


@pytest.mark.parametrize(
    ("term", "is_true"),
    [
        ("dog", True),
        ("student", False),
        ("sandy beach", False),
        ("soft window light", None),
        ("moth", None),
        ("jumping", None),
    ],
)
def test_captions_tell_what_somebody_would_have_said(term: str, *, is_true: bool | None) -> None:
    assert term_truth(term, DOG, SAID) is is_true


def test_not_every_person_is_a_student_nor_every_dog_a_collie() -> None:
    said = Sayable.of([["a student with a collie"]], [])
    somebody = CaptionTruth(["a man walks a dog"])
    assert [term_truth(term, somebody, said) for term in ("student", "collie")] == [False, False]


def test_a_label_tells_of_things_and_of_all_else_where_it_is_complete() -> None:
    assert term_truth("a cup", CUP, SAID) is True
    assert term_truth("moth", CUP, SAID) is False
    assert term_truth("wooden table", CUP, SAID) is None
    assert term_truth("wooden table", CUP, SAID, is_complete=True) is False
    assert term_truth("red", CUP, SAID, is_complete=True) is None
    assert term_truth("two people", CUP, SAID) is False


def test_columns_tell_of_the_groups_that_they_have() -> None:
    terms = schema_terms(load_schema("fashion"))
    shirt = ProductTruth({"type": "Shirts", "colour": "Navy Blue"}, terms)
    found = [term_truth(term, shirt, SAID) for term in ("shirt", "navy blue", "red", "watch", "striped", "pearl")]
    assert found == [True, True, False, False, None, None]


def test_area_counts_equal_scores_as_half() -> None:
    assert area(np.array([0.5, 0.5, 0.1]), np.array([1, 0, 0])) == 0.75
    assert np.isnan(area(np.array([0.5]), np.array([1])))


def test_a_threshold_is_right_in_every_table() -> None:
    scores = np.linspace(1, 0, 20, dtype=np.float32)
    truth = np.array([1] * 10 + [0, 0] + [1] * 5 + [0] * 3)
    one = np.array(["a"] * 20)
    assert threshold(scores, truth, one) == pytest.approx(scores[16])
    # The two wrong ones are all that is said of another table: only what comes before the second is kept.
    two = np.array(["a"] * 10 + ["b"] * 2 + ["a"] * 8)
    assert threshold(scores, truth, two) == pytest.approx(scores[9])
    assert threshold(scores, np.zeros(20, dtype=np.int8), one) is None
    assert threshold(scores, np.array([1] * 4 + [0] * 16), one) is None, "too few are right"


def test_terms_that_do_not_rank_their_images_are_cut() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.array([1, 0], dtype=np.int8), [20, 80])
    rare = np.zeros(100, dtype=np.int8)
    rare[:6] = 1
    claims = [
        Claim("known", "flavor", 0.0),
        Claim("noise", "flavor", 0.0),
        Claim("unseen", "flavor", 0.0),
        Claim("newt", "flavor", 0.0, THINGS),
        Claim("crab", "flavor", 0.0, THINGS),
    ]
    clear = (truth + rng.normal(0, 0.05, 100)).astype(np.float32)
    shares = np.where(rare == 1, 0.15, 0.01).astype(np.float32)
    noise = rng.random(100, dtype=np.float32)
    scores = {"known": clear, "noise": noise, "unseen": clear, "newt": shares, "crab": shares}
    truths = {"known": truth, "noise": truth, "unseen": np.full(100, -1, np.int8), "newt": rare, "crab": rare}
    assert (rare == 1).sum() < FEWEST
    found = {each.claim.text: each for each in measure(claims, scores, truths, np.array(["a"] * 100))}
    assert found["known"].least == pytest.approx(clear[:20].min())
    assert found["noise"].least is None
    assert "unseen" not in found
    assert found["newt"].least == found["crab"].least == LEAST_SHARE, "together, and no less than that"


def test_candidates_are_the_tables_and_names_of_things_in_their_usual_sense() -> None:
    everyday = {term for term, _ in candidates("everyday")}
    assert {"golden hour light", "espresso", "dog", "snow", "person", "people"} <= everyday
    assert not {*OTHER_SENSES} & everyday
    assert ("navy blue", "flavor") in candidates("starter")


def test_hardly_any_detail_gets_a_false_term() -> None:
    encoder = WordEncoder("fur dog", scale=12.0)
    claims = [Measured(Claim("dog", "flavor", 0.0), 50, 0.9, 0.1), Measured(Claim("fur", "flavor", 0.0), 50, 0.9, None)]
    vectors = np.concatenate([encoder.pictures([{"fur": 1.0, "dog": at / 100}]) for at in range(100)])
    truths = [CaptionTruth(["a cat on fur"])] * 100
    images = Judged(vectors, np.full(100, DETAILS), truths, [b""] * 100, [""] * 100)
    said = Sayable.of([["a cat on fur", "a dog"]], [])
    dog, fur = kept_off_details(claims, encoder, images, said)
    assert dog.least is not None
    cosines = vectors @ encoder.encode_texts(["dog"])[0]
    assert (cosines >= dog.least).sum() == 1
    assert fur.least is None
    enough = [replace(claims[0], least=0.99)]
    assert [each.least for each in kept_off_details(enough, encoder, images, said)] == [0.99]
    assert quiet_from(np.zeros(3, np.float32), np.array([1, 1, -1], np.int8)) < 0


def test_details_are_parts_of_their_photographs() -> None:
    left = np.zeros((40, 60, 3), np.uint8)
    left[:, :, 1] = 200
    [one, again], other = details([png(left), png(left)]), details([png(left)], seed=1)
    pixels = np.asarray(Image.open(io.BytesIO(one)).convert("RGB"))
    assert pixels.shape == (224, 224, 3)
    assert (pixels == (0, 200, 0)).all()
    assert [one, again] == details([png(left), png(left)])
    assert len(other) == 1
