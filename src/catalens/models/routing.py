"""Routes each image to the bundled encoder of its domain: products to the starter, anything else to everyday."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from catalens.core.errors import ModelError
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.models.gate import Gate, load_gate
from catalens.models.registry import shipped
from catalens.models.second_look import is_doubtful, shows_goods

Row = TypeVar("Row")

PRODUCT, EVERYDAY = "starter", "everyday"
"""The bundled encoders."""


@dataclass(frozen=True, slots=True)
class RoutedPart:
    """The images of a batch that went to one encoder.

    Attributes:
        encoder: that encoder.
        rows: (m,) positions of the images in the batch.
        vectors: (m, dim) of those images.
    """

    encoder: Encoder
    rows: NDArray[np.intp]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class RoutedImages:
    """n encoded images, each in the space of the encoder that it was routed to."""

    parts: Sequence[RoutedPart]

    def __len__(self) -> int:
        """Return the number of images."""
        return sum(len(part.rows) for part in self.parts)

    def map(self, function: Callable[[Encoder, Vectors], Sequence[Row]]) -> list[Row]:
        """Apply a function to the vectors (m, dim) of each encoder; return one row per image, in their order."""
        found = {
            int(at): row
            for part in self.parts
            if len(part.rows)
            for at, row in zip(part.rows, function(part.encoder, part.vectors), strict=True)
        }
        return [found[at] for at in range(len(self))]

    def split(self) -> list[tuple[Encoder, Vectors]]:
        """Return the encoder and the vector (dim,) of each image."""
        return self.map(lambda encoder, vectors: [(encoder, vector) for vector in vectors])


def joined(rows: Sequence[tuple[Encoder, Vectors]]) -> RoutedImages:
    """Put images back together that were split; `rows` are encoder and vector (dim,) of each."""
    places: dict[str, list[int]] = {}
    for at, (encoder, _) in enumerate(rows):
        places.setdefault(encoder.name, []).append(at)
    return RoutedImages(
        [
            RoutedPart(rows[some[0]][0], np.array(some, dtype=np.intp), np.stack([rows[at][1] for at in some]))
            for some in places.values()
        ]
    )


class Router(Protocol):
    """Encodes images, each with the encoder that suits it."""

    @property
    def name(self) -> str:
        """The encoders, by name."""

    @property
    def input_size_wh(self) -> tuple[int, int]:
        """(width, height) that images are brought to: the larger one where encoders differ."""

    @property
    def first(self) -> Encoder:
        """The encoder that every image passes through."""

    def encode_images(self, images: Sequence[Image]) -> RoutedImages:
        """Encode n RGB images."""


class SingleEncoder:
    """A router with no choice: one encoder for every image."""

    def __init__(self, encoder: Encoder) -> None:
        self.first, self.name, self.input_size_wh = encoder, encoder.name, encoder.input_size_wh

    def encode_images(self, images: Sequence[Image]) -> RoutedImages:
        """Encode n RGB images."""
        return RoutedImages([_part(self.first, np.arange(len(images)), images)])


class EncoderRouter:
    """Sends product images to the product encoder and the others to the everyday encoder.

    The gate reads the product encoder's vectors, so every image passes through that encoder first; the everyday
    encoder is loaded when the first image needs it. An image that may be a product, but of no kind that is likely,
    passes through both.
    """

    def __init__(
        self, product: Encoder, load_everyday: Callable[[], Encoder], gate: Gate, input_size_wh: tuple[int, int]
    ) -> None:
        """Take the encoders, and the input size of the larger one."""
        self.name = f"{PRODUCT}+{EVERYDAY}"
        self.input_size_wh = input_size_wh
        self.first, self._load_everyday, self._gate = product, load_everyday, gate

    def encode_images(self, images: Sequence[Image]) -> RoutedImages:
        """Encode n RGB images."""
        if not len(images):
            return RoutedImages([])
        vectors = _part(self.first, np.arange(len(images)), images).vectors
        sold = self._gate.products(vectors)
        again = sold & is_doubtful(self.first, vectors)
        parts = []
        others = np.flatnonzero(~sold | again)
        if len(others):
            seen = _part(self._load_everyday(), others, [images[int(at)] for at in others])
            sold[others] = again[others] & shows_goods(seen.encoder, seen.vectors)
            left = ~sold[others]
            if left.any():
                parts.append(RoutedPart(seen.encoder, others[left], seen.vectors[left]))
        own = np.flatnonzero(sold)
        if len(own):
            parts.insert(0, RoutedPart(self.first, own, vectors[own]))
        return RoutedImages(parts)


def _part(encoder: Encoder, rows: NDArray[np.intp], images: Sequence[Image]) -> RoutedPart:
    """Encode the images at some rows of a batch, and check what the encoder returned."""
    vectors = encoder.encode_images(images)
    if vectors.shape != (len(images), encoder.dim):
        raise ModelError(f"{encoder.name} returned vectors of shape {vectors.shape} for {len(images)} images")
    if not np.isfinite(vectors).all():
        raise ModelError(f"{encoder.name} returned a vector that is not finite")
    return RoutedPart(encoder, rows, vectors)


def bundled_router(load: Callable[[str], Encoder]) -> EncoderRouter:
    """Return the router over the bundled encoders.

    Args:
        load: returns a bundled encoder by its name; called for the everyday encoder once an image needs it.

    Raises:
        ModelError: a bundle is damaged.
    """
    from catalens.models.facts import read_facts

    product = load(PRODUCT)
    gate = load_gate(shipped(PRODUCT), product.dim)
    return EncoderRouter(product, lambda: load(EVERYDAY), gate, read_facts(shipped(EVERYDAY)).input_size_wh)


def domain(encoder_name: str) -> str:
    """Return the name of the schema that an encoder's images are read with: "everyday" or "fashion".

    >>> domain("everyday@3"), domain("openai/clip-vit-base-patch32@main")
    ('everyday', 'fashion')
    """
    return "everyday" if encoder_name.partition("@")[0] == EVERYDAY else "fashion"
