"""Near-duplicates: records with practically the same image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.protocols import Index
from catalens.core.types import Record, Vectors
from catalens.core.vectors import batched

_BLOCK = 1024
"""Rows compared at once: a block of 1024 × 1024 cosines, 4 MB, stays in the processor's cache."""


def find_duplicates(
    index: Index, threshold: float = 0.98, *, is_cancelled: Callable[[], bool] = lambda: False
) -> list[list[Record]]:
    """Group the records that are linked by cosines of at least the threshold, directly or through others.

    Exact: every pair is compared. 40,000 records of 256 take seconds, 100,000 about a minute, and the vectors
    are held in memory as float32.

    Args:
        index: any.
        threshold: lowest cosine of a link, in (0, 1]. 0.98 joins copies, resizings and recolourings too slight to see.
        is_cancelled: asked between blocks of pairs; once it is true, nothing is returned.

    Returns:
        Groups of two or more, each in the order of `index.records`, groups in the order of their first record.

    Raises:
        InputError: a threshold that no link, or every pair, would meet.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"the threshold is {threshold}; it must be above 0 and at most 1, such as 0.98")
    records = list(index.records())
    vectors = np.zeros((len(records), index.dim), dtype=np.float32)
    at = 0
    for batch in batched(records, _BLOCK):
        vectors[at : at + len(batch)] = index.vectors([record.id for record in batch])
        at += len(batch)
    groups: dict[int, list[Record]] = {}
    for record, root in zip(records, _linked(vectors, threshold, is_cancelled), strict=True):
        groups.setdefault(root, []).append(record)
    return [] if is_cancelled() else [group for group in groups.values() if len(group) > 1]


def _linked(vectors: Vectors, threshold: float, is_cancelled: Callable[[], bool]) -> list[int]:
    """Return each of (n, dim) rows the position of the first row of its group."""
    # A picture that says "no photo" may stand a thousand times: equal rows are joined first, else
    # they would give a million pairs.
    _, firsts, same = np.unique(vectors.view(np.dtype((np.void, vectors.shape[1] * 4))).ravel(),
                                return_index=True, return_inverse=True)  # fmt: skip
    order = np.argsort(firsts)
    distinct = vectors[firsts[order]]
    parents = list(range(len(distinct)))
    for left, right in _pairs(distinct, threshold, is_cancelled):
        a, b = _root(parents, left), _root(parents, right)
        parents[max(a, b)] = min(a, b)
    position = np.argsort(order)  # of each distinct row, in the order of first sight
    return [_root(parents, one) for one in position[same].tolist()]


def _pairs(vectors: Vectors, threshold: float, is_cancelled: Callable[[], bool]) -> Iterator[tuple[int, int]]:
    """Return every pair of rows at least that alike."""
    least = np.float32(threshold - 1e-6)  # a row's cosine with its twin may miss 1 by a rounding
    for top in range(0, len(vectors), _BLOCK):
        for left in range(top, len(vectors), _BLOCK):
            if is_cancelled():
                return
            cosines: NDArray[np.float32] = vectors[top : top + _BLOCK] @ vectors[left : left + _BLOCK].T
            rows, columns = np.nonzero(cosines >= least)
            ahead = rows + top < columns + left
            yield from zip((rows[ahead] + top).tolist(), (columns[ahead] + left).tolist(), strict=True)


def _root(parents: list[int], one: int) -> int:
    while parents[one] != one:
        parents[one] = parents[parents[one]]
        one = parents[one]
    return one
