"""Evaluation of attributes on a labelled table: precision, recall and calibration error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values; the threshold of a label that is never predicted is None."""
        return {
            "label": self.label,
            "threshold": self.threshold if self.threshold <= 1.0 else None,
            "precision": self.counts.precision,
            "recall": self.counts.recall,
            "rows": self.counts.there,
        }


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

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, without its labels."""
        return {
            "group": self.group,
            "rows": self.rows,
            "skipped": self.skipped,
            "precision": self.counts.precision,
            "recall": self.counts.recall,
            "temperature": self.temperature,
            "ece_before": self.ece_before,
            "ece_after": self.ece_after,
        }


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


@dataclass(frozen=True, slots=True)
class Judged:
    """What an encoder says of the usable rows of one group, beside the truth.

    Attributes:
        group: with its m labels.
        part: the r usable rows and their truth (r, m).
        scores: (r, m), probabilities of the labels.
        held: (r, m), the predictions: more probable than "none of these", and above the label's threshold.
        minima: (m,), the labels' thresholds.
        temperature: divisor of the logits.
        ece_before: expected calibration error at temperature 1.
    """

    group: Group
    part: GroupTable
    scores: Scores
    held: Mask
    minima: NDArray[np.float64]
    temperature: float
    ece_before: float

    def confidences(self) -> tuple[Scores, Mask]:
        """Return the confidences that calibration is about, and which of them are right, as flat arrays.

        In an exclusive group they are those of each row's most probable label, in another those of every label.
        """
        return _confidences(self.group, self.scores, self.part.truth)

    def report(self) -> GroupReport:
        """Return the counts and the calibration error."""
        truth = self.part.truth
        labels = [
            LabelReport(label, float(self.minima[at]), _count(self.held[:, at], truth[:, at]))
            for at, label in enumerate(self.group.label_names)
        ]
        return GroupReport(
            group=self.group.name,
            rows=len(self.part.rows),
            skipped=self.part.skipped,
            temperature=self.temperature,
            ece_before=self.ece_before,
            ece_after=expected_calibration_error(*self.confidences()),
            counts=_count(self.held, truth),
            labels=tuple(labels),
        )


def judge(
    vectors: Vectors,
    table: Mapping[str, Sequence[Truth]],
    bank: SchemaBank,
    *,
    calibration: Calibration | None = None,
    min_score: float = 0.35,
) -> list[Judged]:
    """Predict the groups of a labelled table; arguments and errors are those of `assess`."""
    if calibration is not None:
        calibration.check(bank.encoder_name, bank.schema)
    learned = calibration.groups if calibration is not None else {}
    found = []
    for name, column in table.items():
        group = bank.schema.group(name)
        part = read_table(group, column, len(vectors))
        rules = learned.get(name, GroupCalibration())
        minima = group_minima(group, rules, min_score)
        at_one, _ = group_probabilities(group, bank.banks[name], vectors[part.rows])
        scores, unknown = group_probabilities(group, bank.banks[name], vectors[part.rows], rules.temperature)
        held = held_labels(group, scores, unknown) & (scores >= minima)
        before = expected_calibration_error(*_confidences(group, at_one, part.truth))
        found.append(Judged(group, part, scores, held, minima, rules.temperature, before))
    return found


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
    learned = calibration.groups if calibration is not None else {}
    reports = (each.report() for each in judge(vectors, table, bank, calibration=calibration, min_score=min_score))
    return [_without_idle(each, learned.get(each.group, GroupCalibration())) for each in reports]


def _without_idle(report: GroupReport, rules: GroupCalibration) -> GroupReport:
    """Leave out labels that were not predicted, are not in the table, and have no threshold of their own."""
    kept = (
        each for each in report.labels if each.counts.given or each.counts.there or each.label in rules.label_thresholds
    )
    return replace(report, labels=tuple(kept))


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


def _confidences(group: Group, scores: Scores, truth: Mask) -> tuple[Scores, Mask]:
    if group.kind == "multi":
        return scores.ravel(), truth.ravel()
    best = scores.argmax(axis=1)
    every = np.arange(len(scores))
    return scores[every, best], truth[every, best]
