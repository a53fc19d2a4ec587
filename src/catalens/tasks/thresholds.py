"""Learns temperatures and thresholds of a schema from a labelled table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.types import Scores, Vectors
from catalens.tasks.assessment import Counts, GroupReport, GroupTable, Truth, assess, read_table
from catalens.tasks.attributes import Mask, SchemaBank, group_probabilities, held_labels
from catalens.tasks.calibration import NEVER, Calibration, GroupCalibration, fit_temperature
from catalens.tasks.labels import LabelBank
from catalens.tasks.schema import Group

_MIN_ROWS = 20
"""A label with fewer rows to learn from uses its group's threshold."""

_LEAST = 1e-9
"""Lower bound of a likelihood, so that its logarithm is finite."""

_NOTHING = Counts(0, 0, 0)

Places = NDArray[np.intp]


def learn(
    vectors: Vectors,
    table: Mapping[str, Sequence[Truth]],
    bank: SchemaBank,
    *,
    precision: float | None = None,
    domains: Sequence[str] | None = None,
    temperatures: Mapping[str, float] | None = None,
) -> tuple[Calibration, list[GroupReport]]:
    """Learn temperatures and thresholds from pictures whose attributes are known.

    Args:
        vectors: (n, dim), unit rows from the bank's own encoder.
        table: group name → n values; groups without a usable value keep their defaults.
        bank: the encoded schema.
        precision: how often a given label must be right, in (0, 1]; thresholds are then as low as that allows, and
            `NEVER` where no threshold allows it. None: thresholds with the best F1.
        domains: n names of the collections that the pictures are from; the precision must then hold in each of them
            that gets the label at all, so that what is rare in one is not hidden by what is common in another.
        temperatures: of groups for which none is to be learned.

    Returns:
        The calibration, and how it does on the very table it was learned from (so a little too well).

    Raises:
        InputError: precision is out of range, or the table names an unknown group, has another length or no usable row.
    """
    if precision is not None and not 0.0 < precision <= 1.0:
        raise InputError(f"the precision asked for is {precision}; it must be above 0 and at most 1")
    if domains is not None and len(domains) != len(vectors):
        raise InputError(f"there are {len(domains)} domains for {len(vectors)} pictures; name one for each")
    groups: dict[str, GroupCalibration] = {}
    for name, column in table.items():
        group = bank.schema.group(name)
        part = read_table(group, column, len(vectors))
        if len(part.rows):
            places = np.unique(np.asarray(domains), return_inverse=True)[1][part.rows] if domains else None
            given = (temperatures or {}).get(name)
            groups[name] = _learn_group(group, bank.banks[name], vectors[part.rows], part, precision, places, given)
    if not groups:
        raise InputError(
            f"no row of the table has a value that schema {bank.schema.name!r} knows; nothing to learn from"
        )
    calibration = Calibration(encoder_name=bank.encoder_name, schema_name=bank.schema.name, groups=groups)
    return calibration, assess(vectors, table, bank, calibration=calibration)


def lowest_threshold(
    scores: Scores, right: Mask, precision: float, already: Counts = _NOTHING, domains: Places | None = None
) -> float:
    """Return the lowest threshold with the requested precision that gains a correct prediction.

    Args:
        scores: (n,) of predicted labels.
        right: (n,), whether they are correct.
        precision: minimum share of correct predictions.
        already: further predictions, whatever the threshold.
        domains: (n,) numbers of the collections in each of which the precision must hold; None for one collection.

    Returns:
        One of the scores, or `NEVER` where no threshold is enough.

    >>> lowest_threshold(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]), 0.6)
    0.7
    """
    cuts, given, hits = _cuts(scores, right)
    # Below the last correct prediction only wrong ones are left to give.
    enough = ((hits + already.right) / (given + already.given) >= precision) & (np.diff(hits, prepend=0) > 0)
    for domain in np.unique(domains) if domains is not None else ():
        of = np.sort(scores[domains == domain])
        sure = np.sort(scores[(domains == domain) & right])
        here, hits_here = (len(each) - np.searchsorted(each, cuts) for each in (of, sure))
        enough &= hits_here >= precision * here
    return float(cuts[enough][-1]) if enough.any() else NEVER


