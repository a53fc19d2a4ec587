"""Small arithmetic on vectors, and the one way to cut a long input into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from catalens.core.types import Scores, Vectors

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut items into lists of at most size, lazily.

    >>> list(batched([1, 2, 3, 4, 5], 2))
    [[1, 2], [3, 4], [5]]
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def unit_rows(array: NDArray[np.floating]) -> Vectors:
    """Scale each row of an (n, dim) array to length one; a row of zeros stays zero.

    >>> unit_rows(np.array([[3.0, 4.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    rows = np.asarray(array, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.float32(1e-12)), dtype=np.float32)


def softmax(logits: NDArray[np.floating]) -> Scores:
    """Turn logits into probabilities along the last axis.

    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    shifted = np.asarray(logits, dtype=np.float32)
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


def sigmoid(logits: NDArray[np.floating]) -> Scores:
    """Turn each logit into a probability of its own.

    >>> sigmoid(np.array([0.0])).tolist()
    [0.5]
    """
    clipped = np.clip(np.asarray(logits, dtype=np.float32), -60.0, 60.0)
    return np.asarray(1.0 / (1.0 + np.exp(-clipped)), dtype=np.float32)
