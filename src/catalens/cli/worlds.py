"""Which shipped encoder reads a picture: the starter a product, the everyday one anything else."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from catalens.cli.options import encoder_for

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.core.protocols import Encoder
    from catalens.core.types import Vectors

Row = TypeVar("Row")
PRODUCT, EVERYDAY = "fashion", "everyday"
"""The worlds, by the names of their schemas."""


def by_picture(model: str | None) -> bool:
    """Say whether the user left the choice of the encoder to the picture."""
    return model is None and not os.environ.get("CATALENS_MODEL")


class Worlds(Generic[Row]):
    """Reads batches of pictures, each picture with the encoder of its world."""

    def __init__(
        self, reader: Callable[[Encoder, str], Callable[[Vectors], list[Row]]], encoder: Encoder | None = None
    ) -> None:
        """Take what makes a reader of vectors (n, dim) for an encoder and a world; an encoder for all, or None."""
        from catalens.models.gate import load_gate
        from catalens.models.registry import shipped

        self._reader = reader
        self.encoder = encoder or encoder_for("starter")
        self._gate = None if encoder else load_gate(shipped("starter"), self.encoder.dim)
        self._everyday: Encoder | None = None
        self._readers: dict[str, Callable[[Vectors], list[Row]]] = {}

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """How large pictures must be decoded for every encoder that may look at them; None for what one needs."""
        from catalens.models.facts import read_facts
        from catalens.models.registry import shipped

        return read_facts(shipped(EVERYDAY)).input_size_wh if self._gate else None

    def read(self, images: Sequence[Image], vectors: Vectors) -> list[tuple[str, Row]]:
        """Give, for each picture, the name of the encoder that knows it, and what was read.

        Args:
            images: n of them.
            vectors: theirs, (n, dim), from `encoder`.
        """
        import numpy as np

        if self._gate is None or not len(images):
            return self._named(EVERYDAY if self.encoder.name.startswith("everyday@") else PRODUCT, vectors)
        sold = self._gate.products(vectors)
        rows = {True: iter(self._named(PRODUCT, vectors[np.flatnonzero(sold)]))}
        if not sold.all():
            others = [image for image, own in zip(images, sold, strict=True) if not own]
            encoder = self._encoder(EVERYDAY)
            rows[False] = iter(self._named(EVERYDAY, encoder.encode_images(others)))
        return [next(rows[bool(own)]) for own in sold]

    def _named(self, world: str, vectors: Vectors) -> list[tuple[str, Row]]:
        if not len(vectors):
            return []
        encoder = self._encoder(world)
        if world not in self._readers:
            self._readers[world] = self._reader(encoder, world)
        return [(encoder.name, row) for row in self._readers[world](vectors)]

    def _encoder(self, world: str) -> Encoder:
        """Load the everyday encoder when its first picture comes."""
        if self._gate is None or world == PRODUCT:
            return self.encoder
        self._everyday = self._everyday or encoder_for(EVERYDAY)
        return self._everyday
