"""Exact search: a rough score for every stored vector, and exact ones for those that may be among the best.

Vectors stay float16, half the memory traffic of float32, which is what a scan costs; why these
kernels is said in docs/decisions/002-exact-scan.md and 031-scan-in-two-passes.md.
"""

from __future__ import annotations

from types import ModuleType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import CatalogueError
from catalens.core.types import Scores, Vectors

HalfVectors: TypeAlias = NDArray[np.float16]
"""(n, dim) unit rows as they are stored."""

Rows: TypeAlias = NDArray[np.int64]
"""(n,) row numbers, rising."""

Positions: TypeAlias = NDArray[np.intp]
"""(n,) positions in an array of rows."""

_KERNEL_ERROR = 3e-5  # what sums in float32 and the rounding of scores can add
_DECIMALS = 6
"""Scores are rounded to this, so that equal vectors tie however a kernel ordered its sums."""

_LOW_SCALE = np.float32(2048)


def nearest(
    vectors: HalfVectors, queries: Vectors, k: int, min_score: float | None = None, at: Positions | None = None
) -> list[tuple[Positions, Scores]]:
    """Find the k best of (n, dim) stored rows for each of (m, dim) unit queries, exactly.

    A query rounded to half precision gives every score, with an error that is known; only what may be
    among the best by it is scored exactly.

    Args:
        vectors: (n, dim) stored rows.
        queries: (m, dim), unit rows.
        k: positions wanted.
        min_score: lowest cosine.
        at: the positions, rising, that may be found; None for all.

    Returns:
        For each query the positions of the best and their cosines, best first, earlier first among equals.

    Raises:
        CatalogueError: the library with the kernels is missing.
    """
    halves = queries.astype(np.float16)
    errors = 1.01 * np.linalg.norm(queries - halves.astype(np.float32), axis=1) + _KERNEL_ERROR
    found = []
    for query, rough, error in zip(queries, _rough_cosines(vectors, halves), errors.tolist(), strict=True):
        positions = _candidates(rough if at is None else rough[at], k, min_score, error)
        positions = positions if at is None else at[positions]
        if len(positions) < len(vectors) // 4:  # copying rows costs some four times their scan
            exact = cosines(vectors[positions], query[None])[0]
        else:
            exact = cosines(vectors, query[None])[0][positions]
        order = best(exact, k, min_score)
        found.append((positions[order], exact[order]))
    return found


def _rough_cosines(vectors: HalfVectors, halves: HalfVectors) -> NDArray[np.floating]:
    """Return (m, n) cosines of (m, dim) float16 queries, clipped to what a cosine can be."""
    kernels = _kernels()
    if not len(vectors) or not len(halves):
        return np.zeros((len(halves), len(vectors)), dtype=np.float32)
    if len(halves) == 1:
        rough = np.asarray(kernels.cdist(halves, vectors, "dot"))
    else:  # packed, each stored row is converted once for all queries
        packed = kernels.dots_pack(np.ascontiguousarray(halves), dtype="float16")
        rough = np.ascontiguousarray(np.asarray(kernels.dots_packed(vectors, packed)).T)
    return np.clip(rough, -1, 1, out=rough)


def _candidates(rough: NDArray[np.floating], k: int, min_score: float | None, error: float) -> Positions:
    """Return the positions that may hold one of the k best, given how far rough scores may be off."""
    least = -np.inf if min_score is None else min_score - error
    if k < len(rough):
        least = max(least, np.partition(rough, len(rough) - k)[len(rough) - k] - 2 * error)
    return np.flatnonzero(rough >= least)


def cosines(vectors: HalfVectors, queries: Vectors) -> Scores:
    """Return (m, n) cosines of (m, dim) unit queries with (n, dim) stored rows, to six decimals.

    Raises:
        CatalogueError: the library with the kernels is missing.
    """
    kernels = _kernels()
    m = len(queries)
    if not len(vectors) or not m:
        return np.zeros((m, len(vectors)), dtype=np.float32)
    # The kernel wants both sides in float16. Two half-precision parts of the query lose nothing that
    # float32 could show.
    high = queries.astype(np.float16)
    low = ((queries - high.astype(np.float32)) * _LOW_SCALE).astype(np.float16)
    parts = np.asarray(kernels.cdist(np.concatenate([high, low]), vectors, "dot"))
    return rounded(parts[:m] + parts[m:] / _LOW_SCALE)


def _kernels() -> ModuleType:
    try:
        import numkong
    except ImportError as error:
        raise CatalogueError("searching needs numkong; install it with: pip install numkong") from error
    return numkong


def rounded(scores: NDArray[np.floating]) -> Scores:
    """Bring scores to the precision in which they are compared, and to what a cosine can be.

    A row rounded to half precision may be longer than one by a ten-thousandth.
    """
    return np.asarray(np.round(np.clip(scores, -1, 1), _DECIMALS), dtype=np.float32)


def best(scores: Scores, k: int, min_score: float | None = None) -> Positions:
    """Return the positions of the k highest of (n,) scores, best first, earlier first among equals.

    >>> best(np.array([0.1, 0.9, 0.9, 0.5], dtype=np.float32), 3).tolist()
    [1, 2, 3]
    """
    kept = np.arange(len(scores)) if min_score is None else np.flatnonzero(scores >= np.float32(min_score))
    if k < len(kept):
        least = np.partition(scores[kept], len(kept) - k)[len(kept) - k]
        kept = kept[scores[kept] >= least]
    return kept[np.argsort(-scores[kept], kind="stable")][:k]
