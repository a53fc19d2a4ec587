"""Learn the thresholds of the everyday schema: `python -m catalens.training.everyday_calibration --data DATA`.

From Flickr8k's validation pictures, where captions say what is true, and from the validation rows of the wild tables,
where most groups have no label that holds: nobody eats on a shop's shelf. Only pictures that the gate sends to this
encoder count. A label is given only where it is right four
times in five in each of these collections that gets it at all. Objects and machines do nothing: an action said of one
counts as wrong, even where somebody may be riding it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.models.facts import read_facts
from catalens.models.gate import load_gate
from catalens.models.registry import CALIBRATION, load_encoder, shipped
from catalens.models.routing import EVERYDAY, PRODUCT
from catalens.models.second_look import are_products
from catalens.tasks.assessment import Counts, Truth, assess
from catalens.tasks.attributes import SchemaBank, build_schema_bank, group_probabilities
from catalens.tasks.calibration import Calibration, save_calibration
from catalens.tasks.schema import Schema, load_schema
from catalens.tasks.thresholds import learn
from catalens.training.caption_truth import Truth as Judge
from catalens.training.caption_truth import holds
from catalens.training.captions import read_captions, read_ids
from catalens.training.drawn_subjects import drawn_figures, drawn_thresholds, encode_drawn, without_colour
from catalens.training.fashion import read_products
from catalens.training.pixels import read_photographs
from catalens.training.questions import everyday_facts
from catalens.training.recipes.unified.tables import LabelledTable, read_tables
from catalens.training.recipes.unified.wild import read_wild
from catalens.training.release import change_facts, encode_pictures
from catalens.training.rendered import render
from catalens.training.seen_places import seen_places

PRECISION = 0.8
FOLDS = 5
STRANGE = ("photographs", "objects")
"""Collections that temperatures are learned from. Groceries and clothes resemble those of the training rows too much:
what is nearly always right there would make every picture's probabilities too sure."""
APART = "place"
"""Group whose precision must hold in each collection by itself: shelves and clothes at home, all of them indoors, hide
what is wrong of objects."""
DRAWN_EACH, GREY = 60, 400
"""Drawn validation pictures of every kind, and black-and-white ones."""
FACTS_OF = {"place": "inside", "scene": "place", "people": "people", "doing": "doing"}
"""Group of the everyday schema → the kind of fact that captions tell of it."""
_SHELF: Mapping[str, Truth] = {"place": "indoors", "scene": (), "people": "none", "doing": ()}
"""What holds of every picture of a shop's shelf and of clothes lying at home."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pictures of one collection.

    Attributes:
        name: of the collection.
        domain: what the precision must hold in; collections may share one.
        vectors: (n, dim).
        truth: group → n values.
    """

    name: str
    domain: str
    vectors: Vectors
    truth: Mapping[str, Sequence[Truth]]

    def take(self, rows: NDArray[np.intp]) -> Labelled:
        """Return some of the pictures."""
        truth = {group: [values[at] for at in rows.tolist()] for group, values in self.truth.items()}
        return Labelled(self.name, self.domain, self.vectors[rows], truth)


def photograph_truth(
    captions: Sequence[Sequence[str]], schema: Schema, places: Sequence[str | None]
) -> dict[str, list[Truth]]:
    """Return what captions agree on; where they do not agree on the place, it is as it was seen."""
    known = [{fact.kind: fact.answer for fact in everyday_facts(texts)} for texts in captions]
    truth: dict[str, list[Truth]] = {}
    for group, kind in FACTS_OF.items():
        names = schema.group(group).label_names
        truth[group] = [row[kind] if row.get(kind) in names else None for row in known]
    truth["place"] = [said or seen for said, seen in zip(truth["place"], places, strict=True)]
    return truth


def wild_truth(table: LabelledTable, places: Sequence[str | None]) -> dict[str, list[Truth]]:
    """Return what the labels of a wild table say of every group but the subject, and where objects were seen to be."""
    if table.file != "objects":
        return {group: [value] * len(table.truths) for group, value in _SHELF.items()}
    return {"place": list(places), "doing": [() if truth.action("do") is False else None for truth in table.truths]}


def subject_truth(truths: Sequence[Judge], best: Sequence[str], schema: Schema) -> list[Truth]:
    """Return a subject that is right for each picture: the encoder's best guess, if it is.

    Else it is the first of those that are right, () where the schema has no word for what is there, and None where it
    is not known whether the guess is right.

    Args:
        truths: what is known of each picture.
        best: the most probable subject of each.
        schema: with the group "subject".
    """
    words = {label.name: (label.name, *label.wordings) for label in schema.group("subject").labels}
    found: list[Truth] = []
    for truth, guess in zip(truths, best, strict=True):
        is_right = holds(words[guess], truth)
        others = (name for name, wordings in words.items() if is_right is False and holds(wordings, truth))
        found.append(guess if is_right else None if is_right is None else next(others, ()))
    return found


def best_subjects(vectors: Vectors, bank: SchemaBank) -> list[str]:
    """Return the most probable subject of each picture."""
    group = bank.schema.group("subject")
    scores, _ = group_probabilities(group, bank.banks["subject"], vectors)
    return [group.label_names[at] for at in scores.argmax(axis=1).tolist()]


def join(collections: Sequence[Labelled], schema: Schema) -> tuple[Vectors, dict[str, list[Truth]], list[str]]:
    """Put collections one below the other; a group that one does not know says nothing there."""
    table: dict[str, list[Truth]] = {}
    for group in schema.groups:
        columns = [each.truth.get(group.name) or [None] * len(each.vectors) for each in collections]
        table[group.name] = [value for column in columns for value in column]
    domains = [each.domain for each in collections for _ in range(len(each.vectors))]
    return np.concatenate([each.vectors for each in collections]), table, domains


