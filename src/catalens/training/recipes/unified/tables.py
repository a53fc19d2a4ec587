"""The labelled tables that words are judged on: photographs with captions, objects, groceries, clothes at home."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from catalens.core.types import Vectors
from catalens.tasks.attributes import Attributes
from catalens.tasks.english import with_article
from catalens.training.caption_truth import CaptionTruth, Truth
from catalens.training.captions import read_captions
from catalens.training.closed_answers import CHOICES, CLOSED, Asked, photograph_questions, plain_label
from catalens.training.kinds import class_places, read_classes
from catalens.training.label_truth import garment_truth, object_truth, shelf_truth
from catalens.training.pixels import read_photographs
from catalens.training.recipes.unified.wild import SHELVES, WildPicture, read_wild

ReadAttributes: TypeAlias = Callable[[str, Vectors], Sequence[Attributes]]
"""Reads a schema ("everyday" or "fashion") from vectors of its encoder."""

WHAT = "what is it?"
LOOKED_FOR = {
    "objects": ("dog", "bird", "animal", "vehicle", "building", "musical instrument"),
    "clothing": ("t-shirt", "pair of trousers", "dress", "shoe", "hat"),
}
"""Wild table → the things that every picture of it is asked for; of most it is not there."""


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """Pictures and what is known of each.

    Attributes:
        name: as the figures call it.
        file: name of the wild table, or "everyday" for the photographs.
        pictures: n, as bytes.
        truths: n, to judge words by.
        told: n, what a person calls the picture: a caption or a label.
        asked: closed questions about them.
    """

    name: str
    file: str
    pictures: Sequence[bytes]
    truths: Sequence[Truth]
    told: Sequence[str]
    asked: Sequence[Asked]


def read_tables(data: Path, split: str) -> list[LabelledTable]:
    """Return the photographs of a split, and the validation rows of the wild tables.

    Raises:
        InputError: a table is missing.
    """
    captions, chance = read_captions(data, split), random.Random(0)
    photographs = LabelledTable(
        "photographs",
        "everyday",
        read_photographs(data, split),
        [CaptionTruth(texts) for texts in captions],
        [texts[0] for texts in captions],
        photograph_questions(captions, chance),
    )
    classes = read_classes()
    places = class_places(classes)
    wild: tuple[tuple[str, str, Callable[[WildPicture], Truth]], ...] = (
        ("objects", "objects", lambda row: object_truth(row, classes[places[row.label]])),
        ("groceries", "grocery", shelf_truth),
        ("clothes at home", "clothing", garment_truth),
    )
    out = [photographs]
    for name, file, truth in wild:
        rows = read_wild(data, file, "val")
        labels = [plain_label({"label": row.label, "coarse": row.coarse}) for row in rows]
        pictures, truths = [row.picture for row in rows], [truth(row) for row in rows]
        asked = [*listed(labels, chance), *looked_for(truths, LOOKED_FOR.get(file, ()))]
        if file == "grocery":
            asked += on_shelves(rows)
        if file != "objects":
            asked += [Asked(at, "is this indoors or outdoors?", CLOSED["inside"], 0) for at in range(len(rows))]
            asked += [Asked(at, "how many people are there?", CLOSED["people"], 0) for at in range(len(rows))]
        out.append(LabelledTable(name, file, pictures, truths, labels, asked))
    return out


def listed(labels: Sequence[str], chance: random.Random) -> list[Asked]:
    """Ask what each picture shows, among about ten labels; a label is always on the same list.

    >>> [each.answers[each.truth] for each in listed(["cup", "hat", "cup"], random.Random(0))]
    ['cup', 'hat', 'cup']
    """
    names = sorted(set(labels))
    chance.shuffle(names)
    count = max(1, round(len(names) / CHOICES))
    lists = {name: tuple(names[at % count :: count]) for at, name in enumerate(names)}
    return [Asked(at, WHAT, lists[label], lists[label].index(label)) for at, label in enumerate(labels)]


def on_shelves(rows: Sequence[WildPicture]) -> list[Asked]:
    """Ask of each picture whether it shows what lies on each kind of shelf."""
    return [
        Asked(at, f"is there {with_article(thing)}?", ("yes", "no"), 0 if row.id.startswith(f"{shelf}/") else 1)
        for shelf, thing in SHELVES.items()
        for at, row in enumerate(rows)
    ]


def looked_for(truths: Sequence[Truth], things: Sequence[str]) -> list[Asked]:
    """Ask whether each thing is in each picture, where that is known."""
    known = [(at, thing, truth.noun(thing)) for thing in things for at, truth in enumerate(truths)]
    return [
        Asked(at, f"is there {with_article(thing)}?", ("yes", "no"), 0 if there else 1)
        for at, thing, there in known
        if there is not None
    ]
