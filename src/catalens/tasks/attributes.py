"""Attributes: for each group of a schema its value and confidence, or `unknown`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Scores, Tag, Vectors
from catalens.tasks.calibration import Calibration, GroupCalibration
from catalens.tasks.class_labels import class_rows, classes_of
from catalens.tasks.labels import LabelBank, Progress, text_bank
from catalens.tasks.probabilities import exclusive, independent
from catalens.tasks.ranking import Halves, cosines, top_k
from catalens.tasks.schema import UNKNOWN, Group, Schema

Mask = NDArray[np.bool_]

MIN_SCORE = 0.35
"""The probability that a label needs where no threshold was learned."""
_RUNNERS_UP = 2
"""Next best labels kept for each group."""

Source = Literal["tags", "answers"]
"""Source of a value: an encoder's similarity to labels, or a reader's answer to a question."""


@dataclass(frozen=True, eq=False)
class SchemaBank:
    """A schema whose labels have been encoded: one label bank for each group."""

    schema: Schema
    encoder_name: str
    banks: Mapping[str, LabelBank]

    @cached_property
    def rows(self) -> Halves:
        """The vectors of every group's labels and "none of these" (r, dim), one after the other."""
        return np.concatenate([rows for bank in self.banks.values() for rows in (bank.vectors, bank.unknown)])

    @cached_property
    def conditions(self) -> Mapping[str, Mapping[str, list[int]]]:
        """Group name → name of a group in its condition → positions of the labels that are asked for."""
        names = {group.name: group.label_names for group in self.schema.groups}
        return {
            group.name: {named: [names[named].index(value) for value in values] for named, values in group.when.items()}
            for group in self.schema.groups
        }

    def logits(self, vectors: Vectors) -> dict[str, tuple[Scores, Scores]]:
        """Return group name → what its bank's `logits` returns, from one product for all groups.

        Raises:
            InputError: the vectors do not fit the bank.
        """
        found, logits, start = cosines(vectors, self.rows), dict[str, tuple[Scores, Scores]](), 0
        for name, bank in self.banks.items():
            labels = found[:, start : start + len(bank)]
            start += len(bank) + len(bank.unknown)
            logits[name] = bank.logits_of(vectors, labels, found[:, start - len(bank.unknown) : start])
        return logits


@dataclass(frozen=True, slots=True)
class Attribute:
    """The reading of one group from one picture.

    Attributes:
        group: the group's name.
        values: the labels that hold, best first; empty where none is sure enough.
        confidence: the probability of the best label, whether it was sure enough or not.
        runners_up: the next best labels, best first; where `values` is empty the best guesses.
        source: "tags" or "answers".
    """

    group: str
    values: tuple[Tag, ...]
    confidence: float
    runners_up: tuple[Tag, ...]
    source: Source = "tags"

    @property
    def value(self) -> str:
        """The best label that holds, or "unknown"."""
        return self.values[0].label if self.values else UNKNOWN


Attributes = Mapping[str, Attribute]
"""Group name → what was read; only groups that apply to the picture, in the schema's order."""


def build_schema_bank(
    encoder: Encoder, schema: Schema, *, cache_dir: Path | None = None, progress: Progress | None = None
) -> SchemaBank:
    """Encode the labels of every group, or take them from the cache.

    Raises:
        InputError: the cache cannot be written, or no label of a group names one of the classes that it asks for.
        ModelError: the encoder gives vectors of a wrong shape.
    """
    banks = {
        group.name: text_bank(
            encoder,
            group.label_names,
            templates=group.templates,
            wordings={label.name: label.wordings for label in group.labels},
            cache_dir=cache_dir,
            progress=progress,
        )
        for group in schema.groups
    }
    for group in schema.groups:
        known = classes_of(encoder, group.classes)
        if known is not None:
            rows = class_rows(known, [(label.name, *label.wordings) for label in group.labels])
            if not rows.owners:
                raise InputError(
                    f"group {group.name!r} compares with the {group.classes} that {encoder.name} knows, but no label "
                    f"names one of them; leave out 'classes'"
                )
            banks[group.name] = replace(banks[group.name], classes=rows)
    return SchemaBank(schema, encoder.name, banks)


