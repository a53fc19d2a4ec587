"""The classes that training images show, and words for those of the teacher."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: make test-models")

from catalens.core.classes import PEOPLE, SCENES, SURROUNDINGS, THINGS, Classes
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.registry import load_encoder
from catalens.tasks.labels import build_bank
from catalens.tasks.schema import load_schema
from catalens.training.fact_classes import learn_fact_classes
from catalens.training.kinds import read_classes
from catalens.training.known_classes import SOMEBODY, TrainingImages, learn_things, made_up, named_classes, people_truth
from tests.support.word_encoder import WordEncoder

ALONE = ["A man sits on a couch indoors .", "a man in a room", "A man sits inside .", "a man on a couch", "A man ."]
PAIR = ["Two girls run on the beach .", "two girls on a beach", "Two girls outdoors .", "two children", "Two girls ."]
DOG = ["A dog runs through snow.", "A brown dog in the snow .", "the dog is running", "snow and a dog", "A dog ."]
ONCE = ["A dog and a man .", "A dog .", "a dog runs", "the dog", "a brown dog"]


def test_captions_say_who_is_there_where_two_agree() -> None:
    truth, is_known = people_truth([ALONE, PAIR, DOG, ONCE])
    assert truth.tolist() == [[True, False], [False, True], [False, False], [False, False]]
    assert is_known.tolist() == [True, True, True, False]


def test_words_of_the_teacher_mean_what_people_mean() -> None:
    classes = read_classes()
    named = named_classes(classes)
    names = {word: {classes[at].names[0] for at in places} for word, places in named.items()}
    assert {"tabby", "Persian cat"} <= names["cat"] == names["kitten"]
    assert "Komodo dragon" not in names["monitor"]
    assert "hay" not in names["food"]
    assert names["document or screenshot"] == {"web site", "menu", "crossword puzzle"}


def test_what_images_show_is_learned_beside_the_teacher_s_classes() -> None:
    encoder = WordEncoder("person people hat apple teapot anchor grass", scale=12.0)
    teacher = Classes(encoder.encode_texts(["teapot", "anchor"]), {"teapot": (0,), "anchor": (1,)})
    noise = np.random.default_rng(0)

    def shown(word: str, count: int) -> Vectors:
        rows = np.repeat(encoder.picture(**{word: 1.0, "grass": 0.8}), count, axis=0)
        return unit_rows(rows + noise.normal(0, 0.05, rows.shape).astype(np.float32))

    photographs = np.concatenate([shown("person", 40), shown("people", 40), shown("grass", 40)])
    wild = np.concatenate([shown("hat", 20), shown("apple", 20)])
    seen = TrainingImages(
        photographs,
        [ALONE] * 40 + [PAIR] * 40 + [DOG] * 40,
        wild,
        [("hat", "clothes")] * 20 + [("apple", "fruit")] * 20,
        wild[:0],
    )
    bank = build_bank(encoder, ["teapot", "apple"], templates=["{}"])
    words, vectors = learn_things(encoder, seen, bank, teacher)
    assert words == (*SOMEBODY, ("apple", "fruit"), ("hat", "clothes"))
    every = np.concatenate([vectors, teacher.vectors])
    for at, word in enumerate(["person", "people", "apple", "hat", "teapot", "anchor"]):
        assert ((shown(word, 30) @ every.T).argmax(axis=1) == at).mean() > 0.95, word


def test_made_up_images_are_nearer_to_their_class() -> None:
    rng = np.random.default_rng(0)
    images, classes = (unit_rows(rng.normal(size=(n, 16)).astype(np.float32)) for n in (200, 5))
    made = made_up(images, images, classes)
    own = np.tile(np.arange(5), 3)
    assert made.shape == (15, 16)
    assert ((made @ classes.T)[np.arange(15), own]).mean() > (images @ classes.T).mean() + 0.1


def test_facts_of_captions_become_classes() -> None:
    encoder = WordEncoder("couch beach snow shelf white", scale=12.0)
    photographs = np.repeat(encoder.pictures([{"couch": 1.0}, {"beach": 1.0}, {"snow": 1.0}]), 10, axis=0)
    captions = [text for text in (ALONE, PAIR, DOG) for _ in range(10)]
    wild, plain, schema = encoder.picture(shelf=1.0), encoder.picture(white=1.0), load_schema("everyday")
    sets = learn_fact_classes(photographs, captions, wild, plain, schema, encoder.picture(shelf=0.5), scale=12.0)
    people = sets[PEOPLE]
    assert {"one", "two", "none"} <= {*people.named}
    places = {name: at for name, (at,) in people.named.items()}
    assert (photographs @ people.vectors.T).argmax(axis=1)[::10].tolist() == [places[n] for n in ("one", "two", "none")]
    assert (wild @ people.vectors.T).argmax() == places["none"]
    assert {"beach", "snow"} <= {*sets[SCENES].named}
    surroundings = sets[SURROUNDINGS]
    assert {*surroundings.named} == {"outdoors", "indoors"}
    named = {at for (at,) in surroundings.named.values()}
    assert (plain @ surroundings.vectors.T).argmax() not in named, "a plain background is neither"
    assert (wild @ surroundings.vectors.T).argmax() == surroundings.named["indoors"][0]
    assert [len(sets[name].vectors) - len(sets[name].named) for name in (SURROUNDINGS, SCENES, PEOPLE)] == [1, 0, 0]


def test_the_shipped_everyday_bundle_has_every_set() -> None:
    sets = load_encoder("everyday").classes  # type: ignore[attr-defined]
    assert len(sets[THINGS].vectors) > 1000
    for name in ("person", "people", "apple", "milk", "t-shirt", "dog", "animal", "clothes"):
        assert sets[THINGS].named[name], name
    schema = load_schema("everyday")
    assert {group.classes for group in schema.groups} == {*sets}
