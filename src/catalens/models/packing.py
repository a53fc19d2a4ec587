"""Packs texts for a causal tower: several in one row, with shared prefixes stored once.

A token of a causal tower depends only on the tokens before it. So the texts of a row can form a tree in which each
token attends to its own path only: "a red dress" and "a red shirt" cost "a red" once, short texts share a row, and no
text is padded to the length of another.

Source:
    Miao et al. 2023, "SpecInfer", section 4: one pass over a tree of tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROW_TOKENS = 64
"""Tokens per row; a longer text gets longer rows. Longer rows waste fewer positions but attention costs more."""
ROWS_AT_ONCE = 24
"""Rows per batch: enough to keep the processor busy."""


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """One batch for a tower.

    Attributes:
        input_ids: (rows, length) int64; unused positions hold 0.
        attention_mask: (rows, length, length) bool, query position × key position. Unused positions see themselves.
        ends: (n,) int64: positions of the last token of each text, in row-major order.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.bool_]
    ends: NDArray[np.int64]


def chain(ids: Sequence[int]) -> Pack:
    """Pack a single text.

    >>> chain([7, 8]).attention_mask.tolist()
    [[[True, False], [True, True]]]
    """
    length = len(ids)
    attention_mask = np.tri(length, dtype=np.bool_)[None]
    return Pack(np.array([ids], dtype=np.int64), attention_mask, np.array([length - 1], dtype=np.int64))


def pack(texts: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], Pack]]:
    """Yield packs, each with the indices of its texts; every text is in one of them.

    Args:
        texts: token ids of each text, at least one.

    >>> [(places, packed)] = pack([[1, 2, 9], [1, 3, 9], [1, 2, 9]])
    >>> places, packed.input_ids.tolist(), packed.ends.tolist()
    ([0, 2, 1], [[1, 2, 9, 3, 9]], [2, 2, 4])
    """
    order = sorted(range(len(texts)), key=lambda at: tuple(texts[at]))
    length = min(ROW_TOKENS, sum(map(len, texts)))
    places: list[int] = []
    rows: list[_Row] = []
    for at in order:
        text = texts[at]
        if not rows or not rows[-1].take(text):
            if len(rows) == ROWS_AT_ONCE:
                yield places, _joined(rows)
                places, rows = [], []
            rows.append(_Row(length, text))
        places.append(at)
    if rows:
        yield places, _joined(rows)


class _Row:
    """A row being filled with texts sorted by their ids, so that neighbours share the longest prefixes."""

    def __init__(self, length: int, text: Sequence[int]) -> None:
        self.length = max(length, len(text))
        self.ids: list[int] = []
        self.paths: list[list[int]] = []  # of each token: positions on its path, its own last
        self.ends: list[int] = []
        self._last: Sequence[int] = ()
        self._path: list[int] = []
        self.take(text)

    def take(self, text: Sequence[int]) -> bool:
        """Add a text if it fits; return whether it did."""
        common = 0
        for one, other in zip(self._last, text, strict=False):
            if one != other:
                break
            common += 1
        if len(self.ids) + len(text) - common > self.length:
            return False
        path = self._path[:common]
        for token in text[common:]:
            path = [*path, len(self.ids)]
            self.ids.append(token)
            self.paths.append(path)
        self._last, self._path = text, path
        self.ends.append(path[-1])
        return True


def _joined(rows: Sequence[_Row]) -> Pack:
    # As long as the fullest row.
    length = max(len(row.ids) for row in rows)
    input_ids = np.zeros((len(rows), length), dtype=np.int64)
    attention_mask = np.tile(np.eye(length, dtype=np.bool_), (len(rows), 1, 1))
    for at, row in enumerate(rows):
        input_ids[at, : len(row.ids)] = row.ids
        own = np.repeat(np.arange(len(row.ids)), [len(path) for path in row.paths])
        attention_mask[at, own, [place for path in row.paths for place in path]] = True
    ends = [at * length + end for at, row in enumerate(rows) for end in row.ends]
    return Pack(input_ids, attention_mask, np.array(ends, dtype=np.int64))