def read_collections(encoder: Encoder, data: Path, bank: SchemaBank) -> list[Labelled]:
    """Encode the validation pictures of every collection, and read what is true of them.

    Pictures that are read as products are left out: nobody gets this encoder's tags for them.
    """
    product = load_encoder(PRODUCT)
    gate = load_gate(shipped(PRODUCT), product.dim)
    collections = []
    for table in read_tables(data, "val"):
        vectors = encode_pictures(encoder, table.pictures)
        sold = are_products(gate, product, encoder, encode_pictures(product, table.pictures), vectors)
        own = np.flatnonzero(~sold)
        is_photographs = table.file == EVERYDAY
        if is_photographs:
            captions, places = read_captions(data, "val"), seen_places(EVERYDAY, read_ids(data, "val"))
            truth = photograph_truth(captions, bank.schema, places)
        else:
            truth = wild_truth(table, seen_places(table.file, [row.id for row in read_wild(data, table.file, "val")]))
        subjects = subject_truth(table.truths, best_subjects(vectors, bank), bank.schema)
        domain = EVERYDAY if is_photographs else "wild"
        collections.append(Labelled(table.name, domain, vectors, truth | {"subject": subjects}).take(own))
    return collections


def learn_from(collections: Sequence[Labelled], bank: SchemaBank) -> Calibration:
    """Learn the calibration.

    Raises:
        InputError: no picture has a usable value.
    """
    strange = [each for each in collections if each.name in STRANGE] or collections
    joined, table, _ = join(strange, bank.schema)
    sure = {name: rules.temperature for name, rules in learn(joined, table, bank)[0].groups.items()}
    joined, table, domains = join(collections, bank.schema)
    calibration = learn(joined, table, bank, precision=PRECISION, domains=domains, temperatures=sure)[0]
    if APART not in sure:
        return calibration
    alone = [each.name for each in collections for _ in range(len(each.vectors))]
    own = learn(joined, {APART: table[APART]}, bank, precision=PRECISION, domains=alone, temperatures=sure)[0]
    return replace(calibration, groups={**calibration.groups, **own.groups})


def measured(
    collections: Sequence[Labelled], bank: SchemaBank, calibration: Calibration
) -> dict[str, dict[str, Counts]]:
    """Return what a calibration gives: group → collection → counts."""
    found: dict[str, dict[str, Counts]] = {group.name: {} for group in bank.schema.groups}
    for each in collections:
        for report in assess(each.vectors, each.truth, bank, calibration=calibration):
            found[report.group][each.name] = report.counts
    return found


def held_out(collections: Sequence[Labelled], bank: SchemaBank, *, seed: int = 0) -> dict[str, dict[str, Counts]]:
    """Return the same, each fifth of the pictures measured with a calibration learned from the others."""
    chance = np.random.default_rng(seed)
    parts = [chance.permutation(len(each.vectors)) % FOLDS for each in collections]
    total: dict[str, dict[str, Counts]] = {group.name: {} for group in bank.schema.groups}
    for fold in range(FOLDS):
        learned, judged = (
            [
                each.take(np.flatnonzero((part == fold) == is_judged))
                for each, part in zip(collections, parts, strict=True)
            ]
            for is_judged in (False, True)
        )
        for group, row in measured(judged, bank, learn_from(learned, bank)).items():
            for name, some in row.items():
                old = total[group].get(name, Counts(0, 0, 0))
                total[group][name] = Counts(old.given + some.given, old.right + some.right, old.there + some.there)
    return total


def figures_of(counts: Mapping[str, Mapping[str, Counts]]) -> dict[str, dict[str, list[int]]]:
    """Return counts as JSON values: group → collection → [right, given, rows with a label]."""
    return {
        group: {name: [some.right, some.given, some.there] for name, some in row.items()}
        for group, row in counts.items()
    }


def calibrate(encoder: Encoder, data: Path) -> tuple[Calibration, dict[str, Any]]:
    """Learn the calibration; return it with what the card says of it: of pictures held out, and of drawn ones.

    Raises:
        InputError: a table is missing or has no usable row.
    """
    bank = build_schema_bank(encoder, load_schema("everyday"))
    collections = read_collections(encoder, data, bank)
    calibration = learn_from(collections, bank)
    others = {each.name: each.vectors for each in collections}
    others["products"] = encode_pictures(encoder, [row.picture for row in read_products(data / "fashion", "val")])
    photos = read_photographs(data, "val")
    others["without colour"] = encode_pictures(encoder, without_colour(photos, GREY))
    drawn = encode_drawn(encoder, render("val", photos, each=DRAWN_EACH))
    rules = calibration.groups["subject"]
    own = drawn_thresholds(bank, drawn, list(others.values()), rules.temperature, precision=PRECISION)
    rules = replace(rules, label_thresholds={**rules.label_thresholds, **own})
    calibration = replace(calibration, groups={**calibration.groups, "subject": rules})
    given = drawn_figures(bank, calibration, drawn, others)
    return calibration, {"calibration": figures_of(held_out(collections, bank)), "drawn": given}


def main() -> None:
    """Learn, write, and print what is right, given and there in every collection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", default="everyday")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    calibration, figures = calibrate(load_encoder(options.bundle), options.data)
    folder = shipped(options.bundle)
    save_calibration(calibration, folder / CALIBRATION.format(schema="everyday"))
    change_facts(folder, scores={**read_facts(folder).scores, **figures})
    print(json.dumps(figures))  # noqa: T201 - what was asked for


if __name__ == "__main__":
    main()
