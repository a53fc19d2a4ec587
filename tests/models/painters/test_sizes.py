"""Sizes: multiples and limits hold for every picture, and the aspect is kept as well as they allow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalens.models.painters.sizes import fit_area, fit_limits

SIDES = st.integers(1, 20_000)


@given(SIDES, SIDES, st.sampled_from([8, 16, 32, 64]))
def test_sides_are_multiples_and_the_aspect_is_near(width: int, height: int, multiple: int) -> None:
    area = 1024 * 1024
    painted = fit_area((width, height), area, multiple)
    assert all(side > 0 and side % multiple == 0 for side in painted)
    exact = ((area * width / height) ** 0.5, (area * height / width) ** 0.5)
    for side, wanted in zip(painted, exact, strict=True):
        assert abs(side - wanted) <= max(multiple / 2, multiple - wanted) + 1e-6


@given(SIDES, SIDES)
def test_limits_hold_where_they_can_and_a_good_size_stays(width: int, height: int) -> None:
    limited = fit_limits((width, height), shortest=64, max_pixels=1024 * 1024)
    assert min(limited) >= 64
    if max(width, height) / min(width, height) < 100:
        assert limited[0] * limited[1] <= 1024 * 1024
        assert limited[0] / limited[1] == pytest.approx(width / height, rel=0.04)
    if min(width, height) >= 64 and width * height <= 1024 * 1024:
        assert limited == (width, height)


def test_known_sizes() -> None:
    assert fit_area((4000, 3000), 1024 * 1024, 64) == (1152, 896)
    assert fit_area((192, 192), 512 * 512, 8) == (512, 512)
    assert fit_limits((2048, 2048), shortest=64, max_pixels=1024 * 1024) == (1024, 1024)
