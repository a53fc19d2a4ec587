"""The teacher's classes in words, and the random cut through what they are kinds of."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-train")

from catalens.training.kinds import SEVERAL, TEMPLATES, cut, many, name_texts, read_classes


def test_classes_are_named_and_are_kinds_of_everyday_things() -> None:
    classes = read_classes()
    assert len(classes) == 1000
    assert classes[0].names == ("tench", "Tinca tinca")
    kinds = {each.names[0]: each.kinds for each in classes}
    assert "dog" in kinds["Chihuahua"]
    assert {"cat", "animal"} <= set(kinds["tabby"])
    assert {"car", "vehicle"} <= set(kinds["sports car"])
    assert not {"artifact", "instrumentality", "entity"} & {kind for each in classes for kind in each.kinds}


def test_a_cut_says_every_class_once_and_joins_what_is_said_alike() -> None:
    classes = read_classes()
    texts, places = cut(classes, random.Random(1), own=0.0)
    assert len(texts) == len(set(texts)) < 1000
    assert places.shape == (1000,)
    assert set(places.tolist()) == set(range(len(texts)))
    dogs = [at for at, each in enumerate(classes) if "dog" in each.kinds]
    assert len({int(places[at]) for at in dogs}) < len(dogs) / 2


def test_with_their_own_names_all_classes_stay_apart() -> None:
    texts, places = cut(read_classes(), random.Random(2), own=1.0)
    assert len(texts) >= 995, "hardly any two classes share every name"
    assert places.max() == len(texts) - 1


def test_names_that_two_classes_share_say_which_is_meant() -> None:
    texts, owner = name_texts(read_classes())
    assert len(texts) == len(owner)
    assert set(owner) == set(range(1000))
    of_cranes = {text for text, place in zip(texts, owner, strict=True) if place in {134, 517}}
    assert TEMPLATES[0].format("crane, wading bird") in of_cranes
    assert "crane" not in of_cranes


@pytest.mark.parametrize(
    ("one", "several"),
    [("cat", "cats"), ("bus", "bus"), ("fox", "foxes"), ("glass", "glasses"), ("puppy", "puppies"), ("jay", "jays"),
     ("crane, wading bird", "cranes, wading bird")],
)  # fmt: skip
def test_names_in_the_plural(one: str, several: str) -> None:
    assert many(one) == several


def test_some_batches_speak_of_several_and_the_others_of_one() -> None:
    classes = read_classes()
    said = [set(cut(classes, random.Random(seed), own=1.0)[0]) for seed in range(40)]
    several = [texts & {template.format("goldfishes") for template in SEVERAL} for texts in said]
    assert 2 <= sum(map(bool, several)) <= 20
    for texts, found in zip(said, several, strict=True):
        assert not (found and texts & {template.format("tench") for template in TEMPLATES[1:]}), "never both at once"
