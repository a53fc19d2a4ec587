"""The values that travel between rooms: frozen, small, checked once at birth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""(n, dim) float32, rows of unit length, always: whoever makes one guarantees it."""

Scores = NDArray[np.float32]
"""Any array of scores; its shape is stated where it is named."""

FieldValue = str | int | float | bool
"""What a field of a record may hold."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A label that fits a picture; score is a probability in [0, 1]."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Record:
    """One catalogue item.

    Attributes:
        id: unique in its catalogue; never empty.
        source: where the picture is (a path or an address), as text.
        fields: what else is known of the item: title, colour, price …
    """

    id: str
    source: str
    fields: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result; score is a cosine in [-1, 1], higher is better, for every index."""

    record: Record
    score: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item of a job: error is None, or one sentence. Nothing is lost silently."""

    id: str
    error: str | None = None
