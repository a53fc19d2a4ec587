"""A shipped reader without weights: for tests, and to try a job before its models are installed.

It knows an image's mean colour and nothing else, but fulfils the protocols.
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
from catalens.models.readers.checks import FOREIGN, check_answers, check_decoding, check_questions

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
    """The colour of each image."""


class FakeReader:
    """Names an image's colour; the same image and question always have the same answer."""

    input_size_wh: tuple[int, int] | None = None
    keeps_history: bool = True

    def __init__(self) -> None:
        self.name = "fake"
        self.encode_calls: list[int] = []
        """Number of images of each `encode_images` call, for tests."""
        self._closed = False

    def encode_images(self, images: Sequence[Image]) -> EncodedImages:
        """Find the mean colour of each image."""
        self._check_open()
        self.encode_calls.append(len(images))
        return _Colours(_colour(image) for image in images)

    def caption(
        self, encoded: EncodedImages, *, prompt: str = "", count: int = 1, decoding: Decoding = GREEDY
    ) -> list[list[str]]:
        """Return `count` captions that name the colour, each worded differently."""
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
        """Answer with the colour if the question contains that word, else with yes or no."""
        self._check_open()
        check_decoding(decoding)
        check_questions(questions)
        turns = [part for turn in history for part in (turn.question, turn.answer)]
        return [[_answer(colour, [*turns, question]) for question in questions] for colour in _own(encoded)]

    def score(
        self, encoded: EncodedImages, question: str, answers: Sequence[str], *, history: Sequence[Turn] = ()
    ) -> Scores:
        """Score the reader's own answer above all others."""
        self._check_open()
        check_questions([question])
        check_answers(answers)
        own_answers = [group[0] for group in self.answer(encoded, [question], history=history)]
        scores = np.zeros((len(own_answers), len(answers)), dtype=np.float32)
        for row, own in zip(scores, own_answers, strict=True):
            row[:] = [
                -0.1 if answer.lower() == own else -1 - 4 * _hash_unit(own, question, answer) for answer in answers
            ]
        return scores

    def close(self) -> None:
        """Refuse all further calls, as a reader with weights does."""
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
        raise InputError(FOREIGN.format(kind=type(encoded).__name__, name="fake"))
    return encoded


def _colour(image: Image) -> str:
    pixel = np.asarray(image.convert("RGB").resize((1, 1)), dtype=np.int64).ravel()
    return min(_COLOURS, key=lambda name: int(np.square(pixel - _COLOURS[name]).sum()))


def _answer(colour: str, turns: Sequence[str]) -> str:
    if "colour" in turns[-1].lower() or "color" in turns[-1].lower():
        return colour
    return "yes" if _hash_unit(colour, *turns) < 0.5 else "no"


def _cut(text: str, decoding: Decoding) -> str:
    return " ".join(text.split()[: decoding.max_tokens])


def _hash_unit(*texts: str) -> float:
    """Return a number in [0, 1) that depends on the texts only."""
    return int.from_bytes(hashlib.sha256("\0".join(texts).encode()).digest()[:6], "little") / 2**48
