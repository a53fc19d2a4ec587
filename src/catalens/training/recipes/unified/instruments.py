"""Judges what is said of scientific pictures that code made: nothing that has a label is right of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from catalens.tasks.attributes import Attribute
from catalens.training.pixels import read_photographs
from catalens.training.recipes.unified.evaluator import Evaluator
from catalens.training.recipes.unified.figures import CONFIDENT, Figure
from catalens.training.rendered import DRAWING, Example, observe

TABLE = "scientific pictures"
EACH = 20
"""Pictures of every kind."""


def scientific_figures(evaluator: Evaluator) -> list[Figure]:
    """Return shares that get a main tag, and that are called drawings; each by the encoder that the gate chooses."""

    @cache
    def made() -> list[Example]:
        return observe("val", read_photographs(evaluator.data, "val"), each=EACH)

    def pictures() -> list[bytes]:
        return [each.picture for each in made()]

    product, everyday = (
        evaluator.images(encoder, "scientific-judged", pictures) for encoder in (evaluator.product, evaluator.everyday)
    )
    sold = evaluator.are_products("scientific-judged", pictures)
    types = evaluator.read("fashion", evaluator.product, product)
    subjects = evaluator.read("everyday", evaluator.everyday, everyday)
    return figures_of(
        [a["type"] if is_sold else b["subject"] for is_sold, a, b in zip(sold, types, subjects, strict=True)]
    )


def figures_of(tags: Sequence[Attribute]) -> list[Figure]:
    """Count main tags of pictures of which none is right.

    >>> from catalens.core.types import Tag
    >>> tags = [Attribute("subject", (Tag(DRAWING, 0.4),), 0.4, ()), Attribute("subject", (), 0.2, ())]
    >>> [each.value for each in figures_of(tags)]
    [0.5, 0.0, 0.5]
    """
    given = np.array([bool(tag.values) for tag in tags])
    sure = np.array([tag.confidence >= CONFIDENT for tag in tags])
    drawn = np.array([tag.value == DRAWING for tag in tags])
    return [
        Figure(TABLE, "main tag: wrong", float(given.mean()), None, len(tags)),
        Figure(TABLE, "main tag: confident and wrong", float((given & sure).mean()), None, len(tags)),
        Figure(TABLE, "main tag: wrong, a drawing", float((given & drawn).mean()), None, len(tags)),
    ]
