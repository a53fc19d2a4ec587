"""What a worker does: keeps a session's steps loaded and runs batches, so that one bad picture costs only itself."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalens.core.errors import CatalensError, ModelError
from catalens.pipelines.halving import each_half
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Stage, Step, Values

_MAX_STEPS = 64
"""Steps that are kept: each may hold the vectors of a caller's own labels."""


@dataclass(frozen=True, slots=True)
class StepNeeds:
    """What the service must know of a step to prepare pictures for it.

    Attributes:
        size_wh: least size to decode to; None needs the whole image.
        batch_size: maximum pictures per call.
        reads_images: whether pictures must be decoded at all.
    """

    size_wh: tuple[int, int] | None
    batch_size: int
    reads_images: bool


class WorkerSession(Session):
    """Keeps the label vectors of schemas on disk, but never those of labels that came in a request."""

    keeps_labels = True

    @property
    def label_cache(self) -> Path | None:
        """The folder for encoded labels."""
        return super().label_cache if self.keeps_labels else None


class Steps:
    """The loaded steps of a session, least recently used ones dropped."""

    def __init__(self, session: WorkerSession) -> None:
        self._session = session
        self._loaded: OrderedDict[Stage, Step] = OrderedDict()

    def needs(self, stage: Stage) -> StepNeeds:
        """Load a stage, and return what its pictures must look like.

        Raises:
            CatalensError: a model cannot be had, or the stage's options cannot be followed.
        """
        step = self._step(stage)
        return StepNeeds(step.size_wh, step.batch_size, step.reads_images)

    def run(self, stage: Stage, pictures: Sequence[Picture]) -> list[Values | CatalensError]:
        """Return the values that a stage adds, or an error, for each picture in order.

        Raises:
            CatalensError: the stage cannot be loaded.
        """
        step = self._step(stage)
        results: list[Values | CatalensError] = []
        for start in range(0, len(pictures), step.batch_size):
            results += _run(step, pictures[start : start + step.batch_size])
        return results

    def _step(self, stage: Stage) -> Step:
        self._session.keeps_labels = not getattr(stage, "labels", ())
        if stage in self._loaded:
            self._loaded.move_to_end(stage)
            return self._loaded[stage]
        step = self._loaded[stage] = stage.load(self._session)
        while len(self._loaded) > _MAX_STEPS:
            self._loaded.popitem(last=False)
        return step


def _run(step: Step, pictures: Sequence[Picture]) -> list[Values | CatalensError]:
    """Return the values or the error of each picture; where a step fails, only the pictures at fault have one."""
    results: list[Values | CatalensError] = [{} for _ in pictures]

    def run(places: Sequence[int]) -> list[int]:
        found = step.run([pictures[at] for at in places])
        if len(found) != len(places):
            raise ModelError(f"the model returned {len(found)} results for {len(places)} pictures")
        for at, each in zip(places, found, strict=True):
            results[at] = each
        return list(places)

    def fail(at: int, error: Exception) -> None:
        results[at] = error if isinstance(error, CatalensError) else ModelError(f"{type(error).__name__}: {error}")

    # A worker must outlive whatever one picture does to a model.
    each_half(run, range(len(pictures)), Exception, fail)
    return results
