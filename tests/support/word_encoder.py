"""An encoder whose space has one axis for each word: what is near what can be said by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL.Image import Image

from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows


class WordEncoder:
    """Keeps the promises of `Encoder`; words that it does not know share the last axis."""

    def __init__(
        self, words: str, *, scale: float = 10.0, bias: float | None = None, unknown_texts: Sequence[str] = ()
    ) -> None:
        self.axes = {word: at for at, word in enumerate(words.split())}
        self.name = "words"
        self.dim = len(self.axes) + 1
        self.input_size_wh = (8, 8)
        self.logit_scale = scale
        self.logit_bias = bias
        self.unknown_texts = tuple(unknown_texts)
        self.texts: list[str] = []
        """Every text encoded so far."""

    @property
    def fingerprint(self) -> str:
        return self.name

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        raise NotImplementedError("this encoder only reads words")

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.split():
                row[self.axes.get(word, self.dim - 1)] += 1.0
        return unit_rows(rows)

    def picture(self, **words: float) -> Vectors:
        """(1, dim): a picture that shows these words so strongly."""
        return self.pictures([words])

    def pictures(self, shown: Sequence[Mapping[str, float]]) -> Vectors:
        """(n, dim): one picture for each mapping of words to strengths."""
        rows = np.zeros((len(shown), self.dim), dtype=np.float32)
        for row, words in zip(rows, shown, strict=True):
            for word, strength in words.items():
                row[self.axes.get(word, self.dim - 1)] = strength
        return unit_rows(rows)
