"""Images that the gate takes for products, though the product encoder knows no kind for them, are looked at again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalens.core.classes import THINGS, Classes
from catalens.core.images import read_image
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.fakes import FakeEncoder
from catalens.models.gate import Gate
from catalens.models.readers.auto import AutoReader
from catalens.models.readers.registry import load_reader
from catalens.models.registry import load_encoder
from catalens.models.routing import PRODUCT, EncoderRouter, bundled_router
from catalens.models.second_look import are_products, is_doubtful, shows_goods
from catalens.training.recipes.unified.wild import read_wild

DATA = Path(os.environ.get("CATALENS_DATA", "../shared/data"))
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


class Colours(FakeEncoder):
    """Its vectors are the mean colour, so that images lie near classes at will."""

    def __init__(self, name: str, words: Sequence[str]) -> None:
        super().__init__(3, logit_scale=20.0)
        self.name = name
        self.classes = {THINGS: Classes(np.eye(3, dtype=np.float32), {word: (at,) for at, word in enumerate(words)})}

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        self.batches.append(len(images))
        return unit_rows(np.array([np.asarray(image).mean(axis=(0, 1)) for image in images], dtype=np.float32))


@pytest.fixture
def product() -> Colours:
    return Colours("starter@0", ["shirt", "shoe", "belt"])


@pytest.fixture
def everyday() -> Colours:
    return Colours("everyday@0", ["clothes", "fig", "telephone"])


def plain(*colours: tuple[int, int, int]) -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), colour) for colour in colours]


def test_an_image_of_no_likely_kind_is_doubtful(product: Colours) -> None:
    vectors = unit_rows(np.array([[1, 0, 0], [1, 1, 1], [1, 1, 0.8]], dtype=np.float32))
    assert is_doubtful(product, vectors).tolist() == [False, True, False]
    assert is_doubtful(FakeEncoder(3), vectors).tolist() == [False, False, False]
    assert is_doubtful(product, vectors[:0]).shape == (0,)


def test_goods_are_what_is_worn(everyday: Colours) -> None:
    vectors = unit_rows(np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=np.float32))
    assert shows_goods(everyday, vectors).tolist() == [True, False, True]
    assert shows_goods(FakeEncoder(3), vectors).tolist() == [True, True, True]


def test_only_doubtful_images_pass_through_both_encoders(product: Colours, everyday: Colours) -> None:
    gate = Gate(np.array([9.0, 9.0, 9.0], np.float32), 0.0)  # everything may be a product
    router = EncoderRouter(product, lambda: everyday, gate, (8, 8))
    sure = router.encode_images(plain(RED, GREEN, RED))
    assert [encoder.name for encoder, _ in sure.split()] == ["starter@0"] * 3
    assert everyday.batches == []
    # Grey is of no kind; to this encoder all three kinds of things are equally likely, and clothes too little so.
    routed = router.encode_images(plain(RED, (90, 90, 90), GREEN, (80, 70, 70)))
    assert [encoder.name for encoder, _ in routed.split()] == ["starter@0", "everyday@0", "starter@0", "starter@0"]
    assert everyday.batches == [1]
    assert routed.split()[1][1].tolist() == pytest.approx([3**-0.5] * 3)


def test_goods_stay_with_the_product_encoder(product: Colours, everyday: Colours) -> None:
    gate = Gate(np.array([9.0, 9.0, 9.0], np.float32), 0.0)
    everyday.encode_images = lambda images: np.tile(np.array([[1, 0, 0]], np.float32), (len(images), 1))  # type: ignore[method-assign]
    routed = EncoderRouter(product, lambda: everyday, gate, (8, 8)).encode_images(plain((90, 90, 90), BLUE))
    (part,) = routed.parts
    assert (part.encoder.name, part.rows.tolist()) == ("starter@0", [0, 1])
    vectors = part.vectors
    assert are_products(gate, product, everyday, vectors, np.array([[1, 0, 0]] * 2, np.float32)).tolist() == [True] * 2
    assert are_products(gate, product, everyday, vectors, np.array([[0, 1, 0]] * 2, np.float32)).tolist() == [
        False,
        True,
    ]


@pytest.mark.skipif(not (DATA / "wild").is_dir(), reason="the wild tables are not here (CATALENS_DATA)")
def test_encoders_and_readers_read_the_same_objects_as_products(kept: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    wanted = ("fig", "leopard", "viaduct", "cowboy boot", "purse", "table lamp")
    rows = [row for row in read_wild(DATA, "objects") if row.label in wanted]
    images = [read_image(row.picture) for row in rows]
    router, reader = bundled_router(load_encoder), load_reader(PRODUCT, cache=kept)
    assert isinstance(reader, AutoReader)
    names = {
        row.label: encoder.name.partition("@")[0]
        for row, (encoder, _) in zip(rows, router.encode_images(images).split(), strict=True)
    }
    assert {label for label, name in names.items() if name == PRODUCT} == {"cowboy boot", "purse"}
    encoded = reader.encode_images(images)
    assert [name == PRODUCT for name in names.values()] == encoded.is_product.tolist()
    assert [len(part.rows) for part in reader.parts(encoded)] == [len(part.encoded) for part in reader.parts(encoded)]
