"""Judges what is said of the place: of rooms and of pictures taken outdoors, by captions and as they were seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from catalens.models.routing import EVERYDAY
from catalens.tasks.schema import load_schema
from catalens.training.captions import read_captions, read_ids
from catalens.training.everyday_calibration import photograph_truth
from catalens.training.pixels import read_photographs
from catalens.training.recipes.unified.evaluator import Evaluator
from catalens.training.recipes.unified.figures import Figure
from catalens.training.recipes.unified.wild import read_wild
from catalens.training.seen_places import seen_places

_PLACES = ("indoors", "outdoors")


def place_figures(evaluator: Evaluator) -> list[Figure]:
    """Return the share of wrong places among those given, of photographs and of objects; validation rows alone."""
    if evaluator.split != "val":
        return []
    captions, ids = read_captions(evaluator.data, "val"), read_ids(evaluator.data, "val")
    said = photograph_truth(captions, load_schema(EVERYDAY), seen_places(EVERYDAY, ids))["place"]
    objects = read_wild(evaluator.data, "objects")
    shown = {
        "photographs": (
            "everyday-val",
            [str(each) if each else None for each in said],
            read_photographs(evaluator.data, "val"),
        ),
        "objects": ("objects", seen_places("objects", [row.id for row in objects]), [row.picture for row in objects]),
    }
    out = []
    for table, (name, places, pictures) in shown.items():
        vectors = evaluator.images(evaluator.everyday, name, partial(list, pictures))
        own = np.flatnonzero(~evaluator.are_products(name, partial(list, pictures)))
        read = evaluator.read(EVERYDAY, evaluator.everyday, vectors[own])
        out += wrong_places(table, [places[at] for at in own], [each["place"].value for each in read])
    return out


def wrong_places(table: str, places: Sequence[str | None], said: Sequence[str]) -> list[Figure]:
    """Return what is wrong of what is said of rooms, and of the outdoors.

    >>> [each.value for each in wrong_places("t", ["indoors", "outdoors"], ["outdoors", "outdoors"])]
    [1.0, 0.0]
    """
    out = []
    for place, named in (("indoors", "rooms"), ("outdoors", "the outdoors")):
        given = [what for what, where in zip(said, places, strict=True) if where == place and what in _PLACES]
        wrong = sum(what != place for what in given)
        out.append(Figure(table, f"place: wrong of {named}", wrong / max(1, len(given)), None, len(given)))
    return out
