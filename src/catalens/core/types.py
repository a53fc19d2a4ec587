"""The values that travel between rooms: frozen, small, checked once at birth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from catalens.core.errors import InputError

Vectors = NDArray[np.float32]
"""(n, dim) float32, rows of unit length, always: whoever makes one guarantees it."""

Scores = NDArray[np.float32]
"""Any array of scores; its shape is stated where it is named."""

FieldValue = str | int | float | bool
"""What a field of a record may hold."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A label that fits a picture.

    Attributes:
        label: the label.
        score: probability in [0, 1].
        group: the group of the schema that it belongs to; empty for plain labels.
    """

    label: str
    score: float
    group: str = ""

    def to_dict(self) -> dict[str, str | float]:
        """Return it as JSON values; `group` only where it has one."""
        row: dict[str, str | float] = {"label": self.label, "score": round(self.score, 4)}
        return row | {"group": self.group} if self.group else row


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """Decoding configuration of a generative model.

    Attributes:
        max_tokens: maximum new tokens.
        min_tokens: minimum new tokens.
        beams: beam width; 1 for greedy decoding or sampling.
        temperature: of sampling, above 0; None for the most likely token each time.
        top_p: with a temperature, sample from the most likely tokens that together have this probability.
        seed: random seed: the same seed and image give the same text, whatever the batch.
        repetition_penalty: above 1 makes tokens that occurred before less likely (Keskar et al. 2019).
    """

    max_tokens: int = 40
    min_tokens: int = 0
    beams: int = 1
    temperature: float | None = None
    top_p: float = 1.0
    seed: int = 0
    repetition_penalty: float = 1.0


GREEDY = Decoding()
"""The most likely token each time, at most forty tokens."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question about an image, and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintRequest:
    """Request to a painter.

    Attributes:
        image: the RGB image to start from.
        prompt: what to generate.
        negative_prompt: what to avoid; empty for nothing.
        strength: 0 keeps the image, 1 ignores it.
        steps: denoising steps; None for the model's default.
        guidance: guidance scale; None for the model's default.
        seed: random seed; at most 4,294,967,294, which every painter accepts.

    Raises:
        InputError: there is no prompt, or a number is out of range.
    """

    image: Image
    prompt: str
    negative_prompt: str = ""
    strength: float = 0.6
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise InputError("there is no prompt: say what to paint")
        if not 0 <= self.strength <= 1:
            raise InputError(f"strength is {self.strength}; give 0 (keep the picture) to 1 (forget it)")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"steps is {self.steps}; give at least 1")
        if self.guidance is not None and not 0 <= self.guidance < float("inf"):
            raise InputError(f"guidance is {self.guidance}; give 0 or more")
        if not 0 <= self.seed < 2**32 - 1:
            raise InputError(f"seed is {self.seed}; give 0 to 4294967294")
