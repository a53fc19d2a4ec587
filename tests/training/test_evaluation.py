"""Scores against known values, against counting by hand, and where several items score alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.vectors import unit_rows
from catalens.training.evaluation import accuracy, retrieval


def scores(rows: list[list[float]]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


def test_known_accuracy() -> None:
    cosines = scores([[0.9, 0.1, 0.0], [0.2, 0.8, 0.3], [0.1, 0.3, 0.2], [0.5, 0.4, 0.3]])
    found = accuracy(cosines, np.array([0, 1, 2, 2]))
    assert (found.top1, found.top5, found.majority) == (0.5, 1.0, 0.5)
    assert (found.rows, found.labels) == (4, 3)


def test_top5_of_many_labels() -> None:
    cosines = -np.arange(8, dtype=np.float32)[None, :].repeat(8, axis=0)
    found = accuracy(cosines, np.arange(8))
    assert (found.top1, found.top5, found.majority) == (1 / 8, 5 / 8, 1 / 8)


def test_known_retrieval() -> None:
    items = np.eye(12, dtype=np.float32)
    queries = unit_rows(np.eye(12) + 0.1 * np.tril(np.ones((12, 12)), -1))
    found = retrieval(queries, items, range(12))
    assert (found.recall_at_1, found.recall_at_10, found.median_rank, found.queries) == (1.0, 1.0, 1.0, 12)
    assert retrieval(queries, items, [11] * 12).recall_at_1 == pytest.approx(1 / 12)


def test_retrieval_counts_what_scores_higher() -> None:
    angles = np.linspace(0, 1, 20)
    items = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = retrieval(items[[0, 0, 0, 0]], items, [0, 3, 7, 12])  # ranks 1, 4, 8 and 13
    assert (found.recall_at_1, found.recall_at_5, found.recall_at_10) == (0.25, 0.5, 0.75)
    assert found.median_rank == 6.0


def test_an_encoder_that_scores_all_alike_is_right_by_chance_only() -> None:
    found = accuracy(np.zeros((6, 20), dtype=np.float32), np.arange(6))
    assert (found.top1, found.top5) == pytest.approx((1 / 20, 5 / 20))
    alike = retrieval(unit_rows(np.ones((6, 4))), unit_rows(np.ones((20, 4))), range(6))
    assert (alike.recall_at_1, alike.recall_at_5, alike.recall_at_10) == pytest.approx((1 / 20, 5 / 20, 10 / 20))
    assert alike.median_rank == 10.5


def test_two_that_tie_for_the_first_place_share_it() -> None:
    assert accuracy(scores([[0.5, 0.5, 0.1]]), np.array([1])).top1 == 0.5
    assert accuracy(scores([[0.5, 0.5, 0.1]]), np.array([1])).top5 == 1.0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equal_scores_are_as_if_drawn_by_lot(data: st.DataObject) -> None:
    n, m = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 12))
    cells = st.lists(st.sampled_from([-0.5, 0.0, 0.25, 0.5]), min_size=m, max_size=m)
    cosines = scores(data.draw(st.lists(cells, min_size=n, max_size=n)))
    truth = np.array(data.draw(st.lists(st.integers(0, m - 1), min_size=n, max_size=n)))
    found = accuracy(cosines, truth)
    for k, share in ((1, found.top1), (5, found.top5)):
        by_hand = 0.0
        for row, right in zip(cosines.tolist(), truth.tolist(), strict=True):
            above = sum(score > row[right] for score in row)
            orders = [above + place for place in range(row.count(row[right]))]
            by_hand += sum(place < k for place in orders) / len(orders)
        assert share == pytest.approx(by_hand / n)
    assert 0.0 <= found.top1 <= found.top5 <= 1.0
    assert found.majority == max(truth.tolist().count(label) for label in truth.tolist()) / n


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 20), m=st.integers(1, 30), seed=st.integers(0, 10_000))
def test_retrieval_is_that_of_sorting(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, items = unit_rows(rng.standard_normal((n, 8))), unit_rows(rng.standard_normal((m, 8)))
    wanted = rng.integers(0, m, n)
    found = retrieval(queries, items, wanted.tolist())
    orders = np.argsort(-(queries @ items.T), axis=1, kind="stable")
    ranks = np.array([order.tolist().index(right) for order, right in zip(orders, wanted, strict=True)])
    assert found.recall_at_1 == pytest.approx((ranks < 1).mean())
    assert found.recall_at_5 == pytest.approx((ranks < 5).mean())
    assert found.recall_at_10 == pytest.approx((ranks < 10).mean())
    assert found.median_rank == np.median(ranks) + 1


def test_nothing_to_evaluate_is_refused() -> None:
    with pytest.raises(InputError, match="no rows to evaluate"):
        accuracy(np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.int64))
    with pytest.raises(InputError, match="no rows to evaluate"):
        retrieval(np.zeros((0, 3), dtype=np.float32), np.eye(3, dtype=np.float32), [])


@pytest.mark.parametrize("truth", [[0], [0, 1, 2], [0, 3], [-1, 0]])
def test_a_truth_that_does_not_fit_the_scores_is_refused(truth: list[int]) -> None:
    with pytest.raises(InputError, match="do not fit 2 rows of 3 scores"):
        accuracy(np.zeros((2, 3), dtype=np.float32), np.array(truth))


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        accuracy(scores([[0.5, np.nan]]), np.array([1]))
