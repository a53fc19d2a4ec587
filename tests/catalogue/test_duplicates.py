"""Near-duplicates: against every pair by hand, and the cases that would be slow or wrong."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalens.catalogue.duplicates import find_duplicates
from catalens.catalogue.memory import MemoryIndex
from catalens.core.errors import InputError
from catalens.core.types import Record, Vectors
from catalens.core.vectors import unit_rows


def index_of(vectors: Vectors) -> MemoryIndex:
    index = MemoryIndex("enc", vectors.shape[1])
    index.add([Record(f"{at}", "") for at in range(len(vectors))], vectors)
    return index


def ids_of(groups: list[list[Record]]) -> list[list[int]]:
    return [[int(record.id) for record in group] for group in groups]


def at_angles(*degrees: float) -> Vectors:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_links_reach_through_others_and_order_is_that_of_the_catalogue() -> None:
    vectors = at_angles(90, 0, 10, 180, 20, 91, 270)
    assert ids_of(find_duplicates(index_of(vectors), 0.98)) == [[0, 5], [1, 2, 4]]


def test_identical_pictures_meet_even_at_one() -> None:
    vectors = np.repeat(unit_rows(np.random.default_rng(0).standard_normal((3, 64))), 2, axis=0)[[0, 2, 1, 4, 3, 5]]
    assert ids_of(find_duplicates(index_of(vectors), 1.0)) == [[0, 2], [1, 4], [3, 5]]


def test_a_placeholder_that_stands_thousands_of_times_is_one_group() -> None:
    vectors = np.repeat(at_angles(0, 90), 5000, axis=0)
    assert [len(group) for group in find_duplicates(index_of(vectors))] == [5000, 5000]


def test_nothing_to_find() -> None:
    assert find_duplicates(index_of(at_angles(0, 40, 80))) == []
    assert find_duplicates(index_of(np.zeros((0, 4), dtype=np.float32))) == []


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1, float("nan")])
def test_a_threshold_without_meaning_is_refused(threshold: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        find_duplicates(index_of(at_angles(0)), threshold)


@settings(max_examples=50, deadline=None)
@given(degrees=st.lists(st.integers(0, 359), max_size=25), threshold=st.sampled_from([0.95, 0.98, 0.999]))
def test_groups_are_the_connected_parts_of_all_pairs(degrees: list[int], threshold: float) -> None:
    index = index_of(at_angles(*degrees).reshape(-1, 2))
    vectors = index.vectors([f"{at}" for at in range(len(degrees))])
    groups = [{at} for at in range(len(degrees))]
    for a, b in combinations(range(len(degrees)), 2):
        if vectors[a] @ vectors[b] >= threshold - 1e-6:
            joined = groups[a] | groups[b]
            for one in joined:
                groups[one] = joined
    expected = sorted({tuple(sorted(group)) for group in groups if len(group) > 1})
    assert [tuple(group) for group in ids_of(find_duplicates(index, threshold))] == expected


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit_rows(np.random.default_rng(0).standard_normal((1500, 3)))
    whole = ids_of(find_duplicates(index_of(vectors), 0.9995))
    monkeypatch.setattr("catalens.catalogue.duplicates._BLOCK", 7)
    assert ids_of(find_duplicates(index_of(vectors), 0.9995)) == whole
    assert len(whole) > 100
