"""Confidence intervals of measured shares and means, and tests of whether two models differ.

All of them take the rows of a table as independent draws; where several pictures show one product, the intervals are
too narrow. SciPy computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError

LEVEL = 0.95
"""Confidence level of every interval."""
RESAMPLES = 2_000
"""Of every bootstrap; drawn with a fixed seed, so that a report can be made again."""
_SEED = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same n rows.

    Attributes:
        difference: second minus first, with a paired bootstrap interval.
        only_first: rows that only the first got right.
        only_second: rows that only the second got right.
        p: of McNemar's exact test, two-sided: how likely a split at least so uneven is if neither is better.
    """

    difference: Interval
    only_first: int
    only_second: int
    p: float


def wilson(values: NDArray[np.float64]) -> Interval:
    """Return a share with its Wilson score interval.

    Args:
        values: (n,) of 0 and 1; the fractions by which equal scores share are summed and rounded.

    >>> found = wilson(np.array([1.0] * 8 + [0.0] * 2))
    >>> round(found.low, 3), found.value, round(found.high, 3)
    (0.49, 0.8, 0.943)
    """
    if len(values) == 0:
        raise InputError("there are no rows to measure; give at least one")
    share = float(values.mean())
    found = _scipy().binomtest(round(float(values.sum())), len(values)).proportion_ci(LEVEL, method="wilson")
    return Interval(share, min(float(found.low), share), max(float(found.high), share))


def bootstrap_median(values: NDArray[np.float64]) -> Interval:
    """Return a median with its percentile bootstrap interval, of (n,) values."""
    return _bootstrap(values, np.median)


def compare(first: NDArray[np.float64], second: NDArray[np.float64]) -> Comparison:
    """Compare two models row by row.

    Args:
        first: (n,), 1 where the first model is right, 0 where it is wrong.
        second: (n,), the same of the second model on the same rows.

    Raises:
        InputError: the numbers of rows differ.

    >>> compare(np.array([1.0] * 8 + [0.0] * 2), np.ones(10)).p
    0.5
    """
    if len(first) != len(second):
        raise InputError(f"{len(first)} rows cannot be paired with {len(second)}; measure both models on one table")
    right_first, right_second = first > 0.5, second > 0.5
    only_first = int((right_first & ~right_second).sum())
    only_second = int((right_second & ~right_first).sum())
    apart = only_first + only_second
    p = float(_scipy().binomtest(only_first, apart, 0.5).pvalue) if apart else 1.0
    return Comparison(_bootstrap(second - first, np.mean), only_first, only_second, p)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values corrected for being several, by Holm's method, in their order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    corrected, largest = [0.0] * len(ps), 0.0
    for place, at in enumerate(order):
        largest = max(largest, min(1.0, ps[at] * (len(ps) - place)))
        corrected[at] = round(largest, 12)
    return corrected


def _bootstrap(values: NDArray[np.float64], statistic: Any) -> Interval:  # noqa: ANN401 - np.mean or np.median
    value = float(statistic(values))
    if len(values) < 2 or (values == values[0]).all():
        return Interval(value, value, value)
    found = _scipy().bootstrap(
        (values,),
        statistic,
        n_resamples=RESAMPLES,
        batch=max(1, 4_000_000 // len(values)),
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    )
    return Interval(value, float(found.confidence_interval.low), float(found.confidence_interval.high))


def _scipy() -> Any:  # noqa: ANN401 - a module without types
    try:
        from scipy import stats
    except ImportError as error:
        raise InputError('confidence intervals need SciPy: pip install "catalens[report]"') from error
    return stats
