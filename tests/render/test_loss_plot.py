"""The plot of losses: it shows falling losses as falling, and survives what a run can leave behind."""

import math

import numpy as np
import pytest

from catalens.render.loss_plot import loss_plot


def test_falling_losses_fall() -> None:
    pixels = np.asarray(loss_plot([4.0, 3.0, 2.0, 1.0], []))
    blue = (pixels == (150, 175, 220)).all(axis=2)
    blue[:40] = False  # the legend
    heights = {column: np.flatnonzero(blue[:, column]).mean() for column in (100, 400, 700)}
    assert heights[100] < heights[400] < heights[700]


@pytest.mark.parametrize(("losses", "val"), [([], []), ([1.0], [1.0]), ([math.nan, 1.0, 2.0], [math.inf, 1.0])])
def test_any_run_can_be_drawn(losses: list[float], val: list[float]) -> None:
    assert loss_plot(losses, val).size == (800, 480)
