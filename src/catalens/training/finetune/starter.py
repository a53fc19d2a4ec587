"""Adapts a bundle to a label set: learned label vectors, new temperatures and thresholds, scores before and after.

Images are seen only as vectors, so it takes a processor seconds. The result is a bundle: the old one with another text
graph, the schema, and its calibration. Where learning does not help on validation images, the old vectors stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.models.bundle import BundleEncoder
from catalens.models.facts import GRAPHS
from catalens.tasks.assessment import GroupReport, Truth, read_table
from catalens.tasks.attributes import SchemaBank, build_schema_bank
from catalens.tasks.calibration import save_calibration
from catalens.tasks.schema import Group, Schema
from catalens.tasks.thresholds import learn
from catalens.training.finetune.label_vectors import Examples, Learned, accuracy, learn_label_vectors
from catalens.training.finetune.splits import SPLITS, Split
from catalens.training.finetune.text_graph import write_learned
from catalens.training.finetune.tuned_bundle import copy_bundle, write_facts

LABELS, CALIBRATION = "labels.yaml", "labels.calibration.json"
"""Files in the written bundle: the schema and its calibration."""
_SAME = 0.999
"""The lowest cosine between a learned vector and what the written bundle gives for the label."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The images of one side of the split.

    Attributes:
        vectors: (n, dim), unit rows.
        truth: group name → n values.
    """

    vectors: Vectors
    truth: Mapping[str, Sequence[Truth]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScores:
    """Accuracy of one group before and after.

    Attributes:
        group: its name.
        labels: number of labels.
        rows: images of train, val and test with a label of the group.
        majority: share of the commonest label among the test images.
        val_before: share of validation images whose nearest label is right, by the text vectors.
        val_after: the same by the vectors that were kept.
        test_before: as `val_before`, on images that nothing was learned or chosen with.
        test_after: as `val_after`, on the same.
        improved: whether the learned vectors were kept.
    """

    group: str
    labels: int
    rows: Mapping[Split, int]
    majority: float
    val_before: float
    val_after: float
    test_before: float
    test_after: float
    improved: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        numbers = {name: round(getattr(self, name), 4) for name in _NUMBERS}
        return {"labels": self.labels, "rows": dict(self.rows), **numbers, "improved": self.improved}


_NUMBERS = ("majority", "val_before", "val_after", "test_before", "test_after")


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """What was learned for a schema.

    Attributes:
        schema: whose labels.
        vectors: group name → what was learned.
        scores: one per group.
    """

    schema: Schema
    vectors: Mapping[str, Learned]
    scores: Sequence[GroupScores]

    @property
    def improved(self) -> bool:
        """Whether learning helped any group."""
        return any(each.improved for each in self.vectors.values())


def adapt(encoder: Encoder, schema: Schema, parts: Mapping[Split, Part]) -> Adapted:
    """Learn label vectors on train, choose on val, and score on test.

    Args:
        encoder: of the vectors.
        schema: the labels to learn; groups without a usable row in train and val keep their text vectors.
        parts: train, val and test.

    Raises:
        InputError: no group has images to learn from and to choose by.
    """
    bank = build_schema_bank(encoder, schema)
    vectors: dict[str, Learned] = {}
    scores: list[GroupScores] = []
    for group in schema.groups:
        sides = {name: _examples(group, parts[name]) for name in SPLITS}
        if not len(sides["train"].vectors) or not len(sides["val"].vectors):
            continue
        labels = bank.banks[group.name]
        texts = labels.vectors.astype(np.float32)
        learned = learn_label_vectors(
            sides["train"],
            sides["val"],
            texts,
            unknown=labels.unknown.astype(np.float32),
            logit_scale=encoder.logit_scale,
        )
        vectors[group.name] = learned
        scores.append(_scores(group, sides, texts, learned))
    if not vectors:
        names = ", ".join(group.name for group in schema.groups)
        raise InputError(f"no group of the schema ({names}) has labelled images in both the train and the val part")
    return Adapted(schema, vectors, tuple(scores))


def write_bundle(
    base: BundleEncoder, source: Path, folder: Path, adapted: Adapted, val: Part, *, load: Callable[[Path], Encoder]
) -> list[GroupReport]:
    """Write a bundle with learned label vectors, its schema, and a calibration learned from validation images.

    Args:
        base: the encoder that is adapted.
        source: the folder of its bundle.
        folder: to write; it does not exist yet.
        adapted: what was learned.
        val: validation images, for temperatures and thresholds.
        load: opens a bundle, such as `load_bundle`.

    Returns:
        How the calibrated bundle does on the validation images.

    Raises:
        InputError: the folder exists.
        ModelError: the written bundle does not give the learned vectors.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already; name a folder that does not exist yet")
    part = folder.with_name(f".{folder.name}.part")
    copy_bundle(source, part)
    if adapted.improved:
        keys, learned = _texts_and_vectors(base, adapted)
        write_learned(source / GRAPHS[1], part / GRAPHS[1], keys, learned)
    about = f"with label vectors learned for {adapted.schema.name}"
    write_facts(base, part, folder.name, about=about, scores={each.group: each.to_dict() for each in adapted.scores})
    (part / LABELS).write_text(schema_yaml(adapted.schema), encoding="utf-8")
    bank = build_schema_bank(load(part), adapted.schema)
    _check_written(bank, adapted, part)
    calibration, reports = learn(val.vectors, {name: val.truth[name] for name in adapted.vectors}, bank)
    save_calibration(calibration, part / CALIBRATION)
    part.replace(folder)
    return reports


