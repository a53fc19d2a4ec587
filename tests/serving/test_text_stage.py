"""Texts in a worker: their vectors, and the tokens that were read."""

from __future__ import annotations

from typing import Any

from PIL import Image

from catalens.core.protocols import Encoder
from catalens.core.types import Record
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture
from catalens.serving.stages import TEXTS, TOKENS, VECTORS, TextStage
from tests.support.word_encoder import WordEncoder


class Counting(WordEncoder):
    """Reads five tokens of a text at most; a letter is a token."""

    def count_tokens(self, text: str) -> tuple[int, int]:
        return len(text), min(5, len(text))


def read(encoder: Encoder) -> list[tuple[int, int]]:
    class One(Session):
        def encoder(self, name: str | None = None) -> Encoder:
            return encoder

    pictures = [
        Picture(Record("1", "1"), Image.new("RGB", (1, 1)), {TEXTS: ["a red dog", "red"]}),
        Picture(Record("2", "2"), Image.new("RGB", (1, 1)), {TEXTS: ["dogs"]}),
    ]
    found: Any = TextStage().load(One()).run(pictures)
    return [(len(values[VECTORS]), values[TOKENS]) for values in found]


def test_the_tokens_that_the_encoder_reads_are_counted_for_each_request() -> None:
    assert read(Counting("red dog dogs")) == [(2, 5 + 3), (1, 4)]


def test_of_an_encoder_that_tells_no_tokens_words_are_counted() -> None:
    assert read(WordEncoder("red dog dogs")) == [(2, 3 + 1), (1, 1)]
