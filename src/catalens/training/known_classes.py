"""Write the classes of a bundle's encoder: `python -m catalens.training.known_classes everyday --data DATA`.

Of the everyday encoder: the teacher's 1,000, each the mean of its names' text vectors, and those that training images
show besides (people, clothes, groceries), fitted as a cosine classifier beside all others. Few of these images show any
of the 1,000, so made-up vectors stand for them; `scientific_classes` has those without a name, `fact_classes` the other
sets. Of the starter: a shop's types.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalens.core.classes import THINGS, Classes, ClassSets
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.models.bundle import load_bundle
from catalens.models.class_files import save_classes
from catalens.models.registry import shipped
from catalens.models.routing import EVERYDAY, PRODUCT
from catalens.tasks.class_labels import class_rows
from catalens.tasks.english import with_article
from catalens.tasks.labels import LabelBank, text_bank
from catalens.tasks.schema import load_schema
from catalens.training.caption_truth import MANY_PEOPLE, PEOPLE_SAID, words_of
from catalens.training.captions import read_captions
from catalens.training.closed_answers import plain_label
from catalens.training.fact_classes import learn_fact_classes
from catalens.training.fashion import read_products
from catalens.training.finetune.label_vectors import Examples, fit
from catalens.training.kinds import ALIASES, Class, read_classes
from catalens.training.pixels import read_photographs
from catalens.training.questions import everyday_facts
from catalens.training.recipes.unified.wild import GARMENT_WORDS, SHELVES, WildPicture, grocery_words, read_wild
from catalens.training.release import encode_pictures
from catalens.training.rendered import DOCUMENT
from catalens.training.scientific_classes import learn_scientific, scientific_pictures

Words: TypeAlias = tuple[str, ...]
"""What a class is called, and the kinds of things that it is."""

SOMEBODY: tuple[Words, ...] = (("person",), ("people",))
_NOT_SAID = {
    "kite": "kite",
    "Komodo dragon": "monitor",
    "Petri dish": "dish",
    "home theater": "building",
    "menu": "food",
    "hay": "food",
    "web site": "computer",
    "slide rule": "computer",
    "slot": "machine",
    "abacus": "machine",
    "file": "furniture",
}
"""Class → a word for it, or for what it is a kind of, that means something else to people: the kite is a bird."""
_ALSO_SAID = {"web site": DOCUMENT, "menu": DOCUMENT, "crossword puzzle": DOCUMENT}
_MADE_UP, _STEP = 3, 0.3
"""Vectors that are made up for each class, and how far they are from images without it."""
_PLAIN, _OF_A_TYPE = 1200, 40
"""Products before a plain background, and how many of one type."""
_SURE = 2
"""Captions that must name a person; where just one does, nothing is learned."""


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """Vectors of training images.

    Attributes:
        photographs: (n, dim).
        captions: of each photograph.
        wild: (k, dim), groceries and clothes at home.
        shown: the class of each of them.
        plain: (p, dim), products before a plain background, of many types.
    """

    photographs: Vectors
    captions: Sequence[Sequence[str]]
    wild: Vectors
    shown: Sequence[Words]
    plain: Vectors


def class_vectors(encoder: Encoder, names: Sequence[Sequence[str]]) -> Vectors:
    """Return one unit row per class: the mean of its names."""
    texts = [f"a photo of {with_article(name)}" for each in names for name in each]
    owners = np.repeat(np.arange(len(names)), [len(each) for each in names])
    vectors = encoder.encode_texts(texts)
    return unit_rows(np.stack([vectors[owners == at].mean(axis=0) for at in range(len(names))]))


def named_classes(classes: Sequence[Class]) -> dict[str, tuple[int, ...]]:
    """Return what people call classes and the kinds above them, and the places of the classes.

    >>> named = named_classes(read_classes())
    >>> len(named["dog"]) > 100, named["kitten"] == named["cat"], "kite" in named
    (True, True, False)
    """
    found: dict[str, set[int]] = {}
    for at, each in enumerate(classes):
        words = {said for word in (*each.names, *each.kinds) for said in (word, *ALIASES.get(word, ()))}
        words |= {_ALSO_SAID[each.names[0]]} if each.names[0] in _ALSO_SAID else set()
        for said in words - {_NOT_SAID.get(each.names[0])}:
            found.setdefault(str(said).lower(), set()).add(at)
    return {word: tuple(sorted(places)) for word, places in found.items()}


def everyday_classes(encoder: Encoder, data: Path) -> ClassSets:
    """Return the teacher's classes, those of training images, and those without a name: scientific pictures."""
    seen = encode_training_images(encoder, data)
    group = load_schema(EVERYDAY).group("subject")
    wordings = {label.name: label.wordings for label in group.labels}
    bank = text_bank(encoder, group.label_names, templates=group.templates, wordings=wordings)
    classes = read_classes()
    vectors = class_vectors(encoder, [each.names for each in classes])
    named = named_classes(classes)
    words, learned = learn_things(encoder, seen, bank, Classes(vectors, named))
    for at, some in enumerate(words, start=len(classes)):
        for word in some:
            named[word] = (*named.get(word, ()), at)
    unknown = bank.unknown.astype(np.float32)
    facts = learn_fact_classes(
        seen.photographs,
        seen.captions,
        seen.wild,
        seen.plain,
        load_schema(EVERYDAY),
        unknown,
        scale=encoder.logit_scale,
    )
    rivals = np.concatenate([vectors, learned, bank.vectors, bank.unknown]).astype(np.float32)
    photographs = np.concatenate([seen.photographs, seen.wild])
    scientific = learn_scientific(*scientific_pictures(encoder, data), photographs, rivals, scale=encoder.logit_scale)
    return {THINGS: Classes(np.concatenate([vectors, learned, scientific]), named), **facts}