def schema_yaml(schema: Schema) -> str:
    """Return a schema as the YAML that `load_schema` reads."""
    import yaml

    groups = {
        group.name: {
            "kind": group.kind,
            "templates": list(group.templates),
            **({"about": group.about} if group.about else {}),
            **({"question": group.question} if group.question else {}),
            **({"when": {name: list(values) for name, values in group.when.items()}} if group.when else {}),
            "labels": {label.name: list(label.wordings) for label in group.labels},
        }
        for group in schema.groups
    }
    text: str = yaml.safe_dump({"name": schema.name, "groups": groups}, sort_keys=False, allow_unicode=True)
    return text


def _examples(group: Group, part: Part) -> Examples:
    """Return the images with a label of the group."""
    table = read_table(group, part.truth[group.name], len(part.vectors)) if group.name in part.truth else None
    if table is None:
        return Examples(part.vectors[:0], np.zeros((0, len(group.labels)), dtype=np.bool_))
    known = table.truth.any(axis=1)
    return Examples(part.vectors[table.rows][known], table.truth[known])


def _scores(group: Group, sides: Mapping[Split, Examples], texts: Vectors, learned: Learned) -> GroupScores:
    test = sides["test"]
    return GroupScores(
        group=group.name,
        labels=len(group.labels),
        rows={name: len(each.vectors) for name, each in sides.items()},
        majority=float(test.truth.mean(axis=0).max()) if len(test.vectors) else 0.0,
        val_before=learned.before,
        val_after=learned.after,
        test_before=accuracy(test, texts),
        test_after=accuracy(test, learned.vectors),
        improved=learned.improved,
    )


def _texts_and_vectors(base: BundleEncoder, adapted: Adapted) -> tuple[Vectors, Vectors]:
    """Return the text vectors (k, dim) of every sentence of the improved groups, and the learned ones beside them.

    A sentence of several labels takes the first one's vector.
    """
    wanted: dict[str, Vectors] = {}
    for group in adapted.schema.groups:
        learned = adapted.vectors.get(group.name)
        if learned is None or not learned.improved:
            continue
        for label, vector in zip(group.labels, learned.vectors, strict=True):
            for wording in label.wordings:
                for template in group.templates:
                    wanted.setdefault(template.replace("{}", wording), vector)
    return base.encode_texts(list(wanted)), np.stack(list(wanted.values()))


def _check_written(bank: SchemaBank, adapted: Adapted, folder: Path) -> None:
    for name, learned in adapted.vectors.items():
        cosines = (bank.banks[name].vectors.astype(np.float32) * learned.vectors).sum(axis=1)
        if cosines.min() < _SAME:
            label = bank.banks[name].labels[int(cosines.argmin())]
            raise ModelError(
                f"{folder} does not give the learned vector of {label!r} (cosine {cosines.min():.3f}): its sentences "
                "are too close to those of another label; word them differently"
            )
