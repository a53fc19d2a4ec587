"""What the local pipeline says of a picture and some labels, in the form of an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import catalens
from catalens.pipelines.one_or_many import Task
from catalens.serving.stages import PROBABILITIES, LabelStage


def shares_of(lens: catalens.Lens, photo: Path, labels: Sequence[str]) -> list[float]:
    """Return the probability of each label, one of which is right."""
    task = Task([LabelStage(tuple(labels))], lambda values: values[PROBABILITIES])
    (result,) = lens.run_many(task, [photo])
    shares: list[float] = result.value
    return shares
