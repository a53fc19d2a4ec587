"""Drawings and documents: pictures drawn by code, vectors that tell them from photographs, and careful thresholds."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="torch is not installed: make test-models")

from catalens.core.classes import THINGS
from catalens.core.images import read_image
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.registry import load_encoder, shipped_calibration
from catalens.tasks.attributes import build_schema_bank, read_attributes
from catalens.tasks.calibration import NEVER, load_calibration
from catalens.tasks.schema import UNKNOWN, load_schema, parse_schema
from catalens.training.drawn_subjects import Drawn, drawn_thresholds, encode_drawn, learn_drawn, without_colour
from catalens.training.pixels import png
from catalens.training.rendered import (
    BOTH,
    COMPOSED,
    DARKENED,
    DOCUMENT,
    DRAWING,
    OBSERVED,
    REDRAWN,
    Example,
    observe,
    render,
)
from catalens.training.rendered.sheet import find_fonts
from catalens.training.scientific_classes import learn_scientific
from tests.support.word_encoder import WordEncoder

PHOTO = png(np.random.default_rng(0).integers(0, 256, (64, 48, 3)).astype(np.uint8))
SCHEMA = parse_schema(
    'name: everyday\ngroups: {subject: {kind: exclusive, templates: ["{}"], '
    f"labels: {{dog: [dog], drawing: [drawing], {DOCUMENT}: [document]}}}}}}",
    origin="small",
)
ENCODER = WordEncoder("dog drawing document", scale=10.0)


def test_training_and_validation_share_no_generator_and_no_font() -> None:
    assert not {*COMPOSED["train"], *REDRAWN["train"]} & {*COMPOSED["val"], *REDRAWN["val"]}
    assert not {*OBSERVED["train"], *DARKENED["train"]} & {*OBSERVED["val"], *DARKENED["val"]}
    assert not {*find_fonts("train")} & {*find_fonts("val")}
    assert {label for each in COMPOSED["val"].values() for label in each} == {*BOTH}


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_kind_draws_another_picture_each_time_and_the_same_again(split: str) -> None:
    some, again = (render(split, [PHOTO], each=2) for _ in range(2))  # type: ignore[arg-type]
    assert [each.picture for each in some] == [each.picture for each in again]
    assert len({each.picture for each in some}) == len(some) == 2 * (len(COMPOSED[split]) + len(REDRAWN[split]))  # type: ignore[index]
    for each in some:
        assert np.asarray(Image.open(io.BytesIO(each.picture)).convert("L")).std() > 2, each.kind


def test_a_photograph_much_wider_than_high_is_made_into_scientific_pictures_too() -> None:
    photo = Image.new("RGB", (500, 90), "red")
    assert {redraw(random.Random(0), photo).size for redraw in DARKENED["train"]} == {(224, 224)}


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_instrument_makes_another_picture_each_time_and_the_same_again(split: str) -> None:
    some, again = (observe(split, [PHOTO], each=2) for _ in range(2))  # type: ignore[arg-type]
    assert [each.picture for each in some] == [each.picture for each in again]
    assert len({each.picture for each in some}) == len(some) == 2 * (len(OBSERVED[split]) + len(DARKENED[split]))  # type: ignore[index]
    assert {each.right for each in some} == {()}


def test_photographs_without_colour_have_none() -> None:
    for picture in without_colour([PHOTO], 4):
        pixels = np.asarray(Image.open(io.BytesIO(picture)))
        assert np.ptp(pixels, axis=2).max() == 0


def test_learned_vectors_tell_drawn_pictures_from_others() -> None:
    rng = np.random.default_rng(0)
    ways = unit_rows(rng.normal(size=(3, ENCODER.dim)).astype(np.float32))
    kinds = rng.integers(0, 3, 300)
    vectors = unit_rows(ways[kinds] + rng.normal(0, 0.1, (300, ENCODER.dim)).astype(np.float32))
    right = np.stack([kinds == 1, kinds == 2], axis=1)
    is_drawn = kinds > 0
    drawn = Drawn(vectors[is_drawn], right[is_drawn], ["some"] * int(is_drawn.sum()))
    bank = build_schema_bank(ENCODER, SCHEMA).banks["subject"]
    texts = bank.vectors[1:].astype(np.float32)
    found = learn_drawn(drawn, vectors[~is_drawn], bank, texts, scale=ENCODER.logit_scale)
    best = (vectors[is_drawn] @ np.concatenate([bank.vectors[:1].astype(np.float32), found]).T).argmax(axis=1)
    assert (best == kinds[is_drawn]).mean() > 0.95
    assert (vectors[is_drawn] @ texts.T).argmax(axis=1).tolist() != (kinds[is_drawn] - 1).tolist()


def test_scientific_pictures_are_nearer_to_their_own_classes_than_to_a_drawing() -> None:
    rng = np.random.default_rng(0)
    drawing, moon, cells = unit_rows(rng.normal(size=(3, 24)).astype(np.float32) + np.float32(0.7))

    def like(way: Vectors, count: int) -> Vectors:
        return unit_rows(way + rng.normal(0, 0.1, (count, 24)).astype(np.float32))

    # The vector that was learned for drawings is near to all that is no photograph.
    rival = unit_rows((drawing + moon + cells)[None, :])
    seen = np.concatenate([like(moon, 60), like(cells, 60)])
    photographs = like(unit_rows(rng.normal(size=(1, 24)).astype(np.float32))[0], 100)
    found = learn_scientific(seen, ["moon"] * 60 + ["cells"] * 60, like(drawing, 60), photographs, rival, scale=20.0)
    assert found.shape == (2, 24)
    best = (np.stack([drawing, moon, cells]) @ np.concatenate([rival, found]).T).argmax(axis=1)
    assert best.tolist() == [0, 1, 2]


def test_a_threshold_lets_few_other_pictures_through() -> None:
    bank = build_schema_bank(ENCODER, SCHEMA)
    strengths = np.linspace(0.3, 1.0, 50)
    drawn = Drawn(
        ENCODER.pictures([{"drawing": each, "dog": 0.3} for each in strengths]),
        np.array([[True, False]] * 50),
        ["x"] * 50,
    )
    dogs = ENCODER.pictures([{"dog": 1.0, "drawing": each} for each in np.linspace(0, 1.5, 400)])
    found = drawn_thresholds(bank, drawn, [dogs], 1.0, precision=0.8)
    assert found[DOCUMENT] == NEVER
    alone = drawn_thresholds(bank, drawn, [dogs[:100]], 1.0, precision=0.8)
    assert 0.5 < alone[DRAWING] < found[DRAWING]


def test_the_shipped_encoder_knows_its_words_for_them() -> None:
    skimage = pytest.importorskip(
        "skimage", reason="scikit-image, whose wheel has a photographed page, is not installed"
    )
    page = read_image(Path(skimage.__file__).parent / "data" / "page.png")
    encoder = load_encoder("everyday")
    [cosines] = (
        encoder.encode_images([page])
        @ encoder.encode_texts(
            ["a document or screenshot", "a photo of a document or screenshot", "a photo of a dog", "a photo of a book"]
        ).T
    )
    assert cosines[0] == pytest.approx(cosines[1], abs=1e-3)
    assert cosines[0] > cosines[2:].max() + 0.1


def test_the_shipped_encoder_calls_few_scientific_pictures_anything() -> None:
    encoder = load_encoder("everyday")
    file = shipped_calibration(encoder.name, "everyday")
    assert file is not None
    bank = build_schema_bank(encoder, load_schema("everyday"))

    def said(examples: Sequence[Example]) -> list[str]:
        read = read_attributes(encode_drawn(encoder, examples).vectors, bank, calibration=load_calibration(file))
        return [each["subject"].value for each in read]

    made = said(observe("val", [PHOTO], each=4))
    assert made.count(DRAWING) <= 3
    assert sum(label != UNKNOWN for label in made) <= 6
    cars = [each for each in render("val", [PHOTO], each=4) if each.kind in {"vehicle", "stick_figures"}]
    assert said(cars).count(DRAWING) >= 7
    things = encoder.classes[THINGS]  # type: ignore[attr-defined]
    named = {at for some in things.named.values() for at in some}
    assert len(things.vectors) - len(named) == len(OBSERVED["train"]) + len(DARKENED["train"])
