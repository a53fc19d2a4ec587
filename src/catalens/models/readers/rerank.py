"""How far a shipped reader's caption is believed: as far as the encoder beside it finds the caption near the picture.

A reader taught on six thousand photographs says something fluent of every picture. The encoder knows more kinds of
things, and its cosine between caption and picture tells the two cases apart (`docs/decisions/006-readers.md`).
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

NAMED = "a photo of {}"
UNKNOWN = "a picture of something unknown"
"""What is said where neither a caption nor the name of anything is near the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankConfig:
    """When a caption is believed; chosen on `val`, kept in `reader.json`.

    Attributes:
        weight: of the cosine beside the likelihood, in choosing among captions.
        names: things that a picture may be a photo of instead, with their wordings; the first is said.
        margin: by so much must the nearest name be nearer than the nearest caption to be said in its place.
        least_name: the cosine that it needs besides.
        least: the cosine below which nothing is said but `UNKNOWN`.
    """

    weight: float
    names: tuple[tuple[str, ...], ...]
    margin: float
    least_name: float
    least: float

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Make one of what `reader.json` holds.

        Raises:
            ModelError: something is missing or of another kind.
        """
        try:
            names = tuple(tuple(map(str, wordings)) for wordings in raw["names"])
            numbers = {key: float(raw[key]) for key in ("weight", "margin", "least_name", "least")}
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the reader's belief cannot be used: {error}") from error
        return cls(names=names, **numbers)


@dataclass(frozen=True, slots=True)
class Said:
    """A caption, and what it is worth to the reader alone."""

    text: str
    worth: float


class Reranker:
    """Ranks captions by how likely they are and how near to their picture, and says less where none is near."""

    def __init__(self, encoder: BundleEncoder, belief: RerankConfig) -> None:
        self._encoder, self.belief = encoder, belief

    def rank(self, captions: Sequence[Sequence[Said]], pictures: Vectors, *, free: bool) -> list[list[str]]:
        """Return the captions of n pictures, the best first.

        Args:
            captions: some for each picture.
            pictures: (n, dim) unit rows.
            free: a name or `UNKNOWN` may take the last one's place and come first.
        """
        texts = sorted({said.text for some in captions for said in some})
        places = {text: at for at, text in enumerate(texts)}
        vectors = self._encoder.encode_texts(texts)
        out = []
        for some, picture in zip(captions, pictures, strict=True):
            near = vectors[[places[said.text] for said in some]] @ picture
            worth = np.array([said.worth for said in some]) + self.belief.weight * near
            best = [some[at].text for at in np.argsort(-worth, kind="stable")]
            instead = self._instead(best[0], picture, float(near.max())) if free else None
            out.append(best if instead is None else [instead, *best[:-1]])
        return out

    def _instead(self, caption: str, picture: Vectors, nearest: float) -> str | None:
        """Return what is said in a caption's place, or None where it is believed."""
        cosines, owners = self._bank @ picture, self._owners
        if cosines.size:
            best = int(cosines.argmax())
            wordings = self.belief.names[owners[best]]
            near = float(cosines[best]) >= max(self.belief.least_name, nearest + self.belief.margin)
            spoken = caption.split()
            if near and not any(wording.split()[-1] in spoken for wording in wordings):
                return NAMED.format(wordings[0])
        return UNKNOWN if nearest < self.belief.least else None

    @cached_property
    def _bank(self) -> Vectors:
        return self._encoder.encode_texts([NAMED.format(word) for words in self.belief.names for word in words])

    @cached_property
    def _owners(self) -> list[int]:
        return [at for at, words in enumerate(self.belief.names) for _ in words]
