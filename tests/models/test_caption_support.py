"""Captions keep what the image supports: words, people, animals and things, on vectors made for the purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from catalens.core.classes import THINGS, Classes
from catalens.core.errors import ModelError
from catalens.core.images import read_image
from catalens.core.types import Vectors
from catalens.models.readers.phrases import stem
from catalens.models.readers.registry import Reader, load_reader
from catalens.models.readers.support import (
    LEAST,
    SEVERAL,
    SOMEBODY,
    UNKNOWN,
    Support,
    SupportConfig,
    Thing,
)
from catalens.models.readers.support_files import load_support, save_support
from catalens.tasks.captions import clean_caption

_STEMS = map(
    stem, ("dog", "black", "white", "run", "snow", "man", "woman", "shirt", "red", "football", "two", "ball", "sit")
)
WORDS = (*_STEMS, SOMEBODY, SEVERAL)
THINGS_NAMED = (
    Thing("a cat", (0,)),
    Thing("a dog", (1,)),
    Thing("a motorcycle", (2,)),
    Thing("an animal", (0, 1)),
    Thing("a hot dog", (3,)),
)
CLASSES = 4


def support(**least: float) -> Support:
    """A support whose vectors hold the log-odds of words, then the logits of classes."""
    config = SupportConfig(
        words=WORDS,
        things=THINGS_NAMED,
        rivals=frozenset((0, 1)),
        scale=1.0,
        least={**dict.fromkeys(LEAST, 0.5), "thing": 0.8, **least},
    )
    weights = np.zeros((len(WORDS) + CLASSES + 1, len(WORDS)), np.float32)
    weights[: len(WORDS)] = np.eye(len(WORDS))
    classes = np.zeros((CLASSES, len(WORDS) + CLASSES), np.float32)
    classes[:, len(WORDS) :] = np.eye(CLASSES)
    return Support(config, weights, classes)


def image(*words: str, thing: int | None = None) -> Vectors:
    """An image of which these words are said, and one thing is seen."""
    row = np.full(len(WORDS) + CLASSES, -4.0, np.float32)
    row[len(WORDS) :] = 0.0
    for word in words:
        row[WORDS.index(word if word.startswith("*") else stem(word))] = 4.0
    if thing is not None:
        row[len(WORDS) + thing] = 9.0
    return row


@pytest.mark.parametrize(
    ("caption", "seen", "thing", "kept"),
    [
        ("a black dog is running through the snow", ("dog", "black", "run", "snow"), 1, None),
        ("a black and white dog is running", ("dog", "white"), 1, "a white dog"),
        ("a black and white dog", ("dog", "black", "white"), 1, None),
        ("two dogs are running", ("dog", "run"), 1, "a dog is running"),
        ("a man wearing a red shirt is playing a football", (SOMEBODY, "man", "shirt"), None, "a man wearing a shirt"),
        ("a man is running", (SOMEBODY, "run"), None, "a person is running"),
        ("a man and a woman are running", (SOMEBODY, SEVERAL, "run", "man"), None, "people are running"),
        ("two men are running", (SOMEBODY, "run", "man"), None, "a person is running"),
        ("a man is riding a motorcycle", (), 2, "a photo of a motorcycle"),
        ("a dog is running", ("dog", "run"), 0, "a photo of a cat"),
        ("a dog is running", ("dog", "run"), 3, "a photo of a hot dog"),
        ("a dog is running through the snow", ("dog", "snow"), 1, "a dog"),
        ("a dog is running in the snow", ("dog", "snow"), 1, "a dog in the snow"),
        (
            "a man in a red shirt is wearing a red shirt",
            (SOMEBODY, "man", "red", "shirt"),
            None,
            "a man in a red shirt",
        ),
        ("a man in a red shirt and white shirt", (SOMEBODY, "man", "shirt", "red"), None, "a man in a red shirt"),
        ("two men sit in the snow", (SOMEBODY, "man", "sit", "snow"), None, "a person sits in the snow"),
        ("a man is running", (), None, UNKNOWN),
        ("a tent", (), None, UNKNOWN),
        ("", (), None, UNKNOWN),
    ],
)
def test_a_caption_keeps_what_is_supported(caption: str, seen: tuple[str, ...], thing: int | None, kept: str) -> None:
    [found] = support().supported([caption], image(*seen, thing=thing))
    assert found == (caption if kept is None else kept)


def test_people_beside_a_recognised_thing_need_more() -> None:
    seen = image(SOMEBODY, "man", thing=2)
    assert support().supported(["a man"], seen) == ["a man"]
    assert support(**{"person beside": 0.99}).supported(["a man"], seen) == ["a photo of a motorcycle"]


def test_the_most_particular_thing_is_named() -> None:
    row = image()
    row[len(WORDS) :] = (4.0, 4.0, 0.0, 0.0)
    assert support().supported(["a man"], row) == ["a photo of an animal"]


def test_a_support_is_kept_beside_its_reader(tmp_path: Path) -> None:
    made = support()
    weights = np.full((len(WORDS) + CLASSES + 1, len(WORDS)), 0.5, dtype=np.float32)
    save_support(tmp_path, "everyday@3", made.config, weights, CLASSES)
    known = {THINGS: Classes(np.eye(CLASSES + 1, len(WORDS) + CLASSES, dtype=np.float32), {})}
    loaded = load_support(tmp_path, "everyday@3", known)
    assert loaded is not None
    assert loaded.config == made.config
    assert load_support(tmp_path / "elsewhere", "everyday@3", known) is None
    with pytest.raises(ModelError, match="learned with everyday@3, not other@1"):
        load_support(tmp_path, "other@1", known)
    for lacking in ({}, {THINGS: Classes(known[THINGS].vectors[:2], {})}):
        with pytest.raises(ModelError, match=r"its classes\.json is missing"):
            load_support(tmp_path, "everyday@3", lacking)
    facts, arrays = tmp_path / "support.json", tmp_path / "support.npz"
    whole, stored = json.loads(facts.read_text()), arrays.read_bytes()
    arrays.write_bytes(stored[:-1])
    with pytest.raises(ModelError, match="damaged"):
        load_support(tmp_path, "everyday@3", known)
    arrays.write_bytes(stored)
    for wrong in ({**whole, "least": {}}, {**whole, "things": [1]}, {**whole, "things": {"a cat": [99]}}, [1]):
        facts.write_text(json.dumps(wrong))
        with pytest.raises(ModelError, match="cannot be used"):
            load_support(tmp_path, "everyday@3", known)


@pytest.fixture(scope="module")
def starter(kept: Path) -> Iterator[Reader]:
    with load_reader("starter", cache=kept) as reader:
        yield reader


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("astronaut.png", ("a person", "a woman", "an astronaut", "something unknown")),
        ("motorcycle_left.png", ("a motorcycle", "a motor scooter", "a moped", "a vehicle", "something unknown")),
        ("chelsea.png", ("a cat", "an animal", "something unknown")),
        ("coffee.png", ("a drink", "a cup", "an espresso", "food", "something unknown")),
        ("rocket.jpg", ("a rocket", "a missile", "a spacecraft", "a space shuttle", "something unknown")),
        ("camera.png", ("a person", "a man", "a tripod", "something unknown")),
    ],
)
def test_nothing_false_is_said_of_a_stranger_s_photograph(starter: Reader, name: str, right: tuple[str, ...]) -> None:
    skimage = pytest.importorskip("skimage", reason="scikit-image, whose wheel has photographs, is not installed")
    encoded = starter.encode_images([read_image(Path(skimage.__file__).parent / "data" / name)])
    [[caption]] = starter.caption(encoded)
    assert clean_caption(caption).startswith(right), caption
    assert "football" not in caption
    assert "riding" not in caption
