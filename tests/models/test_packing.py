"""Packed texts: each is whole, sees its own tokens only, and shares what it has in common with its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalens.models.packing import Pack, chain, pack

TEXTS = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=12).map(lambda ids: [*ids, 9]), max_size=40)


def read_back(packed: Pack) -> list[list[int]]:
    """Return each text as the tokens that its end sees, in order of how much they see themselves."""
    length = packed.input_ids.shape[1]
    found = []
    for end in packed.ends.tolist():
        row, at = divmod(end, length)
        path = np.flatnonzero(packed.attention_mask[row, at])
        seen = packed.attention_mask[row, path].sum(axis=1)
        assert sorted(seen.tolist()) == list(range(1, len(path) + 1)), "a path: each token sees one more"
        found.append(packed.input_ids[row, path[np.argsort(seen)]].tolist())
    return found


@given(TEXTS)
def test_every_text_is_found_again_once(texts: list[list[int]]) -> None:
    found: dict[int, list[int]] = {}
    for places, packed in pack(texts):
        assert packed.attention_mask.dtype == np.bool_
        assert packed.attention_mask.shape == (*packed.input_ids.shape, packed.input_ids.shape[1])
        assert packed.attention_mask.diagonal(axis1=1, axis2=2).all(), "an attention over nothing is no number"
        found |= dict(zip(places, read_back(packed), strict=True))
    assert [found[at] for at in range(len(texts))] == texts


def test_a_beginning_stands_there_once_a_row() -> None:
    texts = [[1, 2, 3, token, 9] for token in range(10, 20)]
    [(_, packed)] = pack(texts)
    assert packed.input_ids.shape == (1, 3 + 10 * 2)


def test_rows_are_bounded_and_so_is_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalens.models.packing.ROW_TOKENS", 8)
    monkeypatch.setattr("catalens.models.packing.ROWS_AT_ONCE", 3)
    texts = [[token, token, 9] for token in range(30)] + [[*range(1, 12), 9]]
    packs = [packed for _, packed in pack(texts)]
    assert max(packed.input_ids.shape[0] for packed in packs) == 3
    assert sorted({packed.input_ids.shape[1] for packed in packs}) == [6, 12], "two a row, and a long one by itself"
    assert list(pack([])) == []


def test_a_chain_sees_what_stands_before() -> None:
    assert chain([5, 6, 7]).attention_mask[0].astype(int).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert read_back(chain([5, 6, 7])) == [[5, 6, 7]]
