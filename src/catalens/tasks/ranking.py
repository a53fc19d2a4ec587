"""Exact cosines with many stored vectors, and top-k; numpy only.

Stored vectors are float16 and stay so in memory: numpy multiplies float32 only, so each block is widened
into a small buffer that stays in the processor's cache.

Source: measured on two cores of an AVX-512 machine, 100,000 × 256 labels, best of 10, all exact. One image:
numpy's own float16 conversion 45 ms, this one 9 ms, a float32 copy of everything 5 ms (and 100 MB), usearch
exact 6 ms. 64 images: 70, 31, 28 and 216 ms. Only usearch would hide the cosines that a softmax needs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.types import Scores, Vectors

Halves = NDArray[np.float16]
"""(m, dim) float16, rows of unit length to half precision: vectors at rest."""

_BLOCK_ROWS = 1024
_TOP_BLOCK = 256


def cosines(vectors: Vectors, stored: Halves) -> Scores:
    """Return (n, m) cosines of (n, dim) unit rows with (m, dim) stored ones.

    Raises:
        InputError: the widths differ, or a vector is not finite.
    """
    if vectors.ndim != 2 or vectors.shape[1] != stored.shape[1]:
        raise InputError(f"vectors of shape {vectors.shape} do not fit labels of width {stored.shape[1]}")
    if not np.isfinite(vectors).all():
        raise InputError("a vector holds NaN or infinity; the encoder that made it is broken")
    scores = np.empty((len(vectors), len(stored)), dtype=np.float32)
    buffer = np.empty((min(_BLOCK_ROWS, len(stored)), stored.shape[1]), dtype=np.float32)
    for start in range(0, len(stored), _BLOCK_ROWS):
        block = stored[start : start + _BLOCK_ROWS]
        np.matmul(vectors, _widen(block, buffer[: len(block)]).T, out=scores[:, start : start + len(block)])
    return scores


def top_k(scores: Scores, k: int) -> NDArray[np.int64]:
    """Return the positions of the k highest of each row, best first; equal scores keep their order.

    Args:
        scores: (n, m), none of them NaN.
        k: at least 1; where it is more than m, all m are given.

    Returns:
        (n, min(k, m)).

    Raises:
        InputError: k is less than 1.

    >>> top_k(np.array([[0.1, 0.9, 0.5, 0.9]], dtype=np.float32), 3).tolist()
    [[1, 3, 2]]
    """
    check_k(k)
    n, m = scores.shape
    blocks = m // _TOP_BLOCK
    if k > blocks:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    # At least k scores reach the k-th best of the blocks' maxima, so nothing below it can be among the best k.
    maxima = scores[:, : blocks * _TOP_BLOCK].reshape(n, blocks, _TOP_BLOCK).max(axis=2)
    bounds = np.partition(maxima, blocks - k, axis=1)[:, blocks - k]
    best = np.empty((n, k), dtype=np.int64)
    for row, (row_scores, bound) in enumerate(zip(scores, bounds, strict=True)):
        candidates = np.flatnonzero(row_scores >= bound)
        best[row] = candidates[np.argsort(-row_scores[candidates], kind="stable")[:k]]
    return best


def check_k(k: int) -> None:
    """Check that a number of results is at least 1.

    Raises:
        InputError: k is less than 1.
    """
    if k < 1:
        raise InputError(f"the number of results is {k}; it must be at least 1")


def _widen(halves: Halves, out: Vectors) -> Vectors:
    """Convert finite float16 to float32 into out, five times faster than numpy does.

    Moves sign, exponent and fraction to where float32 has them, then corrects the exponent's bias: 127 - 15 = 112.
    """
    bits = out.view(np.int32)
    bits[:] = halves.view(np.int16)
    bits <<= 13
    bits &= np.int32(-0x70000001)
    out *= np.float32(2.0**112)
    return out
