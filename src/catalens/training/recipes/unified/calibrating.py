"""Learns temperatures and thresholds of the unified encoder: `python -m catalens.training.recipes.unified.calibrating`.

They come from validation rows alone: products and clothes at home for the fashion schema, photographs, groceries and
objects for the everyday one. Where many pictures show no label of a group, any value given to them counts as wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.models.registry import CALIBRATION, load_encoder
from catalens.tasks.attributes import SchemaBank, group_probabilities, held_labels
from catalens.tasks.calibration import Calibration, GroupCalibration, save_calibration
from catalens.tasks.thresholds import learn, lowest_threshold
from catalens.training.captions import read_captions
from catalens.training.fashion import read_products
from catalens.training.kinds import class_places, read_classes
from catalens.training.questions import everyday_facts
from catalens.training.recipes.unified.evaluator import FACT_OF, Evaluator, cache_folder
from catalens.training.recipes.unified.targets import GROCERY_SUBJECTS, subjects_of
from catalens.training.recipes.unified.wild import GARMENTS, read_wild

PRECISION = 0.8
"""How often a value of the everyday schema must be right."""
TYPE_PRECISION = 0.9
"""How often an article type must be right, products and clothes at home together."""


def likely(bank: SchemaBank, group: str, vectors: Vectors, allowed: Sequence[Sequence[str]]) -> list[str | None]:
    """Return one true label for each picture: the most probable label where it is right, else the first right one."""
    found = bank.schema.group(group)
    scores, _ = group_probabilities(found, bank.banks[group], vectors)
    best = [found.label_names[at] for at in scores.argmax(axis=1)]
    return [name if name in some else (some[0] if some else None) for name, some in zip(best, allowed, strict=True)]


def strict(
    calibration: Calibration, bank: SchemaBank, group: str, vectors: Vectors, truth: Sequence[str | None]
) -> Calibration:
    """Set a group's threshold to the lowest that reaches the target precision over all its labels.

    Args:
        calibration: its temperature for the group is kept.
        bank: the encoded schema.
        group: its name.
        vectors: (n, dim).
        truth: n labels; None for a picture that shows none of the group's, so that any value is wrong.
    """
    found, rules = bank.schema.group(group), calibration.groups[group]
    scores, unknown = group_probabilities(found, bank.banks[group], vectors, rules.temperature)
    held = held_labels(found, scores, unknown)
    best = np.where(held, scores, -1.0).argmax(axis=1)
    given = held.any(axis=1)
    right = np.array([found.label_names[at] == true for at, true in zip(best, truth, strict=True)])
    threshold = lowest_threshold(scores[np.arange(len(best)), best][given], right[given], PRECISION)
    own = GroupCalibration(temperature=rules.temperature, threshold=threshold)
    return replace(calibration, groups={**calibration.groups, group: own})


def fashion(evaluator: Evaluator, encoder: Encoder) -> Calibration:
    """Learn the fashion schema from products, and its types from clothes at home as well."""
    bank, _ = evaluator.bank("fashion", encoder)
    rows = list(read_products(evaluator.data / "fashion", "val"))
    worn = read_wild(evaluator.data, "clothing", "val")
    sold = evaluator.images(encoder, "fashion-val", lambda: [row.picture for row in rows])
    seen = evaluator.images(encoder, "clothing-val", lambda: [row.picture for row in worn])
    names = [group.name for group in bank.schema.groups]
    columns = {name: [row.labels.get(name) for row in rows] for name in names}
    calibration, _ = learn(sold, columns, bank)
    types = [*columns["type"], *likely(bank, "type", seen, [GARMENTS[row.label] for row in worn])]
    both, _ = learn(np.concatenate([sold, seen]), {"type": types}, bank, precision=TYPE_PRECISION)
    return replace(calibration, groups={**calibration.groups, **both.groups})


def everyday(evaluator: Evaluator, encoder: Encoder) -> Calibration:
    """Learn the everyday schema from what captions agree on, and the main subject from objects and groceries."""
    bank, _ = evaluator.bank("everyday", encoder)
    captions = read_captions(evaluator.data, "val")
    photographs = evaluator.photograph_vectors(encoder)
    known = [{fact.kind: fact.answer for fact in everyday_facts(texts)} for texts in captions]
    columns = {}
    for group, kind in FACT_OF.items():
        names = bank.schema.group(group).label_names
        columns[group] = [row.get(kind) if row.get(kind) in names else None for row in known]
    calibration, _ = learn(photographs, columns, bank, precision=PRECISION)
    eaten, things = read_wild(evaluator.data, "grocery", "val"), read_wild(evaluator.data, "objects")
    shelf = evaluator.images(encoder, "grocery-val", lambda: [row.picture for row in eaten])
    objects = evaluator.images(encoder, "objects", lambda: [row.picture for row in things])
    classes = read_classes()
    places = class_places(classes)
    named = subjects_of(classes, bank.schema.group("subject"))
    allowed = [named[places[row.label]] if row.label in places else () for row in things]
    half = np.arange(0, len(eaten), 4)
    groups = [
        (GROCERY_SUBJECTS[g],) if (g := eaten[at].id.partition("/")[0]) in GROCERY_SUBJECTS else () for at in half
    ]
    vectors = np.concatenate([objects, shelf[half]])
    subjects = likely(bank, "subject", vectors, [*allowed, *groups])
    found, _ = learn(vectors, {"subject": subjects}, bank, precision=PRECISION)
    calibration = replace(calibration, groups={**calibration.groups, **found.groups})
    calibration = strict(calibration, bank, "subject", vectors, subjects)
    done = [*columns["doing"], *[None] * len(shelf)]
    return strict(calibration, bank, "doing", np.concatenate([photographs, shelf]), done)


def main() -> None:
    """Write both calibrations into a bundle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluation"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    encoder = load_encoder(str(options.bundle), threads=options.threads)
    evaluator = Evaluator(encoder, encoder, options.data, cache=cache_folder(options.cache, encoder, encoder))
    for schema, learned in (("fashion", fashion), ("everyday", everyday)):
        save_calibration(learned(evaluator, encoder), options.bundle / CALIBRATION.format(schema=schema))


if __name__ == "__main__":
    main()
