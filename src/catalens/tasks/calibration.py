"""Calibration: temperatures and thresholds per group, and their file.

The temperature of a group calibrates its scores on average; thresholds say from which score on a label is given.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.files import write_text_atomically
from catalens.core.json_text import parse_json
from catalens.core.types import Scores
from catalens.tasks.schema import Schema

NEVER = math.inf
"""The threshold of a label for which no score reaches the requested precision."""

_FORMAT = "catalens calibration 1"
_TEMPERATURES = (0.02, 50.0)
_ECE_BINS = 15
_SPREAD = 0.4
"""How far from 0 logarithms of temperatures lie: of 0.1 to 2, what predicts held-out rows of the fashion schema best
(five folds of `val`, groups of 14 to 1,500 rows)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCalibration:
    """The calibration of one group.

    Attributes:
        temperature: what logits are divided by; above 0.
        threshold: the probability that a label needs; None: not learned. `NEVER`: none is sure enough.
        label_thresholds: the same for single labels; the others use the group's.
    """

    temperature: float = 1.0
    threshold: float | None = None
    label_thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < math.inf:
            raise InputError(f"a temperature is {self.temperature}; it must be above 0")
        for threshold in (self.threshold, *self.label_thresholds.values()):
            if threshold is not None and not (0.0 <= threshold <= 1.0 or threshold == NEVER):
                raise InputError(f"a threshold is {threshold}; it must be between 0 and 1, or 'never'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The calibration of a schema for one encoder.

    Attributes:
        encoder_name: the encoder it was learned with.
        schema_name: of its groups.
        groups: a group that is missing here keeps temperature 1 and the general minimum.
    """

    encoder_name: str
    schema_name: str
    groups: Mapping[str, GroupCalibration]

    def check(self, encoder_name: str, schema: Schema) -> None:
        """Check that the encoder, groups and labels are those of the calibration.

        Raises:
            InputError: scores of this encoder or schema would be read by the wrong scale.
        """
        again = "learn it again with `catalens tag learn`"
        if encoder_name != self.encoder_name:
            raise InputError(f"this calibration was learned with {self.encoder_name!r}, not {encoder_name!r}; {again}")
        for name, learned in self.groups.items():
            strangers = learned.label_thresholds.keys() - set(schema.group(name).label_names)
            if strangers:
                raise InputError(f"the calibration names {min(strangers)!r}, no label of {name!r} any more; {again}")


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    body = {
        "format": _FORMAT,
        "encoder": calibration.encoder_name,
        "schema": calibration.schema_name,
        "groups": {
            name: {
                "temperature": group.temperature,
                "threshold": _to_json(group.threshold),
                "labels": {label: _to_json(value) for label, value in group.label_thresholds.items()},
            }
            for name, group in calibration.groups.items()
        },
    }
    write_text_atomically(path, json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def load_calibration(path: Path) -> Calibration:
    """Read a calibration from a file that `save_calibration` wrote.

    Raises:
        InputError: the file is missing, is not a calibration, or holds invalid numbers.
    """
    try:
        body = parse_json(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict) or body.get("format") != _FORMAT:
            raise InputError(f"{str(path)!r} is not a calibration; `catalens tag learn` writes one")
        groups = {str(name): _read_group(group) for name, group in body["groups"].items()}
        return Calibration(encoder_name=str(body["encoder"]), schema_name=str(body["schema"]), groups=groups)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot read the calibration {str(path)!r}: {error!r}") from error


def expected_calibration_error(confidences: Scores, correct: NDArray[np.bool_]) -> float:
    """Return the mean gap between confidence and accuracy, over 15 bins of equal width.

    Args:
        confidences: (n,), in [0, 1].
        correct: (n,).

    Returns:
        In [0, 1]; 0 for no items.

    Source:
        Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3; bins are (low, high].

    >>> expected_calibration_error(np.array([0.8, 0.8], np.float32), np.array([True, False])).__round__(3)
    0.3
    """
    if len(confidences) == 0:
        return 0.0
    found = reliability(confidences, correct)
    return float(np.abs(found.confidences - found.correct).sum() / len(confidences))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence and accuracy of items in bins of equal width; each array is (bins,).

    Attributes:
        counts: items of each bin.
        confidences: the sum of their confidences.
        correct: how many of them are right.
    """

    counts: NDArray[np.int64]
    confidences: NDArray[np.float64]
    correct: NDArray[np.float64]


def reliability(confidences: Scores, correct: NDArray[np.bool_]) -> Reliability:
    """Sort n items into the bins of `expected_calibration_error` by their confidences."""
    bins = np.clip(np.ceil(np.asarray(confidences, np.float64) * _ECE_BINS).astype(np.int64) - 1, 0, _ECE_BINS - 1)
    return Reliability(
        counts=np.bincount(bins, minlength=_ECE_BINS),
        confidences=np.bincount(bins, weights=confidences, minlength=_ECE_BINS).astype(np.float64),
        correct=np.bincount(bins, weights=correct, minlength=_ECE_BINS).astype(np.float64),
    )


def fit_temperature(loss: Callable[[float], float], rows: int) -> float:
    """Return the best temperature, by golden-section search over its logarithm.

    A pull towards 1, which many rows outweigh, keeps a small table from asking for certainty, or for none.

    Args:
        loss: temperature → mean negative log-likelihood, which has one valley (it is convex in 1 / temperature).
        rows: how many rows the mean is over; at least 1.

    Returns:
        In [0.02, 50].

    Source:
        Guo et al. 2017, section 4.2 (temperature scaling); the pull is a log-normal prior of deviation `_SPREAD`.
    """

    def cost(log_temperature: float) -> float:
        return loss(math.exp(log_temperature)) + 0.5 * (log_temperature / _SPREAD) ** 2 / rows

    low, high = (math.log(end) for end in _TEMPERATURES)
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = cost(left), cost(right)
    while high - low > 1e-4:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = cost(right)
    return math.exp((low + high) / 2.0)


def _to_json(threshold: float | None) -> float | str | None:
    return "never" if threshold == NEVER else threshold


def _from_json(threshold: str | float | None) -> float | None:
    if threshold is None:
        return None
    return NEVER if threshold == "never" else float(threshold)


def _read_group(body: Mapping[str, Any]) -> GroupCalibration:
    labels = {str(label): _from_json(value) for label, value in body["labels"].items()}
    return GroupCalibration(
        temperature=float(body["temperature"]),
        threshold=_from_json(body["threshold"]),
        label_thresholds={label: value for label, value in labels.items() if value is not None},
    )
