"""Checks of arguments that every reader makes, with the same messages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from catalens.core.errors import InputError, ModelError
from catalens.core.types import Decoding

NO_HISTORY = "{name} was trained on single questions and keeps no conversation; BLIP-2 and chat models do"
"""Message of the `ModelError` with which a reader refuses a history."""
FOREIGN = "{kind} was encoded by another reader; call encode_images of {name} first"
"""Message of the `InputError` for encoded images of another reader."""


def check_decoding(decoding: Decoding, count: int = 1) -> None:
    """Check a decoding configuration.

    Raises:
        InputError: a number is out of range, or beam search is combined with sampling.
    """
    for name, value in {"count": count, "max_tokens": decoding.max_tokens, "beams": decoding.beams}.items():
        if value < 1:
            raise InputError(f"{name} is {value}; it must be at least 1")
    if not 0 <= decoding.min_tokens <= decoding.max_tokens:
        raise InputError(
            f"min_tokens is {decoding.min_tokens}; it must be between 0 and max_tokens, {decoding.max_tokens}"
        )
    if decoding.temperature is not None and (decoding.temperature <= 0 or decoding.beams > 1):
        raise InputError(
            f"temperature {decoding.temperature} with {decoding.beams} beams: sampling needs a temperature above 0 "
            "and a single beam"
        )
    _check_ranges(decoding)


def _check_ranges(decoding: Decoding) -> None:
    if not 0 < decoding.top_p <= 1:
        raise InputError(f"top_p is {decoding.top_p}; it must be above 0 and at most 1")
    if decoding.repetition_penalty <= 0:
        raise InputError(f"repetition_penalty is {decoding.repetition_penalty}; it must be above 0; 1 means none")
    if decoding.seed < 0:
        raise InputError(f"seed is {decoding.seed}; it must be at least 0")


def check_questions(questions: Sequence[str]) -> None:
    """Check that no question is empty.

    Raises:
        InputError: one is empty.
    """
    _check_filled("question", questions)


def check_answers(answers: Sequence[str]) -> None:
    """Check that no answer is empty.

    Raises:
        InputError: one is empty.
    """
    _check_filled("answer", answers)


def _check_filled(kind: str, texts: Sequence[str]) -> None:
    for at, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"{kind} {at + 1} of {len(texts)} is empty")


def answer_weights(facts: Mapping[str, Any]) -> dict[str, float]:
    """Return how a bundled reader scores closed answers: the temperature, and the weight of cosines.

    Raises:
        ModelError: one is no number in its range.
    """
    temperature, cosine = facts.get("temperature", 1.0), facts.get("cosine", 0.0)
    if not isinstance(temperature, int | float) or not 0.0 < temperature < math.inf:
        raise ModelError(f"the reader's temperature is {temperature!r}; it must be a number above 0")
    if not isinstance(cosine, int | float) or not 0.0 <= cosine < math.inf:
        raise ModelError(f"the reader's weight of cosines is {cosine!r}; it must be a number, at least 0")
    return {"temperature": float(temperature), "cosine": float(cosine)}
