"""Captions are reduced to what the picture supports."""

from __future__ import annotations

import numpy as np
import pytest

from catalens.core.errors import InputError
from catalens.core.types import Vectors
from catalens.tasks.caption_support import UNKNOWN_CAPTION, SupportThresholds, split_caption, supported_captions
from tests.support.word_encoder import WordEncoder

WORDS = WordEncoder("man dog cat snow beach running red shirt black")
ALL = SupportThresholds(subject=0.4, scene=0.4, action=0.4, colour=0.4, clothing=0.4)


def picture(**words: float) -> Vectors:
    return WORDS.picture(**words)


@pytest.mark.parametrize(
    ("caption", "phrases"),
    [
        ("a photo of an owl", [("subject", "an owl")]),
        ("a group of people", [("subject", "a group of people")]),
        ("a black and white dog", [("subject", "a dog"), ("colour", "a black and white dog")]),
        ("a dog jumps into the water", [("subject", "a dog"), ("action", "jumps"), ("scene", "into the water")]),
        (
            "two dogs are playing with a ball",
            [("subject", "two dogs"), ("action", "are playing"), ("scene", "with a ball")],
        ),
        ("a woman wearing a hat", [("subject", "a woman"), ("clothing", "wearing a hat")]),
        ("a man in front of a car.", [("subject", "a man"), ("scene", "in front of a car")]),
        ("a girl in a bathing suit", [("subject", "a girl"), ("clothing", "in a bathing suit")]),
    ],
)
def test_a_caption_is_split_into_its_phrases(caption: str, phrases: list[tuple[str, str]]) -> None:
    assert [(each.kind, each.words) for each in split_caption(caption)] == [
        (kind, words.replace("a black and white dog", "a dog") if kind == "subject" else words)
        for kind, words in phrases
    ]


@pytest.mark.parametrize(
    ("caption", "shown", "kept"),
    [
        ("a dog is running in the snow", {"dog": 1.0, "running": 1.0, "snow": 1.0}, "a dog is running in the snow"),
        ("a dog is running in the snow", {"dog": 1.0, "snow": 1.0}, "a dog in the snow"),
        ("a dog is running in the snow", {"dog": 1.0}, "a dog"),
        ("a man is running in the snow", {"cat": 1.0, "snow": 0.3}, UNKNOWN_CAPTION),
        ("a red cat", {"cat": 1.0, "red": 0.6}, "a red cat"),
    ],
)
def test_only_supported_phrases_stay(caption: str, shown: dict[str, float], kept: str) -> None:
    assert supported_captions([caption], picture(**shown), WORDS, ALL) == [kept]


def test_the_learned_thresholds_never_keep_actions_colours_or_clothes() -> None:
    [said] = supported_captions(
        ["a black dog is running in the snow"], picture(dog=1.0, black=1.0, running=1.0, snow=1.0), WORDS
    )
    assert said == "a dog in the snow"
    assert supported_captions(["a black dog and a dog"], picture(dog=1.0), WORDS) == ["a dog"]


def test_captions_keep_the_order_of_their_pictures() -> None:
    vectors = np.concatenate([picture(cat=1.0), picture(dog=1.0)])
    assert supported_captions(["a dog", "a dog"], vectors, WORDS, ALL) == [UNKNOWN_CAPTION, "a dog"]
    assert supported_captions([], np.empty((0, WORDS.dim), np.float32), WORDS) == []
    with pytest.raises(InputError, match="1 vectors for 2 captions"):
        supported_captions(["a dog", "a cat"], picture(dog=1.0), WORDS)