def best_f1_threshold(scores: Scores, right: Mask, there: int) -> float:
    """Return the threshold with the highest F1 score.

    Args:
        scores: (n,) of predicted labels.
        right: (n,), whether they are correct.
        there: number of rows with the label.

    Returns:
        One of the scores, or `NEVER` where none is right.
    """
    cuts, given, hits = _cuts(scores, right)
    if not hits.any():
        return NEVER
    return float(cuts[np.argmax(2.0 * hits / (given + there))])


def _cuts(scores: Scores, right: Mask) -> tuple[Scores, NDArray[np.int64], NDArray[np.int64]]:
    """Return all thresholds in descending order, the number of scores that reach each, and of correct ones."""
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(right[order], dtype=np.int64)
    # Equal scores pass or fail together, so only the last of a run can be cut after.
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])
    return ordered[last], last + 1, hits[last]


def _learn_group(
    group: Group,
    bank: LabelBank,
    vectors: Vectors,
    part: GroupTable,
    precision: float | None,
    domains: Places | None,
    temperature: float | None,
) -> GroupCalibration:
    if temperature is None:
        known = part.truth.any(axis=1) | (group.kind == "multi")
        temperature = fit_temperature(_loss(group, bank, vectors[known], part.truth[known]), int(known.sum()))
    scores, unknown = group_probabilities(group, bank, vectors, temperature)
    at_row, at_label = np.nonzero(held_labels(group, scores, unknown))
    claimed, right = scores[at_row, at_label], part.truth[at_row, at_label]
    there = part.truth.sum(axis=0)
    # An exclusive label is learned from the rows it is the answer for; a multi-valued one has a score in every row.
    support = np.bincount(at_label, minlength=len(there)) if group.kind == "exclusive" else there

    def threshold(of: Mask, rows_there: int, already: Counts) -> float:
        if precision is None:
            return best_f1_threshold(claimed[of], right[of], rows_there)
        where = None if domains is None else domains[at_row][of]
        return lowest_threshold(claimed[of], right[of], precision, already, where)

    own: dict[str, float] = {}
    rest = np.ones(len(claimed), dtype=np.bool_)
    kept = np.zeros(len(claimed), dtype=np.bool_)
    for at, name in enumerate(group.label_names):
        if support[at] < _MIN_ROWS:
            continue
        of = at_label == at
        own[name] = threshold(of, int(there[at]), _NOTHING)
        kept |= of & (claimed >= own[name])
        rest &= ~of
    # The group's threshold serves the labels without one of their own; those with one already meet the target.
    shared = [at for at, name in enumerate(group.label_names) if name not in own]
    already = Counts(int(kept.sum()), int((kept & right).sum()), 0)
    if not rest.any():
        rest, shared, already = ~rest, list(range(len(there))), _NOTHING
    general = threshold(rest, int(there[shared].sum()), already)
    return GroupCalibration(temperature=temperature, threshold=general, label_thresholds=own)


def _loss(group: Group, bank: LabelBank, vectors: Vectors, truth: Mask) -> Callable[[float], float]:
    """Return the mean negative log-likelihood of the truth (n, m) as a function of the temperature."""

    def loss(temperature: float) -> float:
        scores, _ = group_probabilities(group, bank, vectors, temperature)
        likely = np.clip(scores.astype(np.float64), _LEAST, 1.0 - _LEAST)
        if group.kind == "exclusive":
            return float(-np.log(likely[truth]).mean())
        return float(-np.log(np.where(truth, likely, 1.0 - likely)).sum(axis=1).mean())

    return loss
