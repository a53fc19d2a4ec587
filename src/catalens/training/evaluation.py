"""Scores of an encoder on labelled rows: zero-shot accuracy, and how well texts find their pictures.

Plain numpy over vectors; it knows nothing of where they came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.types import Scores, Vectors


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Zero-shot accuracy over n rows and m labels, beside what the commonest label alone would reach."""

    top1: float
    top5: float
    majority: float
    rows: int
    labels: int


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How often the wanted item is among the first, over n queries; the median rank counts from 1."""

    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    median_rank: float
    queries: int


def accuracy(cosines: Scores, truth: NDArray[np.int64]) -> Accuracy:
    """Compare the best labels with the true one.

    Args:
        cosines: (n, m) of pictures against labels.
        truth: (n,) positions of the true label.

    Raises:
        InputError: there are no rows, a position is not among the labels, or a cosine is not finite.

    >>> accuracy(np.array([[0.9, 0.1], [0.8, 0.2]], np.float32), np.array([0, 1])).top1
    0.5
    """
    above, equal = _places(cosines, np.asarray(truth))
    return Accuracy(
        top1=_within(1, above, equal),
        top5=_within(5, above, equal),
        majority=float(np.bincount(truth).max() / len(truth)),
        rows=len(truth),
        labels=cosines.shape[1],
    )


def retrieval(queries: Vectors, items: Vectors, wanted: Sequence[int]) -> Retrieval:
    """Rank all items for each query and look where the wanted one comes.

    Args:
        queries: (n, dim).
        items: (m, dim).
        wanted: n positions among the items.

    Raises:
        InputError: there are no queries, a position is not among the items, or a cosine is not finite.
    """
    above, equal = _places(queries @ items.T, np.asarray(wanted))
    return Retrieval(
        recall_at_1=_within(1, above, equal),
        recall_at_5=_within(5, above, equal),
        recall_at_10=_within(10, above, equal),
        median_rank=float(np.median(above + (equal - 1) / 2) + 1),
        queries=len(queries),
    )


def _places(cosines: Scores, right: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Give, for each row, how many columns score above the right one, and how many as much (itself included)."""
    if len(right) == 0:
        raise InputError("there are no rows to evaluate; give at least one")
    if cosines.shape[0] != len(right) or right.min() < 0 or right.max() >= cosines.shape[1]:
        raise InputError(
            f"{len(right)} right columns from {right.min()} to {right.max()} do not fit "
            f"{cosines.shape[0]} rows of {cosines.shape[1]} scores"
        )
    if not np.isfinite(cosines).all():
        raise InputError("some scores are not finite numbers, so they cannot be ranked")
    of_right = cosines[np.arange(len(right)), right][:, None]
    return (cosines > of_right).sum(axis=1), (cosines == of_right).sum(axis=1)


def _within(k: int, above: NDArray[np.integer], equal: NDArray[np.integer]) -> float:
    """Return the share of rows whose right column is among the first k, equal scores in an order drawn by lot.

    So an encoder that scores everything alike is right as often as chance: not always, and not never.
    """
    return float(np.clip((k - above) / equal, 0.0, 1.0).mean())
