"""The exact scan: its two passes find what one exact pass finds, in the same order."""

from __future__ import annotations

import numpy as np
import pytest

from catalens.catalogue.scan import best, cosines, nearest
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows


def close(n: int, dim: int, spread: float, seed: int = 0) -> Vectors:
    """Return unit rows around one direction: the closer they are, the less a rough score can tell them apart."""
    generator = np.random.default_rng(seed)
    return unit_rows(np.random.default_rng(99).standard_normal(dim) + spread * generator.standard_normal((n, dim)))


@pytest.mark.parametrize("spread", [10.0, 0.1, 1e-3, 0.0])
@pytest.mark.parametrize("dim", [1, 3, 64, 257])
@pytest.mark.parametrize("m", [1, 2, 9])
def test_two_passes_find_what_one_exact_pass_finds(spread: float, dim: int, m: int) -> None:
    vectors = close(3000, dim, spread).astype(np.float16)
    queries = close(m, dim, spread, seed=1)
    exact = cosines(vectors, queries)
    at = np.flatnonzero(np.arange(3000) % 3 != 0)
    least = float(np.median(exact[0]))
    for k, min_score, chosen in (
        (1, None, None),
        (10, None, at),
        (10, least, None),
        (900, None, None),
        (4000, least, at),
    ):
        for number, (positions, scores) in enumerate(nearest(vectors, queries, k, min_score, chosen)):
            among = exact[number] if chosen is None else exact[number][chosen]
            expected = best(among, k, min_score)
            expected = expected if chosen is None else chosen[expected]
            assert positions.tolist() == expected.tolist()
            assert scores.tolist() == exact[number][expected].tolist()


def test_a_rough_score_alone_would_be_wrong() -> None:
    """The test above has teeth: by the first pass alone, the order of close rows is another."""
    vectors = close(3000, 64, 1e-3).astype(np.float16)
    query = close(1, 64, 1e-3, seed=1)
    rough = vectors.astype(np.float32) @ query[0].astype(np.float16).astype(np.float32)
    assert set(best(rough, 300).tolist()) != set(best(cosines(vectors, query)[0], 300).tolist())
