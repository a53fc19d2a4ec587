"""Reranks a bundled reader's captions by the encoder's cosine with the image, and says unknown where none is near.

A reader trained on six thousand photographs returns a fluent caption for any image. The encoder knows more kinds of
things, and its cosine between caption and image tells true captions from wrong ones (`docs/decisions/006-readers.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from catalens.core.errors import ModelError
from catalens.core.types import Scores, Vectors
from catalens.models.bundle import BundleEncoder
from catalens.models.readers.support import NAME_TEMPLATE, UNKNOWN, Support


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankConfig:
    """Weights and thresholds, chosen on `val`; the key `belief` of `reader.json`.

    Attributes:
        weight: of the cosine beside the likelihood, for choosing among captions.
        least: the cosine of the nearest caption below which `UNKNOWN` replaces it, where the bundle has no support.
    """

    weight: float
    least: float

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Build one from the content of `reader.json`.

        Raises:
            ModelError: a key is missing or has the wrong type.
        """
        try:
            return cls(weight=float(raw["weight"]), least=float(raw["least"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f'the key "belief" of reader.json cannot be used: {error}') from error


@dataclass(frozen=True, slots=True)
class ScoredCaption:
    """A caption, and the reader's own score of it."""

    text: str
    score: float


class Reranker:
    """Ranks captions by likelihood and cosine, and keeps of them what the image supports.

    Args:
        encoder: the bundle's.
        config: weights and thresholds.
        support: checks captions; None where the bundle has none.
    """

    def __init__(self, encoder: BundleEncoder, config: RerankConfig, support: Support | None = None) -> None:
        self._encoder, self.config, self.support = encoder, config, support

    def rank(self, captions: Sequence[Sequence[ScoredCaption]], images: Vectors, *, check: bool) -> list[list[str]]:
        """Return the captions of n images, best first.

        Args:
            captions: candidates per image.
            images: (n, dim) unit rows.
            check: captions keep what is supported alone, and `UNKNOWN` replaces the first where none is near.
        """
        ranked = []
        cosines = self._cosines(captions, images, check=check)
        for candidates, image, near in zip(captions, images, cosines, strict=True):
            scores = np.array([caption.score for caption in candidates]) + self.config.weight * near
            best = [candidates[at].text for at in np.argsort(-scores, kind="stable")]
            if check and self.support:
                best = _least_cut(best, self.support.supported(best, image))
            elif check and float(near.max()) < self.config.least:
                best = [UNKNOWN, *best[:-1]]
            ranked.append(best)
        return ranked

    def _cosines(self, captions: Sequence[Sequence[ScoredCaption]], images: Vectors, *, check: bool) -> list[Scores]:
        """Return the cosine of each caption with its image; zeros where nothing depends on them."""
        if not self.config.weight and (self.support or not check):
            return [np.zeros(len(candidates), np.float32) for candidates in captions]
        texts = sorted({caption.text for candidates in captions for caption in candidates})
        places = {text: at for at, text in enumerate(texts)}
        vectors = self._encoder.encode_texts(texts)
        return [
            vectors[[places[caption.text] for caption in candidates]] @ image
            for candidates, image in zip(captions, images, strict=True)
        ]


def _least_cut(captions: Sequence[str], supported: Sequence[str]) -> list[str]:
    """Return what remains of captions: first what lost the smallest share of its words, last what was replaced."""

    def lost(pair: tuple[str, str]) -> float:
        before, after = pair
        is_replaced = before != after and after.startswith((NAME_TEMPLATE.format(""), UNKNOWN))
        return 1.0 if is_replaced else 1.0 - len(after.split()) / max(1, len(before.split()))

    return [after for _, after in sorted(zip(captions, supported, strict=True), key=lost)]
