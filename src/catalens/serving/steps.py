"""What a worker does: keeps a session's steps loaded and runs batches, so that one bad picture costs only itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalens.core.blas import one_blas_thread
from catalens.core.errors import CatalensError, ModelError
from catalens.pipelines.halving import each_half
from catalens.pipelines.loaded_steps import LoadedSteps
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Stage, Step, Values


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
    """Runs the stages of a session, each loaded when it is first asked for."""

    def __init__(self, session: WorkerSession) -> None:
        self._session = session
        self._loaded = LoadedSteps(session)

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
        return self._loaded.step(stage)


def _run(step: Step, pictures: Sequence[Picture]) -> list[Values | CatalensError]:
    """Return the values or the error of each picture; where a step fails, only the pictures at fault have one."""
    results: list[Values | CatalensError] = [{} for _ in pictures]

    def run(places: Sequence[int]) -> list[int]:
        with one_blas_thread():
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
