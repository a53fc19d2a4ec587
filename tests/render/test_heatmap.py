"""The similarity picture: colours follow the numbers, heads stand where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from catalens.core.errors import InputError
from catalens.render.heatmap import Head, heatmap

LOWEST, HIGHEST, EMPTY = (30, 38, 92), (250, 234, 130), (220, 223, 228)


def places(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """Return the (n, 2) rows and columns of the cells, legend left out, that hold a colour."""
    pixels = np.asarray(image)[:, : image.width - 100]
    return np.asarray(np.argwhere((pixels == colour).all(axis=-1)))


def test_the_highest_and_the_lowest_cell_have_the_ends_of_the_scale() -> None:
    scores = np.array([[0.9, 0.4, 0.4], [0.4, 0.4, -0.1]], dtype=np.float32)
    image = heatmap(scores, [Head("a"), Head("b")], [Head("x"), Head("y"), Head("z")])
    high, low = places(image, HIGHEST), places(image, LOWEST)
    assert high.mean(axis=0)[0] < low.mean(axis=0)[0]
    assert high.mean(axis=0)[1] < low.mean(axis=0)[1]
    assert 5000 < len(high) == pytest.approx(len(low), rel=0.1)


def test_heads_may_be_pictures_and_a_broken_one_is_grey() -> None:
    scores = np.array([[0.1, 0.2], [0.3, 0.4]], dtype=np.float32)
    red, blue = Image.new("RGB", (20, 40), (200, 0, 40)), Image.new("RGB", (40, 20), (0, 40, 200))
    image = heatmap(scores, [Head(picture=red), Head(picture="gone.jpg")], [Head("x", blue), Head("y")], title="t")
    assert len(places(image, (200, 0, 40))) == 36 * 72
    assert len(places(image, (0, 40, 200))) == 72 * 36
    assert len(places(image, EMPTY)) == 72 * 72
    assert places(image, (0, 40, 200))[:, 0].max() < places(image, (200, 0, 40))[:, 0].min()


def test_equal_scores_and_missing_ones() -> None:
    image = heatmap(np.full((1, 2), 0.5, np.float32), [Head("a")], [Head("x"), Head("y")])
    assert len(places(image, HIGHEST)) == len(places(image, LOWEST)) == 0
    missing = heatmap(np.array([[np.nan, 1.0]], np.float32), [Head("a")], [Head("x"), Head("y")])
    assert len(places(missing, EMPTY)) > 5000
    heatmap(np.full((1, 1), np.nan, np.float32), [Head("a")], [Head("x")])


@pytest.mark.parametrize(("shape", "rows", "columns"), [((2, 2), 2, 3), ((4,), 4, 1), ((0, 0), 0, 0), ((1, 41), 1, 41)])
def test_what_cannot_be_drawn_is_refused(shape: tuple[int, ...], rows: int, columns: int) -> None:
    with pytest.raises(InputError, match=r"cannot be drawn|does not fit"):
        heatmap(np.zeros(shape, np.float32), [Head("a")] * rows, [Head("x")] * columns)
