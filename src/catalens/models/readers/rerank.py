"""Reranks a bundled reader's captions by the encoder's cosine with the image, and falls back where none is near.

A reader trained on six thousand photographs returns a fluent caption for any image. The encoder knows more kinds of
things, and its cosine between caption and image tells true captions from wrong ones (`docs/decisions/006-readers.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from catalens.core.errors import ModelError
from catalens.core.types import Vectors
from catalens.models.bundle import BundleEncoder

NAME_TEMPLATE = "a photo of {}"
UNKNOWN = "a picture of something unknown"
"""The caption where neither a generated caption nor the name of anything is near the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankConfig:
    """Weights and thresholds, chosen on `val`; the key `belief` of `reader.json`.

    Attributes:
        weight: of the cosine beside the likelihood, for choosing among captions.
        names: things that can replace a caption, each with its wordings; the first one is used.
        margin: how much nearer than the nearest caption the nearest name must be to replace it.
        least_name: minimum cosine of such a name.
        least: the cosine of the nearest caption below which `UNKNOWN` replaces it.
    """

    weight: float
    names: tuple[tuple[str, ...], ...]
    margin: float
    least_name: float
    least: float

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Build one from the content of `reader.json`.

        Raises:
            ModelError: a key is missing or has the wrong type.
        """
        try:
            names = tuple(tuple(map(str, wordings)) for wordings in raw["names"])
            numbers = {key: float(raw[key]) for key in ("weight", "margin", "least_name", "least")}
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f'the key "belief" of reader.json cannot be used: {error}') from error
        return cls(names=names, **numbers)


@dataclass(frozen=True, slots=True)
class ScoredCaption:
    """A caption, and the reader's own score of it."""

    text: str
    score: float


class Reranker:
    """Ranks captions by likelihood and cosine, and replaces the best one where it is not near the image."""

    def __init__(self, encoder: BundleEncoder, config: RerankConfig) -> None:
        self._encoder, self.config = encoder, config

    def rank(
        self, captions: Sequence[Sequence[ScoredCaption]], images: Vectors, *, allow_fallback: bool
    ) -> list[list[str]]:
        """Return the captions of n images, best first.

        Args:
            captions: candidates per image.
            images: (n, dim) unit rows.
            allow_fallback: a name or `UNKNOWN` may come first and push out the last caption.
        """
        texts = sorted({caption.text for candidates in captions for caption in candidates})
        places = {text: at for at, text in enumerate(texts)}
        vectors = self._encoder.encode_texts(texts)
        ranked = []
        for candidates, image in zip(captions, images, strict=True):
            cosines = vectors[[places[caption.text] for caption in candidates]] @ image
            scores = np.array([caption.score for caption in candidates]) + self.config.weight * cosines
            best = [candidates[at].text for at in np.argsort(-scores, kind="stable")]
            fallback = self._fallback(best[0], image, float(cosines.max())) if allow_fallback else None
            ranked.append(best if fallback is None else [fallback, *best[:-1]])
        return ranked

    def _fallback(self, caption: str, image: Vectors, nearest: float) -> str | None:
        """Return what replaces a caption, or None to keep it."""
        cosines, owners = self._name_vectors @ image, self._name_owners
        if cosines.size:
            best = int(cosines.argmax())
            wordings = self.config.names[owners[best]]
            is_near = float(cosines[best]) >= max(self.config.least_name, nearest + self.config.margin)
            words = caption.split()
            if is_near and not any(wording.split()[-1] in words for wording in wordings):
                return NAME_TEMPLATE.format(wordings[0])
        return UNKNOWN if nearest < self.config.least else None

    @cached_property
    def _name_vectors(self) -> Vectors:
        return self._encoder.encode_texts([NAME_TEMPLATE.format(word) for words in self.config.names for word in words])

    @cached_property
    def _name_owners(self) -> list[int]:
        return [at for at, words in enumerate(self.config.names) for _ in words]
