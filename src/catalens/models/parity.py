"""Compares two encoders with the same weights: agreement and speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from PIL.Image import Image

from catalens.core.errors import InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors

T = TypeVar("T")
_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Result of encoding n items with both.

    Attributes:
        items: n.
        least_cosine: lowest cosine between the two vectors of an item.
        mean_cosine: mean over all items.
        per_s: items per second of the encoder under test.
        reference_per_s: items per second of the reference.
    """

    items: int
    least_cosine: float
    mean_cosine: float
    per_s: float
    reference_per_s: float


@dataclass(frozen=True, slots=True)
class Parity:
    """How an encoder compares with its reference."""

    pictures: Agreement
    texts: Agreement

    @property
    def least_cosine(self) -> float:
        """The lowest cosine of all."""
        return min(self.pictures.least_cosine, self.texts.least_cosine)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Return both as JSON values: cosines with five places, speeds with one."""
        return {
            what: {name: round(value, 5 if "cosine" in name else 1) for name, value in asdict(each).items()}
            for what, each in (("pictures", self.pictures), ("texts", self.texts))
        }


def check_cosine(least: float) -> None:
    """Check that a number is a cosine.

    Raises:
        InputError: it is not between -1 and 1.
    """
    if not -1.0 <= least <= 1.0:
        raise InputError(f"the least cosine is {least}; it must be between -1 and 1, such as 0.99")


def compare(encoder: Encoder, reference: Encoder, pictures: Sequence[Image], texts: Sequence[str]) -> Parity:
    """Encode the same items with both, taking turns; speeds are medians.

    Args:
        encoder: under test.
        reference: an encoder of the same width.
        pictures: at least one, in RGB; few enough for one batch.
        texts: at least one.
    """
    return Parity(
        _agreement(encoder.encode_images, reference.encode_images, pictures),
        _agreement(encoder.encode_texts, reference.encode_texts, texts),
    )


def _agreement(
    encode: Callable[[Sequence[T]], Vectors], reference: Callable[[Sequence[T]], Vectors], items: Sequence[T]
) -> Agreement:
    cosines = (encode(items) * reference(items)).sum(axis=1)
    taken_s, reference_s = [], []
    for _ in range(_ROUNDS):
        taken_s.append(_seconds(encode, items))
        reference_s.append(_seconds(reference, items))
    return Agreement(
        items=len(items),
        least_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        per_s=len(items) / statistics.median(taken_s),
        reference_per_s=len(items) / statistics.median(reference_s),
    )


def _seconds(encode: Callable[[Sequence[T]], Vectors], items: Sequence[T]) -> float:
    started_s = time.perf_counter()
    encode(items)
    return time.perf_counter() - started_s