def read_attributes(
    vectors: Vectors,
    bank: SchemaBank,
    *,
    calibration: Calibration | None = None,
    min_score: float = MIN_SCORE,
    answered: Mapping[str, Scores] | None = None,
) -> list[Attributes]:
    """Read every group of a schema from each picture.

    A label holds where it reaches its threshold (the calibration's for the label, else for the group, else
    `min_score`) and is more probable than "none of these". A group with a condition is read only where the groups
    that it names have one of the values asked for; where such a group is unknown, those values must hold more than half
    of the probability together.

    Args:
        vectors: (n, dim), unit rows from the bank's own encoder.
        bank: the encoded schema.
        calibration: learned with the same encoder; None: temperature 1.
        min_score: the probability that a label needs where no threshold was learned.
        answered: group name → (n, m) probabilities of its labels, as a reader answers; they stand in for the encoder's,
            and need `min_score`.

    Returns:
        n mappings, in the order of the vectors.

    Raises:
        InputError: the calibration is for another encoder or schema, or the vectors do not fit the bank.
    """
    by_reader = answered or {}
    if calibration is not None:
        calibration.check(bank.encoder_name, bank.schema)
    learned = calibration.groups if calibration is not None else {}
    readings: dict[str, _Reading] = {}
    logits = bank.logits(vectors)
    for group in bank.schema.groups:
        applies = _applies(bank.conditions[group.name], readings, len(vectors))
        if not applies.any():
            continue
        rules = learned.get(group.name, GroupCalibration())
        if group.name in by_reader:
            rules, scores = GroupCalibration(), by_reader[group.name]
            unknown = np.zeros(len(scores), dtype=np.float32)
        else:
            scores, unknown = _probabilities(group, bank.banks[group.name], logits[group.name], rules.temperature)
        minima = group_minima(group, rules, min_score)
        holds = held_labels(group, scores, unknown) & (scores >= minima)
        source: Source = "answers" if group.name in by_reader else "tags"
        readings[group.name] = _Reading(group, scores, holds, applies, source)
    best = {name: top_k(reading.scores, len(reading.group.labels)) for name, reading in readings.items()}
    return [
        {name: _attribute(reading, row, best[name][row]) for name, reading in readings.items() if reading.applies[row]}
        for row in range(len(vectors))
    ]


def group_probabilities(
    group: Group, bank: LabelBank, vectors: Vectors, temperature: float = 1.0
) -> tuple[Scores, Scores]:
    """Return (n, m) probabilities of a group's labels and (n,) of "none of these".

    Labels of a multi-valued group are judged one by one by a model with a bias. A model without one cannot do
    that: they share one probability like exclusive ones, and thresholds should be learned for them.
    """
    return _probabilities(group, bank, bank.logits(vectors), temperature)


def _probabilities(
    group: Group, bank: LabelBank, logits: tuple[Scores, Scores], temperature: float
) -> tuple[Scores, Scores]:
    alone = group.kind == "multi" and bank.bias is not None
    return (independent if alone else exclusive)(*logits, temperature)


def group_minima(group: Group, rules: GroupCalibration, min_score: float) -> NDArray[np.float64]:
    """Return (m,): the probability that each label of the group needs."""
    general = min_score if rules.threshold is None else rules.threshold
    return np.array([rules.label_thresholds.get(name, general) for name in group.label_names])


def held_labels(group: Group, scores: Scores, unknown: Scores) -> Mask:
    """Return which labels (n, m) may hold: more probable than "none of these", and in an exclusive group the best."""
    may: Mask = scores > unknown[:, None]
    if group.kind == "exclusive":
        best = np.zeros_like(may)
        best[np.arange(len(scores)), scores.argmax(axis=1)] = True
        may &= best
    return may


@dataclass(frozen=True, slots=True)
class _Reading:
    """One group read from n pictures: its m labels, scores (n, m), which hold (n, m), source.

    It applies to some of them (n,).
    """

    group: Group
    scores: Scores
    holds: Mask
    applies: Mask
    source: Source


def _applies(condition: Mapping[str, list[int]], readings: Mapping[str, _Reading], n: int) -> Mask:
    applies = np.ones(n, dtype=np.bool_)
    for named, allowed in condition.items():
        if named not in readings:  # it applies to no picture, and so this does not
            return np.zeros(n, dtype=np.bool_)
        reading = readings[named]
        meets = reading.holds[:, allowed].any(axis=1)
        if reading.group.kind == "exclusive":
            likely = reading.scores[:, allowed].sum(axis=1) > 0.5
            meets |= likely & ~reading.holds.any(axis=1)
        applies &= meets & reading.applies
    return applies


def _attribute(reading: _Reading, row: int, best: NDArray[np.int64]) -> Attribute:
    names, scores, holds = reading.group.label_names, reading.scores[row].tolist(), reading.holds[row].tolist()
    order = best.tolist()
    values = tuple(Tag(names[at], scores[at]) for at in order if holds[at])
    others = islice((at for at in order if not holds[at]), _RUNNERS_UP)
    runners = tuple(Tag(names[at], scores[at]) for at in others)
    return Attribute(reading.group.name, values, scores[order[0]], runners, reading.source)
