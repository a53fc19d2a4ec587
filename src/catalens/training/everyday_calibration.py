"""Learn the thresholds of the everyday schema: `python -m catalens.training.everyday_calibration --data DATA`.

From Flickr8k's validation pictures, where captions say what is true, and from the validation rows of the wild tables,
where most groups have no label that holds: nobody eats on a shop's shelf. A label is given only where it is right four
times in five in each of these collections that gets it at all. Objects and machines do nothing: an action said of one
counts as wrong, even where somebody may be riding it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.models.facts import read_facts
from catalens.models.registry import CALIBRATION, load_encoder, shipped
from catalens.tasks.assessment import Counts, Truth, assess
from catalens.tasks.attributes import SchemaBank, build_schema_bank, group_probabilities
from catalens.tasks.calibration import Calibration, save_calibration
from catalens.tasks.english import stems
from catalens.tasks.schema import Schema, load_schema
from catalens.tasks.thresholds import learn
from catalens.training.captions import read_captions
from catalens.training.closed_answers import is_val
from catalens.training.drawn_subjects import drawn_figures, drawn_thresholds, encode_drawn, without_colour
from catalens.training.fashion import read_products
from catalens.training.kinds import ALIASES, read_classes
from catalens.training.pixels import read_photographs
from catalens.training.questions import MANY, PEOPLE, everyday_facts
from catalens.training.release import change_facts, encode_pictures
from catalens.training.rendered import render

PRECISION = 0.8
FOLDS = 5
DRAWN_EACH, GREY = 60, 400
"""Drawn validation pictures of every kind, and black-and-white ones."""
FACTS_OF = {"place": "inside", "scene": "place", "people": "people", "doing": "doing"}
"""Group of the everyday schema → the kind of fact that captions tell of it."""
_CLOTHES = {"Shoes": ("shoe",), "Hat": ("hat",), "Dress": ("dress",), "Blazer": ("suit",)}
_PEOPLE = {"person", "child", "baby", "people", "crowd"}
_SHELF: Mapping[str, Truth] = {"place": "indoors", "scene": (), "people": "none", "doing": ()}
"""What holds of every picture of a shop's shelf and of clothes lying at home."""
_ALIVE = {"animal", "person"}


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


def photograph_truth(captions: Sequence[Sequence[str]], schema: Schema) -> dict[str, list[Truth]]:
    """Return what captions agree on."""
    known = [{fact.kind: fact.answer for fact in everyday_facts(texts)} for texts in captions]
    truth: dict[str, list[Truth]] = {}
    for group, kind in FACTS_OF.items():
        names = schema.group(group).label_names
        truth[group] = [row[kind] if row.get(kind) in names else None for row in known]
    return truth


def wild_truth(table: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Truth]]:
    """Return what the labels of a wild table say of every group but the subject."""
    if table != "objects":
        return {group: [value] * len(rows) for group, value in _SHELF.items()}
    kinds = {name: {*each.kinds} for each in reversed(read_classes()) for name in each.names}
    return {"doing": [None if _ALIVE & kinds.get(str(row["label"]), _ALIVE) else () for row in rows]}


def wild_subjects(table: str, rows: Sequence[Mapping[str, Any]], schema: Schema) -> list[frozenset[str] | None]:
    """Return the subjects that are right for each row, none where the schema has no word for it; None: not known."""
    if table == "objects":
        words = _nouns(schema)
        kinds = {name: (*each.names, *each.kinds) for each in reversed(read_classes()) for name in each.names}
        said = [
            [word for kind in kinds.get(str(row["label"]), (str(row["label"]),)) for word in ALIASES.get(kind, (kind,))]
            for row in rows
        ]
        return [frozenset(label for word in some for label in words.get(stems(word), ())) for some in said]
    if table == "clothing":
        return [frozenset(_CLOTHES.get(str(row["label"]), ())) for row in rows]
    # A carton of juice may be called a drink or a bottle: nothing is said of packages.
    subjects = {"Fruit": frozenset({"fruit"}), "Vegetables": frozenset({"vegetable"})}
    return [subjects.get(str(row["group"])) for row in rows]


