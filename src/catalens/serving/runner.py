"""What runs the stages of a service: a protocol, what it loads, and a thread of this process that does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from catalens.core.errors import CatalensError, UnavailableError
from catalens.pipelines.session import SessionConfig
from catalens.pipelines.stages import Picture, Stage, Values
from catalens.serving.steps import StepNeeds, Steps, WorkerSession

T = TypeVar("T")


class WorkerLostError(UnavailableError):
    """The process died, or was killed because it did not answer."""


class Runner(Protocol):
    """Runs stages, one call after the other: a process, or a thread."""

    def launch(self) -> None:
        """Begin to load the models; `start` waits until they are warm."""

    async def start(self) -> None:
        """Load and warm the models.

        Raises:
            CatalensError: a model cannot be had.
        """

    async def needs(self, stage: Stage) -> StepNeeds:
        """Return what pictures for a stage must look like."""

    async def run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        """Return the values that a stage adds, or an error, for each picture in order."""

    async def go_on(self, stage: Stage) -> bool:
        """Encode a piece of the texts that a stage lacks, and return whether it may be asked again."""

    async def unload(self) -> None:
        """Release the models; `start` loads them again."""

    async def stop(self) -> None:
        """Release the models for good, also in the middle of a job."""

    @property
    def pid(self) -> int | None:
        """The process that holds the models; None where there is none."""

    @property
    def is_alive(self) -> bool:
        """Whether it can take a job."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker process loads.

    Attributes:
        session: which models, and where they run.
        warm: stages to load and to run once before the worker is ready.
        start_timeout_s: longest time until it is ready.
        batch_timeout_s: longest time for one batch; a worker that takes longer is killed.
        log_json: log JSON lines.
    """

    session: SessionConfig
    warm: tuple[Stage, ...] = ()
    start_timeout_s: float = 300.0
    batch_timeout_s: float = 60.0
    log_json: bool = False


class LocalRunner:
    """A runner in a thread of this process, for embedding in another server and for tests."""

    pid: int | None = None
    is_alive = True

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._steps = Steps(WorkerSession(config.session))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="models")

    def launch(self) -> None:
        """Do nothing: `start` loads the models."""

    async def start(self) -> None:
        """Load and warm the models.

        Raises:
            CatalensError: a model cannot be had.
        """
        await self._in_thread(warm_up, self._steps, self._config.warm)

    async def needs(self, stage: Stage) -> StepNeeds:
        """Load a stage, and return what its pictures must look like.

        Raises:
            CatalensError: the stage cannot be loaded.
        """
        return await self._in_thread(self._steps.needs, stage)

    async def run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        """Run a stage over pictures.

        Raises:
            CatalensError: the stage cannot be loaded.
        """
        return await self._in_thread(self._steps.run, stage, pictures)

    async def go_on(self, stage: Stage) -> bool:
        """Encode a piece of the texts that a stage lacks, and return whether it may be asked again.

        Raises:
            CatalensError: the texts cannot be encoded.
        """
        return await self._in_thread(self._steps.go_on, stage)

    async def unload(self) -> None:
        """Do nothing: the models go with the object."""

    async def stop(self) -> None:
        """Begin nothing more; the models go with the object."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def warm_up(steps: Steps, stages: Sequence[Stage]) -> None:
    """Run each stage once over a grey picture, so that the first caller does not pay for loading.

    Raises:
        CatalensError: a model cannot be had.
    """
    from PIL import Image

    from catalens.core.types import Record

    picture = Picture(Record("warm-up", "warm-up"), Image.new("RGB", (64, 64), (128, 128, 128)), {"text": "warm-up"})
    for stage in stages:
        steps.needs(stage)
        steps.run(stage, [picture])  # that nothing is found in it does not matter
    steps.is_paced = True  # from now on, others may be waiting
