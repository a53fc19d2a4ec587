"""Confidence intervals and paired tests, against values that are published or can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from catalens.core.errors import InputError
from catalens.tasks.intervals import bootstrap_median, compare, holm, wilson

pytest.importorskip("scipy", reason="scipy is not installed")


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_the_published_interval(right: int, rows: int, low: float, high: float) -> None:
    found = wilson(np.array([1.0] * right + [0.0] * (rows - right)))
    assert found.value == pytest.approx(right / rows)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_shares_of_ties_are_summed() -> None:
    assert wilson(np.full(10, 0.5)) == wilson(np.array([1.0] * 5 + [0.0] * 5))


def test_nothing_has_no_interval() -> None:
    with pytest.raises(InputError, match="no rows"):
        wilson(np.zeros(0))


def test_mcnemar_s_test_is_exact() -> None:
    # 10 of one kind and 2 of the other: twice the sum of C(12, 0 … 2) / 2^12
    first = np.array([1.0] * 10 + [0.0] * 2 + [1.0] * 50)
    second = np.array([0.0] * 10 + [1.0] * 2 + [1.0] * 50)
    found = compare(first, second)
    assert (found.only_first, found.only_second) == (10, 2)
    assert found.p == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert found.difference.value == pytest.approx(-8 / 62)
    assert found.difference.low < -8 / 62 < found.difference.high < 0


def test_a_model_does_not_differ_from_itself() -> None:
    found = compare(np.array([1.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0]))
    assert (found.p, found.difference.low, found.difference.high) == (1.0, 0.0, 0.0)


def test_rows_must_pair() -> None:
    with pytest.raises(InputError, match="2 rows cannot be paired with 3"):
        compare(np.zeros(2), np.zeros(3))


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(60):
        found = compare(np.zeros(80), (rng.random(80) < 0.3).astype(np.float64)).difference
        covered += found.low <= 0.3 <= found.high
    assert 50 <= covered <= 60


def test_the_same_values_give_the_same_interval() -> None:
    ranks = np.random.default_rng(2).integers(1, 100, 200).astype(np.float64)
    assert bootstrap_median(ranks) == bootstrap_median(ranks)
    assert bootstrap_median(ranks).low <= np.median(ranks) <= bootstrap_median(ranks).high


def test_holm_never_lets_a_larger_p_become_the_smaller() -> None:
    assert holm([0.02, 0.02, 0.9]) == [0.06, 0.06, 0.9]
    assert holm([]) == []
