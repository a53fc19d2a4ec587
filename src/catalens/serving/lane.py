"""A lane: one worker with its queue, from the picture's bytes to its values."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from weakref import WeakValueDictionary

from catalens.core.errors import CatalensError, ImageError, ModelError
from catalens.core.image_structure import is_quick
from catalens.core.images import Limits, read_image
from catalens.core.types import Record
from catalens.pipelines.prompting import PromptStage
from catalens.pipelines.stages import EncodedPicture, Picture, Stage, Values
from catalens.serving.batcher import Batcher, BatchEvents, BatchRules, Waiting
from catalens.serving.metrics import Metrics
from catalens.serving.pacing import UnfinishedError
from catalens.serving.runner import Runner, WorkerLostError
from catalens.serving.stages import TextStage
from catalens.serving.steps import StepNeeds

if TYPE_CHECKING:
    from catalens.serving.tracing import Tracing

T = TypeVar("T")
State = Literal["idle", "starting", "ready", "failed", "stopped"]
_MAX_NEEDS = 256
_TAKING_TURNS = 4
"""Stages whose texts are encoded in turns; others with many texts wait for these."""
_MAX_TOGETHER: Mapping[type, int] = {TextStage: 8, PromptStage: 2}
"""Items per batch of stages whose items cost several times as much as a picture: batches of others wait as long."""
_log = logging.getLogger("catalens.serving")


class UnloadableError(CatalensError):
    """A model that cannot be had, now or later: its name is wrong, or its files are missing or damaged."""


@dataclass(frozen=True, slots=True)
class Content:
    """A picture as it came in.

    Attributes:
        data: encoded bytes.
        name: what messages call it.
    """

    data: bytes
    name: str = "the picture"


class Lane:
    """Decodes what is not quick in threads, queues, batches, and runs one worker."""

    def __init__(
        self,
        name: str,
        runner: Runner,
        rules: BatchRules,
        *,
        metrics: Metrics,
        decoders: Executor,
        limits: Limits,
        tracing: Tracing | None = None,
    ) -> None:
        """Take a worker; nothing is started yet.

        Args:
            name: for metrics and logs.
            runner: the worker.
            rules: how batches are formed.
            metrics: of the service.
            decoders: threads that decode pictures.
            limits: what a picture may cost.
            tracing: records stages; None records nothing.
        """
        self.name, self.error = name, ""
        self.state: State = "idle"
        self.last_used_s = 0.0
        self._runner, self._rules, self._metrics = runner, rules, metrics
        self._decoders, self._limits, self._tracing = decoders, limits, tracing
        self._needs: OrderedDict[Stage, StepNeeds] = OrderedDict()
        self._turn, self._preparations = asyncio.Lock(), asyncio.Semaphore(_TAKING_TURNS)
        self._preparing: WeakValueDictionary[Stage, asyncio.Lock] = WeakValueDictionary()
        self._starting: asyncio.Task[None] | None = None
        events = BatchEvents(on_batch=self._on_batch, on_wait=metrics.stage.labels(name, "wait").observe)
        self._batcher: Batcher[Any, Picture, Values] = Batcher(self._run, rules, events, _max_together(rules))
        metrics.queue.labels(name).set_function(lambda: len(self._batcher))

    @property
    def pid(self) -> int | None:
        """Process id of the worker."""
        return self._runner.pid

    @property
    def is_busy(self) -> bool:
        """Whether anything runs or waits."""
        return self._batcher.is_busy or len(self._batcher) > 0 or self._turn.locked() or self.state == "starting"

    def launch(self) -> None:
        """Begin to load the models before there is an event loop; `start` waits for them."""
        self._runner.launch()

    async def start(self) -> None:
        """Load the models, once however many callers wait for it.

        Raises:
            CatalensError: a model cannot be had.
        """
        if self.state == "ready":
            return
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        self.state = "starting"
        started_s = perf_counter()
        try:
            await self._runner.start()
        except CatalensError as error:
            self.state, self.error = "failed", str(error)
            _log.error("%s could not be loaded: %s", self.name, error)
            raise
        self.state, self.error = "ready", ""
        _log.info("%s is ready after %.1f s", self.name, perf_counter() - started_s)

    async def run(self, stage: Stage, content: Content | None, values: Mapping[str, Any]) -> Values:
        """Return what a stage adds to one picture.

        Raises:
            UnloadableError: there is no model.
            CatalensError: the picture, the stage or the worker failed, or the queue is full.
        """
        self._batcher.check_room(1 + self._batcher.expected)
        self.last_used_s = perf_counter()
        try:
            await self.start()
        except WorkerLostError:
            raise
        except CatalensError as error:  # it names files, which are not the caller's business
            raise UnloadableError(f"{self.name} cannot be loaded; the log of the service says why") from error
        needs = await self._prepared(stage)
        with self._batcher.expecting():
            picture = await self._prepare(needs, content, values)
            waiting = self._batcher.put(stage, picture)  # in the queue before it stops being expected
        while True:
            try:
                return await self._result(waiting)
            except UnfinishedError:
                await self._finish(stage)
                waiting = self._batcher.put(stage, picture)

    async def _result(self, waiting: Waiting[Any, Picture, Values]) -> Values:
        if self._tracing is None:
            return await self._batcher.result(waiting)
        with self._tracing.batch(self.name, waiting):
            return await self._batcher.result(waiting)

    async def check(self) -> None:
        """Replace a worker that died while it had nothing to do."""
        if self.state == "ready" and not self.is_busy and not self._runner.is_alive:
            self._replaced()
            with suppress(CatalensError):
                await self.start()

    async def unload(self) -> None:
        """Stop the worker; it starts again with the next request."""
        self.state = "idle"
        self._needs.clear()
        await self._runner.unload()
        _log.info("%s was unloaded", self.name)

    async def stop(self, drain_s: float) -> None:
        """Finish what is queued within some seconds, then release everybody."""
        await self._batcher.stop(drain_s)
        self.state = "stopped"
        await self._runner.stop()

    async def _prepare(self, needs: StepNeeds, content: Content | None, values: Mapping[str, Any]) -> Picture:
        record = Record("picture", "picture" if content is None else content.name)
        if not needs.reads_images or content is None:
            return EncodedPicture(record, None, values, {}, content=b"" if content is None else content.data)
        if not content.data:
            raise ImageError(f"{content.name} is empty")
        if is_quick(content.data):  # the worker decodes it; what may take long must not hold up a batch
            return EncodedPicture(record, None, values, {}, content=content.data)
        started_s = perf_counter()
        loop = asyncio.get_running_loop()
        read = partial(read_image, at_least=needs.size_wh, limits=self._limits, name=content.name)
        image = await loop.run_in_executor(self._decoders, read, content.data)
        seconds = perf_counter() - started_s
        self._metrics.stage.labels(self.name, "decode").observe(seconds)
        if self._tracing is not None:
            self._tracing.stage("decode", self.name, seconds)
        return Picture(record, image, values)

    async def _prepared(self, stage: Stage) -> StepNeeds:
        try:
            return await self._needs_of(stage)
        except WorkerLostError:
            raise
        except ModelError as error:  # as above: a part that only this stage needs is missing
            _log.error("%s of %s could not be loaded: %s", stage.name, self.name, error)
            raise UnloadableError(
                f"{stage.name} of {self.name} cannot be loaded; the log of the service says why"
            ) from error

    async def _needs_of(self, stage: Stage) -> StepNeeds:
        """Load a stage in the worker, once for all callers of equal stages."""
        while stage not in self._needs:
            try:
                async with self._turn:
                    if stage not in self._needs:
                        self._needs[stage] = await self._ask(self._runner.needs, stage)
            except UnfinishedError:
                await self._finish(stage)
        found = self._needs[stage]
        while len(self._needs) > _MAX_NEEDS:
            self._needs.popitem(last=False)
        return found

    async def _finish(self, stage: Stage) -> None:
        """Have the worker encode the texts that a stage lacks, in pieces, of which at most one is between two batches.

        One caller asks for the pieces; if it leaves, the next one of an equal stage goes on.

        Raises:
            StoppingError: the service is shutting down.
            CatalensError: the texts cannot be encoded, or the worker was lost.
        """
        alone = self._preparing.setdefault(stage, asyncio.Lock())
        async with alone, self._preparations:
            is_prepared = False
            while not is_prepared:
                async with self._turn:
                    self._batcher.check_room(0)
                    is_prepared = await self._ask(self._runner.go_on, stage)

    async def _ask(self, call: Callable[[Stage], Awaitable[T]], stage: Stage) -> T:
        try:
            return await call(stage)
        except WorkerLostError:
            self._replaced()
            raise

    async def _run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | Exception]:
        try:
            return await self._runner.run(stage, pictures)
        except WorkerLostError:
            self._replaced()
            raise

    def _replaced(self) -> None:
        """Start another worker at once: nobody may call a service that is not ready."""
        if self.state == "stopped":
            return
        self._metrics.restarts.labels(self.name).inc()
        self.state = "idle"
        self._needs.clear()
        _log.warning("the worker %s was lost and is replaced", self.name)
        self._starting = asyncio.create_task(self._start())
        # The next caller hears of a failure.
        self._starting.add_done_callback(lambda task: None if task.cancelled() else task.exception())

    def _on_batch(self, size: int, seconds: float) -> None:
        self._metrics.batch.labels(self.name).observe(size)
        self._metrics.stage.labels(self.name, "model").observe(seconds)


def _max_together(rules: BatchRules) -> Callable[[Stage], int]:
    return lambda stage: min(rules.max_size, _MAX_TOGETHER.get(type(stage), rules.max_size))
