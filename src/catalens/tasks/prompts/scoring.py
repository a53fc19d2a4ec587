"""Prompt scoring: cosines of texts, and of many endings of one prefix, with a picture; token limits."""

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
    """An encoder that counts tokens."""

    def count_tokens(self, text: str) -> tuple[int, int]:
        """Return the number of tokens of a text, and how many of them are encoded."""


def most_tokens(encoder: CountsTokens) -> int:
    """Return the maximum number of tokens of an encoder, special tokens included."""
    return encoder.count_tokens(_LONG)[1]


class PromptScorer:
    """Compares texts with pictures, by shared prefixes where the encoder supports them."""

    def __init__(self, encoder: Encoder, *, token_limit: int | None = None) -> None:
        """Take an encoder.

        Args:
            encoder: with `encode_after`, only endings are encoded.
            token_limit: maximum number of tokens, special tokens included; None for the encoder's maximum.
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
        """Return whether a text is within the limit; always True if the encoder does not count tokens."""
        return self._counts is None or self._counts.count_tokens(text)[0] <= self._limit

    def fitting(self, prompt: str, phrases: Sequence[str]) -> NDArray[np.bool_]:
        """Return (n,): whether `prompt, phrase` fits, for each of n phrases."""
        if self._counts is None:
            return np.ones(len(phrases), dtype=np.bool_)
        # A phrase's own count has marks of begin and end, too; so where the sum keeps the limit, the whole does.
        room = self._limit - self._counts.count_tokens(prompt)[0]
        return np.array(
            [self._size(each) <= room or self.fits(f"{prompt}, {each}") for each in phrases], dtype=np.bool_
        )

    def _size(self, phrase: str) -> int:
        """Return the number of tokens of `, phrase`, special tokens included; counted once."""
        if phrase not in self._sizes and self._counts is not None:
            self._sizes[phrase] = self._counts.count_tokens(f", {phrase}")[0]
        return self._sizes[phrase]