def photograph_subjects(captions: Sequence[Sequence[str]], schema: Schema) -> list[frozenset[str] | None]:
    """Return the subjects that at least two captions of each photograph name; any word for people stands for all."""
    words = _nouns(schema)
    found: list[frozenset[str] | None] = []
    for texts in captions:
        said = [frozenset(label for word in stems(text) for label in words.get((word,), ())) for text in texts]
        twice = {label for some in said for label in some if sum(label in each for each in said) > 1}
        people = sum(bool(re.search(rf"\b(?:{PEOPLE})s?\b|{MANY.pattern}", text.lower())) for text in texts) > 1
        found.append(frozenset(twice | (_PEOPLE if people else set())))
    return found


def resolved(right: Sequence[frozenset[str] | None], best: Sequence[str]) -> list[Truth]:
    """Return one value for each picture: where several are right, the one that the encoder finds best, if it is."""
    return [
        None if some is None else guess if guess in some else min(some, default=())
        for some, guess in zip(right, best, strict=True)
    ]


def best_subjects(vectors: Vectors, bank: SchemaBank) -> list[str]:
    """Return the most probable subject of each picture."""
    group = bank.schema.group("subject")
    scores, _ = group_probabilities(group, bank.banks["subject"], vectors)
    return [group.label_names[at] for at in scores.argmax(axis=1).tolist()]


def _nouns(schema: Schema) -> dict[tuple[str, ...], list[str]]:
    """Return the subjects that each noun names."""
    nouns: dict[tuple[str, ...], list[str]] = {}
    for label in schema.group("subject").labels:
        for wording in (*label.wordings, label.name):
            nouns.setdefault(stems(re.sub(r"^an?\s", "", wording)), []).append(label.name)
    return nouns


def join(collections: Sequence[Labelled], schema: Schema) -> tuple[Vectors, dict[str, list[Truth]], list[str]]:
    """Put collections one below the other; a group that one does not know says nothing there."""
    table: dict[str, list[Truth]] = {}
    for group in schema.groups:
        columns = [each.truth.get(group.name) or [None] * len(each.vectors) for each in collections]
        table[group.name] = [value for column in columns for value in column]
    domains = [each.domain for each in collections for _ in range(len(each.vectors))]
    return np.concatenate([each.vectors for each in collections]), table, domains


def read_collections(encoder: Encoder, data: Path, bank: SchemaBank) -> list[Labelled]:
    """Encode the validation pictures of every collection, and read what is true of them."""
    from pyarrow import parquet

    schema = bank.schema
    captions = read_captions(data, "val")
    vectors = encode_pictures(encoder, read_photographs(data, "val"))
    subjects = resolved(photograph_subjects(captions, schema), best_subjects(vectors, bank))
    truth = photograph_truth(captions, schema) | {"subject": subjects}
    collections = [Labelled("photographs", "everyday", vectors, truth)]
    for name in ("objects", "grocery", "clothing"):
        rows = parquet.read_table(data / "wild" / f"{name}.parquet").to_pylist()
        rows = [row for row in rows if name == "objects" or is_val(row["id"])]
        vectors = encode_pictures(encoder, [row["image"]["bytes"] for row in rows])
        subjects = resolved(wild_subjects(name, rows, schema), best_subjects(vectors, bank))
        collections.append(Labelled(name, "wild", vectors, wild_truth(name, rows) | {"subject": subjects}))
    return collections


def learn_from(collections: Sequence[Labelled], bank: SchemaBank) -> Calibration:
    """Learn the calibration.

    Raises:
        InputError: no picture has a usable value.
    """
    joined, table, domains = join(collections, bank.schema)
    return learn(joined, table, bank, precision=PRECISION, domains=domains)[0]


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
