"""Products drawn by code: what is said of them is true and in the schema's words, and validation is drawn otherwise."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from catalens.tasks.schema import load_schema
from catalens.training.rendered import garments, paper_cuts
from catalens.training.rendered.cloth import LONG, NONE, SHORT, some_cloth
from catalens.training.rendered.easel import Easel
from catalens.training.rendered.goods import GARMENTS, THINGS, UNSOLD, Good, draw_goods, draw_unsold
from catalens.training.rendered.sheet import Split


def pixels(picture: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


@pytest.fixture(scope="module")
def train() -> list[Good]:
    return draw_goods("train", each=2)


@pytest.fixture(scope="module")
def val() -> list[Good]:
    return draw_goods("val", each=2)


def test_every_label_is_one_of_the_schema(train: list[Good], val: list[Good]) -> None:
    schema = load_schema("fashion")
    for goods in (train, val):
        for good in goods:
            for group, label in good.labels.items():
                assert label in schema.group(group).label_names, (group, label)


def test_every_type_is_drawn_and_nearly_every_one_that_is_validated_on_is_learned(
    train: list[Good], val: list[Good]
) -> None:
    assert [good.labels["type"] for good in train] == 2 * [*GARMENTS, *THINGS]
    assert {good.labels["type"] for good in val} <= {good.labels["type"] for good in train}
    assert len(draw_unsold(each=1)) == len(UNSOLD)


def test_the_same_seed_draws_the_same_and_another_does_not(train: list[Good], val: list[Good]) -> None:
    splits: dict[Split, list[Good]] = {"train": train, "val": val}
    for split, drawn in splits.items():
        one = drawn[: len(drawn) // 2]
        again, other = (draw_goods(split, each=1, seed=seed) for seed in (0, 4))
        assert one == again
        assert all(a.picture != b.picture for a, b in zip(one, other, strict=True))


def test_a_garment_of_validation_has_the_colour_that_is_said() -> None:
    for name, channel in (("Red", 0), ("Green", 1), ("Blue", 2)):
        cut = paper_cuts.Cut(random.Random(1), name, "Solid", "Short Sleeves")
        paper_cuts.t_shirt(cut)
        middle = np.asarray(cut.sheet)[180:260, 110:145].mean((0, 1))
        assert int(middle.argmax()) == channel, name
        assert middle[channel] > 1.4 * np.delete(middle, channel).max()


def test_longer_sleeves_cover_more() -> None:
    covered = []
    for sleeves in (NONE, SHORT, LONG):
        easel = Easel(random.Random(7))
        garments.t_shirt(easel, some_cloth(easel, (200, 20, 30), "Solid", sleeves))
        picture = np.asarray(easel.finished()).astype(int)
        covered.append(int((picture[..., 0] - picture[..., 1] > 60).sum()))
    assert covered[0] < covered[1] < covered[2]


def test_a_pattern_has_more_colours_than_plain_cloth() -> None:
    for pattern in ("Striped", "Checked", "Printed"):
        cut = paper_cuts.Cut(random.Random(2), "Blue", pattern)
        plain = paper_cuts.Cut(random.Random(2), "Blue", "Solid")
        assert np.asarray(cut.patterned)[..., 2].std() > 5 * np.asarray(plain.patterned)[..., 2].std()
