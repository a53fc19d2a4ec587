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
    places = _Places(cosines, np.asarray(truth))
    return Accuracy(
        top1=places.within(1),
        top5=places.within(5),
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
    places = _Places(queries @ items.T, np.asarray(wanted))
    return Retrieval(
        recall_at_1=places.within(1),
        recall_at_5=places.within(5),
        recall_at_10=places.within(10),
        median_rank=places.median(),
        queries=len(queries),
    )


class _Places:
    """Where the right column of each row comes; equal cosines share their places as if drawn by lot.

    So an encoder that gives everything the same score is right as often as chance, and not always or never.
    """

    def __init__(self, cosines: Scores, right: NDArray[np.integer]) -> None:
        if len(right) == 0:
            raise InputError("there are no labelled rows to evaluate")
        if cosines.shape[0] != len(right) or right.min() < 0 or right.max() >= cosines.shape[1]:
            raise InputError(
                f"the right columns are {len(right)} from {right.min()} to {right.max()}, "
                f"and do not fit the {cosines.shape[0]} rows of {cosines.shape[1]} scores"
            )
        if not np.isfinite(cosines).all():
            raise InputError("some scores are not finite numbers, so they cannot be ranked")
        of_right = cosines[np.arange(len(right)), right][:, None]
        self._above = (cosines > of_right).sum(axis=1)
        self._equal = (cosines == of_right).sum(axis=1)

    def within(self, k: int) -> float:
        """Give the expected share of rows whose right column is among the first k."""
        return float(np.clip((k - self._above) / self._equal, 0.0, 1.0).mean())

    def median(self) -> float:
        """Give the median of the right column's middle place, counted from 1."""
        return float(np.median(self._above + (self._equal - 1) / 2) + 1)
