"""Evaluation of attributes on a labelled table: precision, recall and calibration error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.types import Scores, Vectors
from catalens.tasks.attributes import Mask, SchemaBank, group_minima, group_probabilities, held_labels
from catalens.tasks.calibration import Calibration, GroupCalibration, expected_calibration_error
from catalens.tasks.schema import Group

Truth = str | Sequence[str] | None
"""What a table says of one group of one picture: a label, several, or () where none of the group's labels holds.

None or "" where the table says nothing.
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of predictions, correct predictions and true rows.

    Attributes:
        given: number of predictions.
        right: number of correct predictions.
        there: number of rows of the table that have the label.
    """

    given: int
    right: int
    there: int

    @property
    def precision(self) -> float | None:
        """Share of predictions that are correct; None without predictions."""
        return self.right / self.given if self.given else None

    @property
    def recall(self) -> float | None:
        """Share of true rows that are found; None without true rows."""
        return self.right / self.there if self.there else None


@dataclass(frozen=True, slots=True)
class LabelReport:
    """One label: its threshold (`NEVER`: it is never predicted) and its counts."""

    label: str
    threshold: float
    counts: Counts


@dataclass(frozen=True, slots=True)
class GroupReport:
    """The evaluation of one group.

    Attributes:
        group: its name.
        rows: rows that were used.
        skipped: rows with a value that the group does not have, or with several values where only one can hold.
        temperature: divisor of the logits.
        ece_before: expected calibration error at temperature 1.
        ece_after: the same at this temperature.
        counts: all labels together.
        labels: those predicted, in the table, or with a threshold of their own, in the group's order.
    """

    group: str
    rows: int
    skipped: int
    temperature: float
    ece_before: float
    ece_after: float
    counts: Counts
    labels: tuple[LabelReport, ...]


@dataclass(frozen=True, slots=True)
class GroupTable:
    """The usable rows of one group.

    Attributes:
        rows: (r,), positions in the table.
        truth: (r, m), which labels hold.
        skipped: how many rows named what the group does not have.
    """

    rows: NDArray[np.int64]
    truth: Mask
    skipped: int


def assess(
    vectors: Vectors,
    table: Mapping[str, Sequence[Truth]],
    bank: SchemaBank,
    *,
    calibration: Calibration | None = None,
    min_score: float = 0.35,
) -> list[GroupReport]:
    """Evaluate attributes against a labelled table.

    Conditions of groups are left aside: a row counts wherever the table has a value.

    Args:
        vectors: (n, dim), unit rows from the bank's own encoder.
        table: group name → n values.
        bank: the encoded schema.
        calibration: learned with the same encoder; None: temperature 1.
        min_score: the probability that a label needs where no threshold was learned.

    Returns:
        One report for each group of the table.

    Raises:
        InputError: the table names an unknown group or has another length, or the calibration is for another encoder.
    """
    if calibration is not None:
        calibration.check(bank.encoder_name, bank.schema)
    learned = calibration.groups if calibration is not None else {}
    reports = []
    for name, column in table.items():
        group = bank.schema.group(name)
        part = read_table(group, column, len(vectors))
        rules = learned.get(name, GroupCalibration())
        at_one, _ = group_probabilities(group, bank.banks[name], vectors[part.rows])
        scores, unknown = group_probabilities(group, bank.banks[name], vectors[part.rows], rules.temperature)
        minima = group_minima(group, rules, min_score)
        holds = held_labels(group, scores, unknown) & (scores >= minima)
        labels = [
            LabelReport(label, float(minima[at]), _count(holds[:, at], part.truth[:, at]))
            for at, label in enumerate(group.label_names)
        ]
        reports.append(
            GroupReport(
                group=name,
                rows=len(part.rows),
                skipped=part.skipped,
                temperature=rules.temperature,
                ece_before=_error(group, at_one, part.truth),
                ece_after=_error(group, scores, part.truth),
                counts=_count(holds, part.truth),
                labels=tuple(
                    each
                    for each in labels
                    if each.counts.given or each.counts.there or each.label in rules.label_thresholds
                ),
            )
        )
    return reports


def read_table(group: Group, column: Sequence[Truth], n: int) -> GroupTable:
    """Return the usable rows of a column and their labels.

    Raises:
        InputError: the column does not have n values.
    """
    if len(column) != n:
        raise InputError(f"the column for {group.name!r} has {len(column)} values for {n} pictures")
    places = {name: at for at, name in enumerate(group.label_names)}
    rows: list[int] = []
    truths: list[list[int]] = []
    skipped = 0
    for row, value in enumerate(column):
        if value is None or value == "":
            continue
        names = [value] if isinstance(value, str) else list(value)
        strange = not places.keys() >= set(names) or (group.kind == "exclusive" and len(names) > 1)
        if strange:
            skipped += 1
            continue
        rows.append(row)
        truths.append([places[name] for name in names])
    truth = np.zeros((len(rows), len(places)), dtype=np.bool_)
    for at, labels in enumerate(truths):
        truth[at, labels] = True
    return GroupTable(np.array(rows, dtype=np.int64), truth, skipped)


def _count(given: Mask, truth: Mask) -> Counts:
    return Counts(int(given.sum()), int((given & truth).sum()), int(truth.sum()))


def _error(group: Group, scores: Scores, truth: Mask) -> float:
    if group.kind == "multi":
        return expected_calibration_error(scores.ravel(), truth.ravel())
    best = scores.argmax(axis=1)
    every = np.arange(len(scores))
    return expected_calibration_error(scores[every, best], truth[every, best])
