"""Resizing within bounds: Pillow's own result where that is cheap, and a good one where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from catalens.core import pixels
from catalens.core.pixels import crop_resized, missing_rows, plan_resize
from tests.support.hostile_images import scene

BICUBIC = Image.Resampling.BICUBIC


def test_ordinary_sizes_are_pillows_own() -> None:
    image = scene(301, 203)
    assert plan_resize(image, (64, 64), BICUBIC).tobytes() == image.resize((64, 64), BICUBIC).tobytes()
    whole = image.resize((94, 64), BICUBIC).crop((15, 0, 79, 64))
    assert crop_resized(image, (94, 64), (15, 0, 79, 64), BICUBIC).tobytes() == whole.tobytes()


def test_a_crop_made_alone_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    image = scene(301, 903)
    whole = np.asarray(image.resize((64, 192), BICUBIC).crop((0, 64, 64, 128)), dtype=int)
    monkeypatch.setattr(pixels, "_INTERMEDIATE_PIXELS", 100)
    alone = np.asarray(crop_resized(image, (64, 192), (0, 64, 64, 128), BICUBIC), dtype=int)
    assert abs(alone - whole).max() <= 1


def test_a_reduction_before_resizing_looks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image = scene(40, 8000)
    exact = np.asarray(image.resize((32, 32), BICUBIC), dtype=int)
    monkeypatch.setattr(pixels, "_INTERMEDIATE_PIXELS", 100)
    assert abs(np.asarray(plan_resize(image, (32, 32), BICUBIC), dtype=int) - exact).mean() < 1


@pytest.mark.parametrize("size_wh", [(1, 20_000_000), (20_000_000, 1)])
def test_a_line_of_millions_of_pixels_costs_no_more_than_itself(size_wh: tuple[int, int]) -> None:
    image = Image.new("RGB", size_wh, (10, 200, 30))
    for made in (
        plan_resize(image, (224, 224), BICUBIC),
        crop_resized(image, (size_wh[0] * 224, size_wh[1] * 224), (0, 0, 224, 224), BICUBIC),
    ):
        assert made.size == (224, 224)
        assert made.getpixel((100, 100)) == pytest.approx((10, 200, 30), abs=1)


def test_rows_that_equal_the_last_one_are_missing() -> None:
    assert missing_rows(Image.new("RGB", (4, 6))) == 6
    image = scene(8, 8)
    assert missing_rows(image) == 0
    image.paste((128, 128, 128), (0, 5, 8, 8))
    assert missing_rows(image) == 3
