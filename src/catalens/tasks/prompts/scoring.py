"""What a prompt is worth to a picture: cosines of whole texts and of many endings of one, and room for words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from catalens.core.protocols import Encoder, PrefixEncoder
from catalens.core.types import Scores, Vectors
from catalens.core.vectors import batched

_BATCH_TEXTS = 256


@runtime_checkable
class CountsTokens(Protocol):
    """An encoder that says how much of a text it reads."""

    def count_tokens(self, text: str) -> tuple[int, int]:
        """Give how many tokens a text has, and how many are read."""


class PromptScorer:
    """Compares texts with pictures through an encoder, whatever the encoder is good at."""

    def __init__(self, encoder: Encoder, *, token_limit: int | None = None) -> None:
        """Take an encoder.

        Args:
            encoder: one with `encode_after` is asked for endings only.
            token_limit: a prompt may have no more tokens, its marks included; None: no more than the encoder reads.
        """
        self._encoder, self._token_limit = encoder, token_limit
        self._prefixes = encoder if isinstance(encoder, PrefixEncoder) else None
        self._counts = encoder if isinstance(encoder, CountsTokens) else None

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Give (n, dim) unit rows for n texts."""
        blocks = [np.empty((0, self._encoder.dim), dtype=np.float32)]
        return np.concatenate([*blocks, *map(self._encoder.encode_texts, batched(texts, _BATCH_TEXTS))])

    def after(self, vector: Vectors, prompt: str, phrases: Sequence[str]) -> Scores:
        """Give (n,) cosines of a picture, a (dim,) unit vector, with `prompt, phrase` for n phrases."""
        if self._prefixes is not None:
            # The comma and the space stand before every phrase, so they are run once, too.
            return self._prefixes.encode_after(f"{prompt}, ", phrases) @ vector
        return self.vectors([f"{prompt}, {phrase}" for phrase in phrases]) @ vector

    def tokens(self, text: str) -> int | None:
        """Give how many tokens a text has; None where the encoder does not count them."""
        return None if self._counts is None else self._counts.count_tokens(text)[0]

    def fits(self, text: str) -> bool:
        """Say whether a whole text is read and keeps to the limit; always, where the encoder does not count."""
        if self._counts is None:
            return True
        has, read = self._counts.count_tokens(text)
        return has == read and (self._token_limit is None or has <= self._token_limit)
