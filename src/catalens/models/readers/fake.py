"""A shipped reader with no weights: for tests, and to try a job before the models for it are there.

It knows the mean colour of a picture and nothing else, but it keeps every promise of the protocols.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Self

import numpy as np
from PIL.Image import Image

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import EncodedImages
from catalens.core.types import GREEDY, Decoding, Scores, Turn
from catalens.models.readers.checks import check_answers, check_decoding, check_questions

_COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (200, 30, 30),
    "green": (30, 150, 50),
    "blue": (30, 60, 200),
    "yellow": (230, 210, 40),
    "brown": (120, 80, 40),
}
_WORDINGS = ("a picture that is mostly {}", "mostly {}", "something {}", "a {} picture", "{}, as far as one can tell")


class _Colours(list[str]):
    """The colour of each picture."""


class FakeReader:
    """Says which colour a picture has; the same picture and question always give the same words."""

    input_size_wh: tuple[int, int] | None = None
    keeps_history: bool = True

    def __init__(self) -> None:
        self.name = "fake"
        self.looks: list[int] = []
        """Numbers of pictures looked at, so that a test can count looks."""
        self._closed = False

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        """Find the mean colour of each picture."""
        self._check_open()
        self.looks.append(len(images))
        return _Colours(_colour(image) for image in images)

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions that name the colour, in other words each."""
        self._check_open()
        check_decoding(decoding, count)
        first = 0 if decoding.temperature is None else decoding.seed
        captions = []
        for colour in _own(encoded):
            wordings = (_WORDINGS[(first + at) % len(_WORDINGS)].format(colour) for at in range(count))
            captions.append([f"{prompt} {_cut(each, decoding)}".strip() for each in wordings])
        return captions

    def answer(
        self,
        encoded: EncodedImages,
        questions: Sequence[str],
        *,
        history: Sequence[Turn] = (),
        decoding: Decoding = GREEDY,
    ) -> list[list[str]]:
        """Answer with the colour where a question has that word, else with yes or no."""
        self._check_open()
        check_decoding(decoding)
        check_questions(questions)
        turns = [part for turn in history for part in (turn.question, turn.answer)]
        return [[_answer(colour, [*turns, question]) for question in questions] for colour in _own(encoded)]

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Score the answer that it would give itself above all others."""
        self._check_open()
        check_questions([question])
        check_answers(answers)
        given = [group[0] for group in self.answer(encoded, [question], history=history)]
        scores = np.zeros((len(given), len(answers)), dtype=np.float32)
        for row, own in zip(scores, given, strict=True):
            row[:] = [-0.1 if answer.lower() == own else -1 - 4 * _chance(own, question, answer) for answer in answers]
        return scores

    def close(self) -> None:
        """Be closed, as a reader with weights is."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ModelError("fake is closed; load it again")


def _own(encoded: EncodedImages) -> _Colours:
    if not isinstance(encoded, _Colours):
        raise InputError(f"{type(encoded).__name__} was made by another reader; only the reader that looked can go on")
    return encoded


def _colour(image: Image) -> str:
    pixel = np.asarray(image.convert("RGB").resize((1, 1)), dtype=np.int64).ravel()
    return min(_COLOURS, key=lambda name: int(np.square(pixel - _COLOURS[name]).sum()))


def _answer(colour: str, said: Sequence[str]) -> str:
    if "colour" in said[-1].lower() or "color" in said[-1].lower():
        return colour
    return "yes" if _chance(colour, *said) < 0.5 else "no"


def _cut(text: str, decoding: Decoding) -> str:
    return " ".join(text.split()[: decoding.max_tokens])


def _chance(*texts: str) -> float:
    """Return a number in [0, 1) that is always the same for the same texts."""
    return int.from_bytes(hashlib.sha256("\0".join(texts).encode()).digest()[:6], "little") / 2**48
