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
    """Zero-shot accuracy over n rows and m labels, beside that of the most frequent label."""

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


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where the right column of each of n rows comes.

    Attributes:
        above: (n,), how many columns score higher.
        equal: (n,), how many score as much, itself included.
    """

    above: NDArray[np.integer]
    equal: NDArray[np.integer]

    @property
    def middle(self) -> NDArray[np.float64]:
        """(n,) ranks from 1; of equal scores the middle one."""
        return np.asarray(self.above + (self.equal - 1) / 2 + 1, dtype=np.float64)

    def within(self, k: int) -> NDArray[np.float64]:
        """Return (n,): 1 where the right column is among the first k, 0 where not; equal scores share by lot.

        So an encoder that scores everything alike is right as often as chance: not always, and not never.
        """
        return np.clip((k - self.above) / self.equal, 0.0, 1.0)


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
    return accuracy_of(rank(cosines, np.asarray(truth)), truth, cosines.shape[1])


def accuracy_of(ranks: Ranks, truth: NDArray[np.int64], labels: int) -> Accuracy:
    """Return the accuracy of n rows whose true labels, at the positions `truth`, were ranked among all labels."""
    return Accuracy(
        top1=float(ranks.within(1).mean()),
        top5=float(ranks.within(5).mean()),
        majority=float(np.bincount(truth).max() / len(truth)),
        rows=len(truth),
        labels=labels,
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
    return retrieval_of(rank(queries @ items.T, np.asarray(wanted)))


def retrieval_of(ranks: Ranks) -> Retrieval:
    """Return the scores of n queries whose wanted items were ranked."""
    return Retrieval(
        recall_at_1=float(ranks.within(1).mean()),
        recall_at_5=float(ranks.within(5).mean()),
        recall_at_10=float(ranks.within(10).mean()),
        median_rank=float(np.median(ranks.middle)),
        queries=len(ranks.above),
    )


def rank(cosines: Scores, right: NDArray[np.integer]) -> Ranks:
    """Return where the right column of each row comes.

    Args:
        cosines: (n, m).
        right: (n,) positions of columns.

    Raises:
        InputError: there are no rows, a position is not among the columns, or a cosine is not finite.
    """
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
    return Ranks((cosines > of_right).sum(axis=1), (cosines == of_right).sum(axis=1))
