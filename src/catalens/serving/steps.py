"""What a worker does: keeps a session's steps loaded and runs batches, so that one bad picture costs only itself."""

from __future__ import annotations

import logging
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from catalens.core.blas import one_blas_thread
from catalens.core.errors import CatalensError, ModelError
from catalens.core.images import Limits, read_image
from catalens.core.protocols import Encoder
from catalens.core.side_by_side import side_by_side
from catalens.pipelines.halving import each_half
from catalens.pipelines.loaded_steps import LoadedSteps
from catalens.pipelines.session import Session
from catalens.pipelines.stages import EncodedPicture, Picture, Stage, Step, Values
from catalens.serving.pacing import PacedEncoder, Preparation

_PIECE_S = 0.1
_MAX_PREPARATIONS = 8
"""Preparations that are kept: each may hold the vectors of some hundred thousand texts."""

_log = logging.getLogger("catalens.serving")


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
    """Keeps the label vectors of schemas on disk, but never those of labels that came in a request.

    Attributes:
        keeps_labels: whether those that are encoded now may be kept on disk.
        preparation: encodes many texts in pieces; None encodes them at once.
    """

    keeps_labels = True
    preparation: Preparation | None = None

    @property
    def label_cache(self) -> Path | None:
        """The folder for encoded labels."""
        return super().label_cache if self.keeps_labels else None

    def paced(self, encoder: Encoder) -> Encoder:
        """Return an encoder whose many texts are encoded in pieces, while there is a preparation."""
        return cast("Encoder", PacedEncoder(encoder, lambda: self.preparation))


class Steps:
    """Runs the stages of a session, each loaded when it is first asked for.

    Attributes:
        is_paced: whether `needs` and `run` stop where many texts must be encoded, for `go_on` to encode in pieces.
    """

    is_paced = False

    def __init__(self, session: WorkerSession) -> None:
        self._session = session
        self._loaded = LoadedSteps(session)
        self._preparations: OrderedDict[Stage, Preparation] = OrderedDict()
        self._decoders = ThreadPoolExecutor(session.workers or 1, thread_name_prefix="decode")

    def needs(self, stage: Stage) -> StepNeeds:
        """Load a stage, and return what its pictures must look like.

        Raises:
            CatalensError: a model cannot be had, or the stage's options cannot be followed.
            UnfinishedError: `go_on` has to encode its texts first.
        """
        with self._preparing(stage):
            step = self._step(stage)
        return StepNeeds(step.size_wh, step.batch_size, step.reads_images)

    def run(self, stage: Stage, pictures: Sequence[Picture]) -> list[Values | CatalensError]:
        """Return the values that a stage adds, or an error, for each picture in order.

        Raises:
            CatalensError: the stage cannot be loaded.
            UnfinishedError: `go_on` has to encode its texts first; it may be the error of some pictures alone.
        """
        results: list[Values | CatalensError] = []
        with self._preparing(stage):
            step = self._step(stage)
            for start in range(0, len(pictures), step.batch_size):
                results += self._decoded_and_run(step, pictures[start : start + step.batch_size])
        return results

    def go_on(self, stage: Stage) -> bool:
        """Encode a piece of the texts that a stage lacks, and return whether it may be asked again.

        Raises:
            CatalensError: the texts cannot be encoded.
        """
        if stage not in self._preparations:  # somebody else's call has ended it, or it was dropped
            return True
        self._preparations.move_to_end(stage)
        return self._preparations[stage].go_on(_PIECE_S)

    def _decoded_and_run(self, step: Step, pictures: Sequence[Picture]) -> list[Values | CatalensError]:
        if not step.reads_images:
            return _run(step, pictures)
        read = partial(_decoded, size_wh=step.size_wh, limits=self._session.config.limits)
        decoded = side_by_side(read, pictures, self._decoders, self._session.workers or 1)
        found = iter(_run(step, [each for each in decoded if isinstance(each, Picture)]))
        return [next(found) if isinstance(each, Picture) else each for each in decoded]

    @contextmanager
    def _preparing(self, stage: Stage) -> Iterator[None]:
        """Keep what a stage lacks until it has all of it; of too many stages, the one that went on least recently."""
        preparation = self._preparations.get(stage) or Preparation()
        self._session.preparation = preparation if self.is_paced else None
        try:
            yield
        finally:
            if preparation.is_over:
                self._preparations.pop(stage, None)
            elif stage not in self._preparations:
                if len(self._preparations) == _MAX_PREPARATIONS:
                    self._preparations.popitem(last=False)
                self._preparations[stage] = preparation
                self._preparations.move_to_end(stage, last=False)  # no piece of it is lost yet

    def _step(self, stage: Stage) -> Step:
        self._session.keeps_labels = not getattr(stage, "labels", ())
        return self._loaded.step(stage)


def _decoded(picture: Picture, *, size_wh: tuple[int, int] | None, limits: Limits) -> Picture | CatalensError:
    """Return a picture with its image, or why it cannot be read."""
    if not isinstance(picture, EncodedPicture):
        return picture
    try:
        image = read_image(picture.content, at_least=size_wh, limits=limits, name=picture.record.source)
    except Exception as error:  # noqa: BLE001 - a decoder's bug or a full memory costs one picture
        return public_error(error)
    return Picture(picture.record, image, picture.values)


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
        results[at] = public_error(error)

    # A worker must outlive whatever one picture does to a model.
    each_half(run, range(len(pictures)), Exception, fail)
    return results


def public_error(error: Exception) -> CatalensError:
    """Return an error as callers may read it; what was not raised on purpose is logged, under a mark that both have."""
    if isinstance(error, CatalensError):
        return error
    mark = uuid.uuid4().hex[:8]
    _log.error("a model failed, mark %s: %s", mark, type(error).__name__, exc_info=error)
    return ModelError(f"the model failed; the log of the service says more at the mark {mark}")
