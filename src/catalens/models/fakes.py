"""An encoder without weights, for tests, demos and servers without a model.

Its vectors mean nothing, but it fulfils the `Encoder` protocol.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL.Image import Image

from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows


class FakeEncoder:
    """Maps hashes to vectors: the same input always has the same vector."""

    def __init__(self, dim: int = 16, *, logit_scale: float = 10.0, logit_bias: float | None = None) -> None:
        self.name = f"fake-{dim}"
        self.dim = dim
        self.input_size_wh = (32, 32)
        self.logit_scale = logit_scale
        self.logit_bias = logit_bias
        self.unknown_texts: Sequence[str] = ()
        self.batches: list[int] = []
        """Batch sizes so far, so that a test can count model calls."""

    @property
    def fingerprint(self) -> str:
        """The name: nothing else decides its vectors."""
        return self.name

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Hash the pixels of each image at 32 × 32."""
        self.batches.append(len(images))
        return self._rows([image.resize(self.input_size_wh).tobytes() for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Hash the characters of each text."""
        self.batches.append(len(texts))
        return self._rows([text.encode() for text in texts])

    def _rows(self, contents: Sequence[bytes]) -> Vectors:
        rows = np.zeros((len(contents), self.dim), dtype=np.float32)
        for row, content in zip(rows, contents, strict=True):
            row[:] = _row(int.from_bytes(hashlib.sha256(content).digest()[:8], "little"), self.dim)
        return unit_rows(rows)


@lru_cache(maxsize=50_000)
def _row(seed: int, dim: int) -> tuple[float, ...]:
    return tuple(np.random.default_rng(seed).standard_normal(dim))
