"""A shared beginning is run once, whatever the tokens at the seam are, and changes no vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catalens.models.packing import Pack
from catalens.models.prefix import PrefixTower

DIM = 4
TABLE = np.random.default_rng(1).standard_normal((50, DIM)).astype(np.float32)


class Summing:
    """A causal tower in small: a text's vector is the sum of its tokens, each weighed by its place.

    Its past has one layer of one head; the key of a token is its weighed row, and so is its value.
    """

    def __init__(self) -> None:
        self.tokens_run = 0

    def read(self, packed: Pack, past: NDArray[np.float32]) -> NDArray[np.float32]:
        paths = packed.attention_mask.astype(np.float32) @ self._weighed(packed, past)
        return np.asarray(past[0, 0, 0].sum(axis=0) + paths.reshape(-1, DIM)[packed.ends])

    def grow(self, packed: Pack, past: NDArray[np.float32]) -> NDArray[np.float32]:
        keys = self._weighed(packed, past)
        return np.concatenate([past, np.stack([keys, keys])[None]], axis=3)

    def _weighed(self, packed: Pack, past: NDArray[np.float32]) -> NDArray[np.float32]:
        self.tokens_run += packed.input_ids.size
        places = packed.attention_mask.sum(axis=2, dtype=np.float32) - 1 + past.shape[3]
        return np.asarray(TABLE[packed.input_ids] * (1 + places[:, :, None]))


def expected(ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    return np.stack([sum(TABLE[token] * (1 + at) for at, token in enumerate(row)) for row in ids])


def tower() -> tuple[PrefixTower, Summing]:
    summing = Summing()
    return PrefixTower(summing.read, summing.grow, np.empty((1, 2, 1, 0, DIM), np.float32), DIM), summing


def test_rows_are_those_of_whole_texts_in_their_order() -> None:
    made, _ = tower()
    ids = [[1, 2, 3, 9], [1, 2, 9], [1, 2, 4, 9], [7, 9], [9]]
    for prefix in ([], [1, 2], [1, 2, 3], [1, 2, 3, 9, 9], [8]):
        assert np.allclose(made.rows(ids, prefix=prefix), expected(ids), atol=1e-5)
    assert made.rows([], prefix=[1, 2]).shape == (0, DIM)


def test_only_the_tokens_after_the_prefix_are_run() -> None:
    made, summing = tower()
    ids = [[1, 2, 3, token, 9] for token in range(10, 30)]
    made.rows(ids, prefix=[1, 2, 3])
    assert summing.tokens_run == 3 + 20 * 2


def test_a_prefix_grows_and_is_not_run_again() -> None:
    made, summing = tower()
    made.rows([[1, 2, 3, 9]], prefix=[1, 2, 3])
    summing.tokens_run = 0
    ids = [[1, 2, 3, 4, 5, 9]]
    assert np.allclose(made.rows(ids, prefix=[1, 2, 3, 4]), expected(ids), atol=1e-5)
    assert summing.tokens_run == 1 + 2
    summing.tokens_run = 0
    assert np.allclose(made.rows(ids, prefix=[1, 2, 3]), expected(ids), atol=1e-5)
    assert summing.tokens_run == 3, "a shorter prefix is a part of the one that was kept"


def test_tokens_that_join_over_the_seam_are_run_again() -> None:
    made, summing = tower()
    ids = [[1, 2, 30, 9], [1, 2, 3, 9], [40, 9]]
    assert np.allclose(made.rows(ids, prefix=[1, 2, 3]), expected(ids), atol=1e-5)
    assert summing.tokens_run == 3 + 2 + 1 + 2
