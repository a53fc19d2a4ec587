"""What every reader refuses, in the same words."""

from __future__ import annotations

from collections.abc import Sequence

from catalens.core.errors import InputError
from catalens.core.types import Decoding


def check_decoding(decoding: Decoding, count: int = 1) -> None:
    """Refuse a way of choosing words that makes no sense.

    Raises:
        InputError: a number is out of its range, or beams are asked to draw by chance.
    """
    for name, value in {"count": count, "max_tokens": decoding.max_tokens, "beams": decoding.beams}.items():
        if value < 1:
            raise InputError(f"{name} is {value}; it is 1 or more")
    if not 0 <= decoding.min_tokens <= decoding.max_tokens:
        raise InputError(f"min_tokens is {decoding.min_tokens}; it lies between 0 and max_tokens {decoding.max_tokens}")
    if decoding.temperature is not None and (decoding.temperature <= 0 or decoding.beams > 1):
        raise InputError(
            f"temperature {decoding.temperature} with {decoding.beams} beams: chance needs a temperature above 0 "
            "and a single beam"
        )
    _check_shares(decoding)


def _check_shares(decoding: Decoding) -> None:
    if not 0 < decoding.top_p <= 1:
        raise InputError(f"top_p is {decoding.top_p}; it is above 0 and at most 1")
    if decoding.repetition_penalty <= 0:
        raise InputError(f"repetition_penalty is {decoding.repetition_penalty}; it is above 0, and 1 for none")
    if decoding.seed < 0:
        raise InputError(f"seed is {decoding.seed}; it is 0 or more")


def check_questions(questions: Sequence[str]) -> None:
    """Refuse questions that ask nothing.

    Raises:
        InputError: one is empty.
    """
    _check_filled("question", questions)


def check_answers(answers: Sequence[str]) -> None:
    """Refuse answers that say nothing.

    Raises:
        InputError: one is empty.
    """
    _check_filled("answer", answers)


def _check_filled(kind: str, texts: Sequence[str]) -> None:
    for at, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"{kind} {at + 1} of {len(texts)} is empty")
