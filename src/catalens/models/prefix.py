"""Encodes texts with a causal tower, running a shared prefix once.

A token's state depends only on the tokens before it, so keys and values of a shared prefix are computed once, and each
text costs only its own tokens. Prefixes are compared as token ids, never as characters: "t-sh" and "irt" have other
tokens than "t-shirt".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalens.models.packing import Pack, chain, pack
from catalens.models.tokens import group_by_key

Past: TypeAlias = Any
"""Keys and values (layers, 2, heads, length, head width), as an array of NumPy or torch."""
Encode: TypeAlias = Callable[[Pack, Past], NDArray[np.float32]]
"""n texts that continue a past → vectors (n, dim)."""
Extend: TypeAlias = Callable[[Pack, Past], Past]
"""One text that continues a past → the past extended by it."""


@dataclass(frozen=True, slots=True)
class CachedPrefix:
    """A prefix: its token ids, and their keys and values."""

    tokens: tuple[int, ...]
    past: Past


class PrefixTower:
    """A causal text tower that caches the last prefix; several threads may use one at once.

    Args:
        encode: returns the vectors of packed texts.
        extend: returns the keys and values of a text.
        nothing: an empty past, of length 0.
        dim: width of a vector.
    """

    def __init__(self, encode: Encode, extend: Extend, nothing: Past, dim: int) -> None:
        self._encode, self._extend, self._dim = encode, extend, dim
        self._cached = self._nothing = CachedPrefix((), nothing)

    def rows(self, ids: Sequence[Sequence[int]], prefix: Sequence[int] = ()) -> NDArray[np.float32]:
        """Return (n, dim) vectors of n texts, each of at least one token.

        Args:
            ids: token ids of whole texts, the prefix included.
            prefix: ids of a shared prefix; cached for the next call, which may extend it.
        """
        # Read once: another thread may replace the cached prefix meanwhile.
        cached = self._cached = self._extended(prefix) if prefix else self._nothing
        shared = [min(_common(cached.tokens, row), len(row) - 1) for row in ids]
        out = np.empty((len(ids), self._dim), dtype=np.float32)
        for group in group_by_key(shared, size=len(ids)):
            start = shared[group[0]]
            past = cached.past[..., :start, :]
            for places, packed in pack([ids[at][start:] for at in group]):
                out[[group[at] for at in places]] = self._encode(packed, past)
        return out

    def _extended(self, prefix: Sequence[int]) -> CachedPrefix:
        """Reuse what the cached prefix shares with this one, and run the rest."""
        last = self._cached
        common = _common(last.tokens, prefix)
        past = last.past[..., :common, :]
        if common < len(prefix):
            past = self._extend(chain(prefix[common:]), past)
        return CachedPrefix(tuple(prefix), past)


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the common prefix of two texts.

    >>> _common([1, 2, 3], [1, 2, 4, 5])
    2
    """
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
