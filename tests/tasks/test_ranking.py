from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from catalens.core.errors import InputError
from catalens.core.vectors import unit_rows
from catalens.tasks.ranking import cosines, top_k

HALVES = np.arange(2**16, dtype=np.uint16).view(np.float16)


def brute_force(scores: np.ndarray, k: int) -> list[list[int]]:
    return [sorted(range(len(row)), key=lambda at: (-row[at], at))[:k] for row in scores.tolist()]


@given(
    # Few different values, so that ties are everywhere, also at the edge of the best k.
    scores=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 3), st.integers(1, 1200)), elements=st.sampled_from([-1, 0, 0.5, 1])
    ),
    k=st.integers(1, 12),
)
def test_top_k_equals_brute_force_ties_included(scores: np.ndarray, k: int) -> None:
    assert top_k(scores, k).tolist() == brute_force(scores, k)


@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 5000), k=st.integers(1, 30))
def test_top_k_of_distinct_scores_equals_brute_force(seed: int, m: int, k: int) -> None:
    scores = np.random.default_rng(seed).random((2, m), dtype=np.float32)
    assert top_k(scores, k).tolist() == np.argsort(-scores, axis=1, kind="stable")[:, :k].tolist()


def test_top_k_of_no_rows() -> None:
    assert top_k(np.zeros((0, 4), np.float32), 2).shape == (0, 2)


def test_top_k_refuses_none() -> None:
    with pytest.raises(InputError, match="at least 1"):
        top_k(np.zeros((1, 4), np.float32), 0)


def test_every_finite_half_is_widened_exactly() -> None:
    finite = HALVES[np.isfinite(HALVES)]
    axis = np.ones((1, 1), np.float32)
    assert np.array_equal(cosines(axis, finite[:, None])[0], finite.astype(np.float32))


@pytest.mark.parametrize("m", [1, 1023, 1024, 1025, 3000])
def test_cosines_equal_numpy_across_block_edges(m: int) -> None:
    rng = np.random.default_rng(m)
    vectors, stored = (
        unit_rows(rng.standard_normal((3, 24))),
        unit_rows(rng.standard_normal((m, 24))).astype(np.float16),
    )
    expected = vectors.astype(np.float64) @ stored.astype(np.float64).T
    assert np.abs(cosines(vectors, stored) - expected).max() < 1e-6


def test_cosines_with_nothing_stored() -> None:
    assert cosines(np.ones((2, 4), np.float32), np.zeros((0, 4), np.float16)).shape == (2, 0)


def test_another_width_is_refused() -> None:
    with pytest.raises(InputError, match="width 5"):
        cosines(np.ones((2, 4), np.float32), np.zeros((3, 5), np.float16))


def test_a_broken_vector_is_refused_not_ranked() -> None:
    with pytest.raises(InputError, match="NaN"):
        cosines(np.full((1, 4), np.nan, np.float32), np.zeros((3, 4), np.float16))