def sold_classes(encoder: Encoder) -> ClassSets:
    """Return a shop's types of products."""
    types = load_schema("fashion").group("type").labels
    named: dict[str, tuple[int, ...]] = {}
    for at, label in enumerate(types):
        for wording in label.wordings:
            named[wording.lower()] = (*named.get(wording.lower(), ()), at)
    return {THINGS: Classes(class_vectors(encoder, [label.wordings for label in types]), named)}


def encode_training_images(encoder: Encoder, data: Path) -> TrainingImages:
    """Encode the training rows of photographs, groceries and clothes at home, and some products."""
    rows = [row for table in ("grocery", "clothing") for row in read_wild(data, table, "train")]
    photographs = encode_pictures(encoder, read_photographs(data, "train"))
    wild = encode_pictures(encoder, [row.picture for row in rows])
    plain = encode_pictures(encoder, plain_pictures(data))
    return TrainingImages(photographs, read_captions(data, "train"), wild, [class_shown(row) for row in rows], plain)


def plain_pictures(data: Path, *, seed: int = 5) -> list[bytes]:
    """Return training images of products, of each type at most so many that there are many types."""
    rows = list(read_products(data / "fashion", "train"))
    random.Random(seed).shuffle(rows)
    taken: Counter[str] = Counter()
    found = []
    for row in rows:
        kind = row.labels.get("type", "")
        if taken[kind] < _OF_A_TYPE:
            taken[kind] += 1
            found.append(row.picture)
    return found[:_PLAIN]


