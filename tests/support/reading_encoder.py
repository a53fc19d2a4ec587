"""An encoder that reads from left to right with weights drawn by lot: small, exact, and never the same twice."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows

State = NDArray[np.float64]


class ReadingEncoder:
    """A plain `Encoder` over a recurrent net: what a word adds depends on all that was read before."""

    def __init__(self, seed: int, *, dim: int = 6, width: int = 10, max_tokens: int = 77) -> None:
        rng = np.random.default_rng(seed)
        self.name = f"reading-{seed}"
        self.dim = dim
        self.input_size_wh = (8, 8)
        self.logit_scale = 10.0
        self.logit_bias: float | None = None
        self.unknown_texts: Sequence[str] = ()
        self.max_tokens = max_tokens
        self.texts = 0
        """How many texts were encoded so far."""
        self._seed = seed
        self._mix = rng.standard_normal((width, width)) / np.sqrt(width)
        self._out = rng.standard_normal((width, dim))
        self._word = cache(self._draw_word)

    @property
    def fingerprint(self) -> str:
        return self.name

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        raise NotImplementedError("this encoder only reads")

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        return self._rows([self._read(self._start(), self._cut(text)) for text in texts])

    def _read(self, state: State, words: Sequence[str]) -> State:
        for word in words:
            state = np.tanh(state @ self._mix + self._word(word))
        return state

    def _start(self) -> State:
        return self._word("<begin>")

    def _cut(self, text: str) -> list[str]:
        """The words that are read; the marks of begin and end take two places."""
        return words_of(text)[: self.max_tokens - 2]

    def _rows(self, states: Sequence[State]) -> Vectors:
        return unit_rows(np.array([self._read(state, ["<end>"]) @ self._out for state in states]).reshape(-1, self.dim))

    def _draw_word(self, word: str) -> State:
        return np.random.default_rng([self._seed, zlib.crc32(word.encode())]).standard_normal(len(self._mix))


class ReadingPrefixEncoder(ReadingEncoder):
    """A `PrefixEncoder`: the state after the prefix is what its endings go on from."""

    def encode_after(self, prefix: str, endings: Sequence[str]) -> Vectors:
        self.texts += len(endings)
        begun = self._cut(prefix)
        state = self._read(self._start(), begun)
        return self._rows([self._read(state, self._cut(prefix + ending)[len(begun) :]) for ending in endings])

    def count_tokens(self, text: str) -> tuple[int, int]:
        return len(words_of(text)) + 2, len(self._cut(text)) + 2


def words_of(text: str) -> list[str]:
    """Words and marks."""
    return re.findall(r"\w+|[^\w\s]", text)


def pictures(seed: int, count: int, dim: int = 6) -> Vectors:
    """(count, dim): vectors of pictures that nobody drew."""
    return unit_rows(np.random.default_rng([7, seed]).standard_normal((count, dim)))
