"""The shipped everyday encoder on a real photograph: labels in people's own words, one thing or several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import catalens
from catalens.core.images import read_image
from catalens.models.registry import load_encoder


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("a photo of a cat", "a photo of a dog"),
        ("a photo of cats", "a photo of dogs"),
        ("cats", "dogs"),
        ("a kitten", "a puppy"),
    ],
)
def test_a_cat_is_told_from_a_dog(right: str, wrong: str) -> None:
    skimage = pytest.importorskip("skimage", reason="scikit-image, whose wheel has photographs, is not installed")
    cat = read_image(Path(skimage.__file__).parent / "data" / "chelsea.png")
    encoder = load_encoder("everyday")
    [cosines] = encoder.encode_images([cat]) @ encoder.encode_texts([right, wrong]).T
    assert 1 / (1 + np.exp(encoder.logit_scale * (cosines[1] - cosines[0]))) > 0.9


def test_nobody_does_anything_where_nobody_is(kept: Path) -> None:
    skimage = pytest.importorskip("skimage", reason="scikit-image, whose wheel has photographs, is not installed")
    photo = Path(skimage.__file__).parent / "data" / "motorcycle_left.png"
    read = catalens.load(encoder="everyday", cache=kept).attributes(photo, schema="everyday")
    assert read["subject"].value == "motorcycle"
    assert read["doing"].value == "unknown"