def learn_things(
    encoder: Encoder, seen: TrainingImages, bank: LabelBank, classes: Classes
) -> tuple[Sequence[Words], Vectors]:
    """Fit a vector for each class that training images show, beside all that is something else.

    Args:
        encoder: of the bundle; its image tower stays as it is.
        seen: what is learned from.
        bank: the subjects of the everyday schema: their texts compete, as they will.
        classes: the teacher's.

    Returns:
        k classes and their vectors (k, dim), unit rows.
    """
    people, is_known = people_truth(seen.captions)
    words = (*SOMEBODY, *sorted({*seen.shown}))
    # What already means one of them, a class or a text, is no competitor.
    others = class_rows(classes, words).rest
    said = {word for some in words for word in some}
    texts = bank.vectors[[at for at, name in enumerate(bank.labels) if name not in said]]
    rivals = np.concatenate([others, texts, bank.unknown]).astype(np.float32)
    nobody = seen.photographs[is_known & ~people.any(axis=1)]
    imagined = made_up(np.concatenate([seen.photographs, seen.wild]), np.concatenate([nobody, seen.wild]), others)
    images = np.concatenate([seen.photographs[is_known], seen.wild, imagined])
    truth = np.zeros((len(images), len(words)), dtype=np.bool_)
    truth[: is_known.sum(), : len(SOMEBODY)] = people[is_known]
    truth[is_known.sum() + np.arange(len(seen.shown)), [words.index(each) for each in seen.shown]] = True
    start = encoder.encode_texts([f"a photo of {with_article(some[0])}" for some in words])
    return words, fit(Examples(images, truth), start, unknown=rivals, scale=encoder.logit_scale, decay=0.0)


def class_shown(row: WildPicture) -> Words:
    """Return the class of a row of groceries or clothes.

    >>> class_shown(WildPicture("Fruit/Apple/1", b"", "Granny-Smith", "Apple"))
    ('apple', 'apples', 'fruit')
    >>> class_shown(WildPicture("1", b"", "Hat", "Hat"))
    ('hat', 'cap', 'clothes')
    """
    shelf = SHELVES.get(row.id.partition("/")[0])
    names = GARMENT_WORDS[row.label] if shelf is None else grocery_words(row.coarse)
    plain = plain_label({"label": row.label, "coarse": row.coarse})
    return tuple(dict.fromkeys((*names, plain, shelf or "clothes")))


def people_truth(captions: Sequence[Sequence[str]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (n, 2) which of `SOMEBODY` captions say of a photograph, and (n,) whether they agree."""
    counts = np.array([sum(bool(PEOPLE_SAID & {*words_of(text)}) for text in texts) for texts in captions])
    number = [next((f.answer for f in everyday_facts(texts) if f.kind == "people"), "") for texts in captions]
    said = [sum(bool(MANY_PEOPLE & {*words_of(text)}) for text in texts) >= _SURE for texts in captions]
    several = np.array([n in ("two", "many") or (not n and many) for n, many in zip(number, said, strict=True)])
    is_there = counts >= _SURE
    return np.stack([is_there & ~several, is_there & several], axis=1), is_there | (counts == 0)


def made_up(images: Vectors, without: Vectors, classes: Vectors, *, seed: int = 0) -> Vectors:
    """Return vectors as images of classes might have them.

    An image is moved towards a class in the direction in which such images differ: a class's vector times the images'
    covariance, as in linear discriminant analysis.

    Args:
        images: (n, dim), whose covariance is used.
        without: (k, dim), images that show nothing that is learned, of which some are moved.
        classes: (c, dim), the classes.
        seed: which are moved.

    Returns:
        (3 c, dim) unit rows.
    """
    chance = np.random.default_rng(seed)
    directions = unit_rows((classes - classes.mean(axis=0)) @ np.cov(images.T).astype(np.float32))
    moved = [without[chance.integers(len(without), size=len(classes))] + _STEP * directions for _ in range(_MADE_UP)]
    return unit_rows(np.concatenate(moved).astype(np.float32))


def main() -> None:
    """Learn and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", choices=(EVERYDAY, PRODUCT))
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    folder = shipped(options.world)
    encoder = load_bundle(folder, runtime="onnxruntime")
    found = everyday_classes(encoder, options.data) if options.world == EVERYDAY else sold_classes(encoder)
    save_classes(folder, encoder.name, found)


if __name__ == "__main__":
    main()
