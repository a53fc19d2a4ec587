"""Exact search: the cosine of one query with every stored vector.

Vectors stay float16, half the memory traffic of float32, which is what a scan costs; why this
kernel is said in docs/decisions/002-exact-scan.md.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import CatalogueError
from catalens.core.types import Scores, Vectors

HalfVectors: TypeAlias = NDArray[np.float16]
"""(n, dim) unit rows as they are stored."""

Rows: TypeAlias = NDArray[np.int64]
"""(n,) row numbers, rising."""

_DECIMALS = 6
"""Scores are rounded to this, so that equal vectors tie however a kernel ordered its sums."""

_LOW_SCALE = np.float32(2048)


def cosines(vectors: HalfVectors, queries: Vectors) -> Scores:
    """Return (m, n) cosines of (m, dim) unit queries with (n, dim) stored rows, to six decimals.

    Raises:
        CatalogueError: the library with the kernel is missing.
    """
    try:
        from numkong import cdist
    except ImportError as error:
        raise CatalogueError("searching needs numkong; install it with: pip install numkong") from error
    m = len(queries)
    if not len(vectors) or not m:
        return np.zeros((m, len(vectors)), dtype=np.float32)
    # The kernel wants both sides in float16. Two half-precision parts of the query lose nothing that
    # float32 could show, and cost half as much again as one, not twice: the rows are read from cache.
    high = queries.astype(np.float16)
    low = ((queries - high.astype(np.float32)) * _LOW_SCALE).astype(np.float16)
    parts = np.asarray(cdist(np.concatenate([high, low]), vectors, "dot"))
    return rounded(parts[:m] + parts[m:] / _LOW_SCALE)


def rounded(scores: NDArray[np.floating]) -> Scores:
    """Bring scores to the precision in which they are compared, and to what a cosine can be.

    A row rounded to half precision may be longer than one by a ten-thousandth.
    """
    return np.asarray(np.round(np.clip(scores, -1, 1), _DECIMALS), dtype=np.float32)


def best(scores: Scores, k: int, min_score: float | None = None) -> NDArray[np.intp]:
    """Return the positions of the k highest of (n,) scores, best first, earlier first among equals.

    >>> best(np.array([0.1, 0.9, 0.9, 0.5], dtype=np.float32), 3).tolist()
    [1, 2, 3]
    """
    kept = np.arange(len(scores)) if min_score is None else np.flatnonzero(scores >= np.float32(min_score))
    if k < len(kept):
        least = np.partition(scores[kept], len(kept) - k)[len(kept) - k]
        kept = kept[scores[kept] >= least]
    return kept[np.argsort(-scores[kept], kind="stable")][:k]
