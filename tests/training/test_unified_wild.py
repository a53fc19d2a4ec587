"""Pictures from outside the shop: their splits, their labels, and what is done to them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")

from PIL import Image

from catalens.core.errors import InputError
from catalens.core.types import Tag
from catalens.demo.drawn import draw_catalogue
from catalens.tasks.attributes import Attribute
from catalens.tasks.schema import load_schema
from catalens.training.recipes.unified.figures import value_figures
from catalens.training.recipes.unified.views import opened, pasted, squashed, varied
from catalens.training.recipes.unified.wild import GARMENT_WORDS, GARMENTS, read_wild
from tests.support.drawn_table import jpeg, write_table

WILD = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", pa.string()),
    ]
)


def table(folder: Path, name: str, n: int) -> None:
    picture = jpeg(Image.new("RGB", (40, 60), "red"))
    rows = [{"id": str(at), "image": {"bytes": picture, "path": ""}, "label": "Dress"} for at in range(n)]
    write_table(folder / "wild" / f"{name}.parquet", rows, WILD)


def test_the_splits_of_a_table_share_no_row_and_lose_none(tmp_path: Path) -> None:
    table(tmp_path, "clothing", 60)
    train, val = ({row.id for row in read_wild(tmp_path, "clothing", split)} for split in ("train", "val"))
    assert not train & val
    assert train | val == {row.id for row in read_wild(tmp_path, "clothing")}
    assert 5 <= len(val) <= 25


def test_objects_are_never_training_pictures(tmp_path: Path) -> None:
    table(tmp_path, "objects", 20)
    assert len(read_wild(tmp_path, "objects", "val")) == 20
    with pytest.raises(InputError, match="validation only"):
        read_wild(tmp_path, "objects", "train")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"grocery\.parquet is missing"):
        read_wild(tmp_path, "grocery")


def test_every_garment_has_words_and_article_types_of_the_schema() -> None:
    types = set(load_schema("fashion").group("type").label_names)
    assert GARMENTS.keys() == GARMENT_WORDS.keys()
    assert all(set(some) <= types for some in GARMENTS.values())


def test_a_variation_is_the_same_for_the_same_seed_and_another_one_for_another() -> None:
    picture = next(iter(draw_catalogue(1))).picture
    one, same, other = (squashed(varied(picture, np.random.default_rng(seed)), 64) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_variations_of_tiny_and_of_narrow_pictures_are_pictures() -> None:
    for size in ((2, 2), (3, 90), (200, 5)):
        for seed in range(40):
            assert squashed(varied(Image.new("RGB", size, "blue"), np.random.default_rng(seed)), 32).shape == (
                32,
                32,
                3,
            )


def test_a_product_is_put_before_another_picture() -> None:
    shirt = Image.new("RGB", (60, 80), "white")
    shirt.paste("red", (15, 20, 45, 60))
    scene = pasted(shirt, Image.new("RGB", (100, 100), "green"), np.random.default_rng(0))
    assert scene is not None
    pixels = np.asarray(scene).reshape(-1, 3).astype(int)
    red, green = (pixels[:, 0] > 200) & (pixels[:, 1] < 60), (pixels[:, 1] > 100) & (pixels[:, 0] < 60)
    assert 0.05 < red.mean() < 0.5
    assert green.mean() > 0.4
    white = (pixels.min(axis=1) > 240).mean()
    assert white < 0.02


def test_a_picture_without_a_white_background_is_not_cut_out() -> None:
    photo = Image.new("RGB", (60, 80), "grey")
    assert pasted(photo, photo, np.random.default_rng(0)) is None


def test_a_picture_is_opened_as_rgb() -> None:
    buffer = io.BytesIO()
    Image.new("L", (5, 5)).save(buffer, "PNG")
    assert opened(buffer.getvalue()).mode == "RGB"


def test_what_is_wrong_and_sure_is_told_from_what_is_wrong_or_unknown() -> None:
    def read(value: str | None, confidence: float) -> Attribute:
        return Attribute("type", () if value is None else (Tag(value, confidence),), confidence, ())

    rows = [read("a", 0.9), read("b", 0.9), read("b", 0.4), read(None, 0.9)]
    figures = {each.name: each.value for each in value_figures("t", rows, [("a", "c")] * 4)}
    assert figures == {"right": 0.25, "wrong": 0.5, "confident and wrong": 0.25}


def test_the_majority_is_what_a_constant_answer_reaches() -> None:
    rows = [Attribute("type", (), 0.0, ())] * 3
    assert value_figures("t", rows, [("a", "c"), ("c",), ("b",)])[0].majority == pytest.approx(2 / 3)
