"""What a picture becomes before a tower: its size, its margins, and which pixels are left."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from catalens.core.errors import InputError
from catalens.models.parts import Preprocess, Resize
from catalens.models.resizing import fit
from tests.support.drawings import drawn


def preprocess(resize: Resize, size_wh: tuple[int, int] = (8, 8)) -> Preprocess:
    return Preprocess(size_wh=size_wh, resize=resize, resample="bicubic", mean=(0, 0, 0), std=(1, 1, 1))


def columns(width: int, height: int) -> Image.Image:
    """A picture whose red channel is the number of the column, and whose green is that of the row."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(width), np.arange(height)[:, None]
    return Image.fromarray(pixels)


@pytest.mark.parametrize("resize", ["squash", "crop", "crop_even", "pad"])
def test_a_picture_of_the_right_size_is_left_alone(resize: Resize) -> None:
    picture = columns(8, 8)
    assert np.array_equal(fit(picture, preprocess(resize)), np.asarray(picture))


@pytest.mark.parametrize("resize", ["squash", "crop", "crop_even", "pad"])
@pytest.mark.parametrize("size_wh", [(1, 1), (300, 3), (5, 90), (9, 8), (64, 48)])
def test_every_shape_comes_to_the_right_size(resize: Resize, size_wh: tuple[int, int]) -> None:
    pixels = fit(Image.new("RGB", size_wh, "navy"), preprocess(resize))
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert pixels[3, 3].tolist() == [0, 0, 128]


@pytest.mark.parametrize(
    ("resize", "width", "first"), [("crop", 11, 1), ("crop_even", 11, 2), ("crop", 13, 2), ("crop_even", 13, 2)]
)
def test_an_odd_margin_is_rounded_as_the_model_was_trained(resize: Resize, width: int, first: int) -> None:
    pixels = fit(columns(width, 8), preprocess(resize))
    assert pixels[0, :, 0].tolist() == list(range(first, first + 8))


def test_cropping_keeps_the_middle_and_squashing_keeps_all() -> None:
    picture = Image.new("RGB", (24, 8), "red")
    picture.paste("blue", (8, 0, 16, 8))
    assert (fit(picture, preprocess("crop")) == (0, 0, 255)).all()
    squashed = fit(picture, preprocess("squash"))
    assert squashed[0, 0].tolist() == squashed[0, 7].tolist() == [255, 0, 0]
    assert squashed[0, 4, 2] > 200


@pytest.mark.parametrize("resize", ["squash", "crop", "crop_even"])
def test_a_large_picture_may_be_halved_first_and_a_small_one_is_as_before(resize: Resize) -> None:
    large = drawn(1)[0].picture.resize((900, 1200), Image.Resampling.LANCZOS)
    exact, near = (fit(large, preprocess(resize, (224, 224)), exact=each).astype(float) for each in (True, False))
    assert 0 < np.abs(exact - near).mean() < 1
    small = large.resize((300, 400), Image.Resampling.LANCZOS)
    exact, near = (fit(small, preprocess(resize, (224, 224)), exact=each) for each in (True, False))
    assert np.array_equal(exact, near)


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(InputError, match="RGB, not L"):
        fit(Image.new("L", (8, 8)), preprocess("squash"))
    with pytest.raises(InputError, match="cropped to squares; 8 by 6 is not square"):
        fit(Image.new("RGB", (8, 8)), preprocess("crop", (8, 6)))
