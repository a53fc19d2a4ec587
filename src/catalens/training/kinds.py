"""Names and hypernyms of the teacher's 1,000 classes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

TEMPLATES = ("{}", "a {}", "a photo of a {}", "a picture of a {}", "the {}", "a close-up of a {}", "a photo of the {}")
SEVERAL = ("{}", "a photo of {}", "a picture of {}", "photos of {}", "the {}")
"""Templates for names in the plural."""
PLURAL = 0.25
"""Share of the batches whose names are in the plural."""
ALIASES = {
    "dog": ("dog", "puppy", "pet dog"),
    "cat": ("cat", "kitten", "pet cat"),
    "domestic cat": ("house cat", "cat", "kitten"),
    "car": ("car", "automobile"),
    "motor vehicle": ("motor vehicle", "car or truck"),
    "geological formation": ("landscape", "nature", "scenery"),
    "food": ("food", "something to eat"),
    "garment": ("garment", "clothes"),
    "truck": ("truck", "lorry"),
    "airplane": ("airplane", "plane", "aeroplane"),
    "monkey": ("monkey",),
    "hen": ("hen", "chicken"),
    "building": ("building", "house"),
    "sofa": ("sofa", "couch"),
    "swine": ("pig",),
    "headdress": ("hat", "headgear"),
    "beverage": ("drink", "beverage"),
    "geological": ("landscape",),
    "bicycle": ("bicycle", "bike"),
    "motorcycle": ("motorcycle", "motorbike"),
}
"""WordNet's word → what people say for it."""


@dataclass(frozen=True, slots=True)
class Class:
    """One class of the teacher: its names, and the kinds above it, nearest first."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]


def read_classes() -> list[Class]:
    """Return the 1,000 classes in the teacher's order, without its "background"."""
    lines = (Path(__file__).parent / "kinds.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return [Class(tuple(names.split("; ")), tuple(kind for kind in kinds.split("; ") if kind)) for names, kinds in rows]


def class_places(classes: Sequence[Class]) -> dict[str, int]:
    """Return name → place of its class; each name also in lower case, where that is not the name of another class.

    >>> places = class_places(read_classes())
    >>> [read_classes()[places[name]].kinds[0] for name in ("Cardigan", "cardigan", "lhasa")]
    ['corgi', 'sweater', 'terrier']
    """
    named = [(name, at) for at, each in reversed(list(enumerate(classes))) for name in each.names]
    return {name.lower(): at for name, at in named} | dict(named)


def name_texts(classes: Sequence[Class]) -> tuple[list[str], list[int]]:
    """Return every name of every class in every template, and the class of each text.

    A name that two classes share ("crane", the bird and the machine) says what kind is meant.
    """
    owners = Counter(name for each in classes for name in set(each.names))
    texts, owner = [], []
    for place, each in enumerate(classes):
        for name in each.names:
            said = f"{name}, {each.kinds[0]}" if owners[name] > 1 and each.kinds else name
            texts += [template.format(said) for template in TEMPLATES]
            owner += [place] * len(TEMPLATES)
    return texts, owner


def many(name: str) -> str:
    """Put a name into the plural by the usual rules; what follows a comma stays.

    >>> many("tabby cat"), many("fox"), many("puppy"), many("crane, bird")
    ('tabby cats', 'foxes', 'puppies', 'cranes, bird')
    """
    head, comma, kind = name.partition(",")
    if head.endswith(("s", "x", "z", "ch", "sh")):
        ended = head if head.endswith("s") and not head.endswith("ss") else f"{head}es"
    elif head.endswith("y") and head[-2:-1] not in "aeiou":
        ended = f"{head[:-1]}ies"
    else:
        ended = f"{head}s"
    return f"{ended}{comma}{kind}"


def cut(classes: Sequence[Class], rng: random.Random, *, own: float) -> tuple[list[str], Tensor]:
    """Say every class by its own name or by a kind above it, at random.

    Args:
        classes: the teacher's.
        rng: where chance comes from.
        own: share of the classes that keep their own name.

    Returns:
        m different texts, and each class's place among them, (1000,): probabilities of classes said alike add up.
    """
    plural = rng.random() < PLURAL
    template = rng.choice(SEVERAL if plural else TEMPLATES)
    chosen: dict[str, str] = {}
    places: dict[str, int] = {}
    rows = []
    owners = Counter(name for each in classes for name in set(each.names))
    for each in classes:
        kind = rng.choice(each.kinds) if each.kinds and rng.random() > own else ""
        # A kind has one wording a cut, or its classes would compete with each other.
        word = chosen.setdefault(kind, rng.choice(ALIASES.get(kind, (kind,)))) if kind else _own(each, rng, owners)
        rows.append(places.setdefault(word, len(places)))
    return [template.format(many(word) if plural else word) for word in places], torch.tensor(rows)


def _own(each: Class, rng: random.Random, owners: Counter[str]) -> str:
    """Draw one of a class's names; the first is said as often as all others."""
    name = each.names[0] if rng.random() < 0.5 else rng.choice(each.names)
    return f"{name}, {each.kinds[0]}" if owners[name] > 1 and each.kinds else name
