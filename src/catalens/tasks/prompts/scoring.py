"""What a prompt is worth to a picture: cosines of whole texts and of many endings of one, and room for words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from catalens.core.protocols import Encoder, PrefixEncoder
from catalens.core.types import Scores, Vectors
from catalens.core.vectors import batched

_BATCH_TEXTS = 256
_LONG = "a " * 4096


@runtime_checkable
class CountsTokens(Protocol):
    """An encoder that says how much of a text it reads."""

    def count_tokens(self, text: str) -> tuple[int, int]:
        """Return how many tokens a text has, and how many are read."""


def most_tokens(encoder: CountsTokens) -> int:
    """Return how many tokens an encoder reads at most, its marks included."""
    return encoder.count_tokens(_LONG)[1]


class PromptScorer:
    """Compares texts with pictures through an encoder, whatever the encoder is good at."""

    def __init__(self, encoder: Encoder, *, token_limit: int | None = None) -> None:
        """Take an encoder.

        Args:
            encoder: one with `encode_after` is asked for endings only.
            token_limit: a prompt may have no more tokens, its marks included; None: no more than the encoder reads.
        """
        self._encoder = encoder
        self._prefixes = encoder if isinstance(encoder, PrefixEncoder) else None
        self._counts = encoder if isinstance(encoder, CountsTokens) else None
        read = most_tokens(encoder) if isinstance(encoder, CountsTokens) else 0
        self._limit = read if token_limit is None else min(read, token_limit)
        self._sizes: dict[str, int] = {}

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return (n, dim) unit rows for n texts."""
        blocks = [np.empty((0, self._encoder.dim), dtype=np.float32)]
        return np.concatenate([*blocks, *map(self._encoder.encode_texts, batched(texts, _BATCH_TEXTS))])

    def after(self, vector: Vectors, prompt: str, phrases: Sequence[str]) -> Scores:
        """Return (n,) cosines of a picture, a (dim,) unit vector, with `prompt, phrase` for n phrases."""
        if self._prefixes is not None:
            # The comma and the space stand before every phrase, so they are run once, too.
            return self._prefixes.encode_after(f"{prompt}, ", phrases) @ vector
        return self.vectors([f"{prompt}, {phrase}" for phrase in phrases]) @ vector

    def tokens(self, text: str) -> int | None:
        """Return how many tokens a text has; None where the encoder does not count them."""
        return None if self._counts is None else self._counts.count_tokens(text)[0]

    def fits(self, text: str) -> bool:
        """Say whether a whole text is read and keeps to the limit; always, where the encoder does not count."""
        return self._counts is None or self._counts.count_tokens(text)[0] <= self._limit

    def fitting(self, prompt: str, phrases: Sequence[str]) -> NDArray[np.bool_]:
        """Say for each of n phrases whether `prompt, phrase` fits: (n,)."""
        if self._counts is None:
            return np.ones(len(phrases), dtype=np.bool_)
        # A phrase's own count has marks of begin and end, too; so where the sum keeps the limit, the whole does.
        room = self._limit - self._counts.count_tokens(prompt)[0]
        return np.array(
            [self._size(each) <= room or self.fits(f"{prompt}, {each}") for each in phrases], dtype=np.bool_
        )

    def _size(self, phrase: str) -> int:
        """Count the tokens of `, phrase` once, its marks included."""
        if phrase not in self._sizes and self._counts is not None:
            self._sizes[phrase] = self._counts.count_tokens(f", {phrase}")[0]
        return self._sizes[phrase]
