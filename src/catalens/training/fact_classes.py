"""Learns the classes of what captions agree on: indoors or outdoors, where, how many people, and what they do.

Text vectors tell these apart badly, because captions rarely say "indoors"; images of training rows do it well. Of rooms
with people captions agree seldom, so likely ones are learned from too. What stands before a plain background is neither
indoors nor outdoors: a shop's images are one more class, without a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from catalens.core.classes import ACTIONS, PEOPLE, SCENES, SURROUNDINGS, Classes, ClassSets
from catalens.core.types import Vectors
from catalens.core.vectors import unit_rows
from catalens.tasks.schema import Schema
from catalens.training.caption_places import likely_place
from catalens.training.finetune.label_vectors import Examples, fit
from catalens.training.questions import everyday_facts


@dataclass(frozen=True, slots=True)
class FactSet:
    """A set of classes: the group of the everyday schema, and the kind of fact.

    Attributes:
        group: of the everyday schema.
        kind: of fact.
        wild: what shelves and clothes show of it.
        likely: returns the answer that captions without such a fact make likely, or ""; None guesses none.
        has_none: whether images before a plain background show none of it.
    """

    group: str
    kind: str
    wild: str = ""
    likely: Callable[[Sequence[str]], str] | None = None
    has_none: bool = False


FACT_SETS: Mapping[str, FactSet] = {
    SURROUNDINGS: FactSet("place", "inside", "indoors", likely_place, has_none=True),
    SCENES: FactSet("scene", "place"),
    PEOPLE: FactSet("people", "people", "none"),
    ACTIONS: FactSet("doing", "doing"),
}
_TIMES = 3
"""How often an image before a plain background counts, which are few beside photographs and shelves."""


def learn_fact_classes(
    photographs: Vectors,
    captions: Sequence[Sequence[str]],
    wild: Vectors,
    plain: Vectors,
    schema: Schema,
    unknown: Vectors,
    *,
    scale: float,
) -> ClassSets:
    """Fit the classes of each set that training images show.

    Args:
        photographs: (n, dim), with captions.
        captions: of each photograph.
        wild: (k, dim), groceries on shelves and clothes at home: indoors, without people, and nobody does anything.
        plain: (p, dim), products before a plain background.
        schema: the everyday one, whose labels the classes are.
        unknown: (0 or 1, dim), the vector of "none of these".
        scale: of the cosines.
    """
    facts = [{fact.kind: fact.answer for fact in everyday_facts(texts)} for texts in captions]
    sets = {}
    for name, each in FACT_SETS.items():
        labels = schema.group(each.group).label_names
        said = [fact.get(each.kind) for fact in facts]
        if each.likely is not None:
            said = [one or each.likely(texts) for one, texts in zip(said, captions, strict=True)]
        names = [label for label in labels if label in said]
        known = np.flatnonzero([answer in names for answer in said])
        shown = np.repeat(plain, _TIMES if each.has_none else 0, axis=0)
        rows = np.concatenate([photographs[known], wild, shown])
        truth = np.zeros((len(rows), len(names) + each.has_none), dtype=np.bool_)
        truth[np.arange(len(known)), [names.index(str(said[at])) for at in known]] = True
        if each.wild:
            truth[len(known) : len(known) + len(wild), names.index(each.wild)] = True
        truth[len(known) + len(wild) :, len(names) :] = True
        start = unit_rows(np.stack([rows[column].mean(axis=0) for column in truth.T]))
        rivals = unknown if not each.wild else unknown[:0]
        vectors = fit(Examples(rows, truth), start, unknown=rivals, scale=scale, decay=0.0)
        sets[name] = Classes(vectors, {label: (at,) for at, label in enumerate(names)})
    return sets
