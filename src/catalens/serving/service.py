"""The service without HTTP: lanes of workers, and running the stages of a request through them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import catalens
from catalens.core.errors import CatalensError, InputError, ModelError
from catalens.models.routing import EVERYDAY, PRODUCT
from catalens.pipelines.answering import AnswerStage
from catalens.pipelines.captioning import CaptionStage
from catalens.pipelines.describing import DescribeStage
from catalens.pipelines.encoding import EmbedStage
from catalens.pipelines.prompting import FirstCaptionStage, PromptStage
from catalens.pipelines.stages import Stage
from catalens.pipelines.tagging import TagStage
from catalens.serving.config import ServeConfig
from catalens.serving.lane import Content, Lane
from catalens.serving.metrics import Metrics
from catalens.serving.runner import Runner, WorkerConfig
from catalens.serving.stages import CatalogueJob, CatalogueStage
from catalens.serving.worker import WorkerProcess

if TYPE_CHECKING:
    from catalens.serving.tracing import Tracing

T = TypeVar("T")

Kind = Literal["encoder", "reader", "writer", "prompter"]
_WATCH_S = 0.25
_CATALOGUE_THREADS = 4
_WARM: Mapping[Kind, tuple[Stage, ...]] = {
    "encoder": (TagStage(schema="fashion"), TagStage(), EmbedStage()),
    "reader": (CaptionStage(),),
    "writer": (),
    "prompter": (),
}
_BUNDLED = (None, PRODUCT, EVERYDAY)
"""Encoders that are small enough to be loaded a second time, so that nobody waits for prompts, which cost as much as
ten tags each."""
_log = logging.getLogger("catalens.serving")


class UnknownNameError(InputError):
    """A model, catalogue or record that is not there."""


class Service:
    """Every configured model, each with its lanes. Belongs to one event loop, once started."""

    def __init__(self, config: ServeConfig, runner: Callable[[WorkerConfig], Runner] = WorkerProcess) -> None:
        """Take a configuration; nothing is loaded yet.

        Args:
            config: of the service.
            runner: makes a worker.

        Raises:
            InputError: traces are wanted and cannot be had.
        """
        self.config, self.metrics = config, Metrics()
        self.tracing = _tracing() if config.traces else None
        self.is_stopping = False
        self.failure: CatalensError | None = None
        """Why an eager model could not be loaded."""
        self._decoders = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode")
        self._readers = ThreadPoolExecutor(_CATALOGUE_THREADS, thread_name_prefix="catalogue")
        self._tasks: list[asyncio.Task[None]] = []
        self._make = runner
        self._lanes = {(name, kind): self._lane(name, kind) for name in config.models for kind in self._kinds(name)}
        self._eager = [
            lane
            for (name, kind), lane in self._lanes.items()
            if config.models[name].load == "eager" and kind in ("encoder", "reader")
        ]

    def launch(self) -> None:
        """Let the eager models begin to load while the caller does something else before `start`."""
        for lane in self._eager:
            lane.launch()

    async def start(self) -> None:
        """Begin to load the eager models; `is_ready` says when they are warm."""
        self._tasks = [asyncio.create_task(each) for each in (*map(self._load, self._eager), self._watch())]

    async def stop(self) -> None:
        """Drain: accept nothing new, finish what was accepted within the deadline, end the workers."""
        self.is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(lane.stop(self.config.drain_s) for lane in self._lanes.values()))
        self._decoders.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)
        if self.tracing is not None:
            await self.tracing.stop()

    @property
    def is_ready(self) -> bool:
        """Whether every eager model is warm and the service is not shutting down."""
        return not self.is_stopping and all(lane.state == "ready" for lane in self._eager)

    def model_name(self, name: str) -> str:
        """Return the name of a configured model.

        Raises:
            UnknownNameError: there is no such model.
        """
        if name not in self.config.models:
            raise UnknownNameError(f"there is no model {name[:100]!r}; there is: {', '.join(self.config.models)}")
        return name

    def states(self) -> dict[str, str]:
        """Return the state of each worker by name."""
        return {lane.name: lane.state for lane in self._lanes.values()}

    def worker_pids(self) -> dict[str, int]:
        """Return the process ids of the workers that run."""
        return {lane.name: lane.pid for lane in self._lanes.values() if lane.pid is not None}

    async def run(
        self,
        stages: Sequence[Stage],
        content: Content | None,
        model: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Run stages over one picture, and return everything that they found.

        Raises:
            UnknownNameError: there is no such model.
            CatalensError: the picture, a stage or a worker failed.
        """
        found: dict[str, Any] = dict(values or {})
        for stage in stages:
            found.update(await self._lane_of(stage, model).run(stage, content, dict(found)))
        return found

    async def catalogue(self, name: str, job: CatalogueJob, content: Content | None = None) -> Any:  # noqa: ANN401
        """Run a job on a configured catalogue.

        Raises:
            UnknownNameError: there is no such catalogue.
        """
        path = self.catalogue_path(name)
        values = await self.run([CatalogueStage(path)], content, None, {"job": job})
        return values["found"]

    def catalogue_path(self, name: str) -> str:
        """Return where a configured catalogue is.

        Raises:
            UnknownNameError: there is no such catalogue.
        """
        path = self.config.catalogues.get(name)
        if path is None:
            known = ", ".join(self.config.catalogues) or "none"
            raise UnknownNameError(f"there is no catalogue {name[:100]!r}; there is: {known}")
        return path

    def without_paths(self, text: str) -> str:
        """Return a text that names catalogues and models as callers know them, not by where they are."""
        for pattern, name in self._places:
            text = pattern.sub(name, text)
        return text

    @cached_property
    def _places(self) -> list[tuple[re.Pattern[str], str]]:
        """What finds each path of this service, the longest first, and its name; every refusal is searched for them."""
        places = {path: name for name, path in self.config.catalogues.items()}
        for name, model in self.config.models.items():
            given = [each for each in (model.encoder, model.reader) if each is not None]
            places |= dict.fromkeys((each for each in given if Path(each).is_absolute()), name)
        if self.config.cache is not None:
            places[str(self.config.cache)] = "the cache"
        places |= {str(Path(catalens.__file__).parent): "catalens", str(Path.home() / ".cache"): "the cache"}
        found = []
        for path, name in sorted(places.items(), key=lambda place: -len(place[0])):
            forms = "|".join(re.escape(each) for each in (str(Path(path).absolute()), path))
            found.append((re.compile(rf"(?<![\w/])(?:{forms})(?!\w)"), name))
        return found

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run work on a catalogue that needs no model, beside the threads that decode."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    def _kinds(self, name: str) -> tuple[Kind, ...]:
        """Return what a model has workers for."""
        writers: tuple[Kind, ...] = () if self.config.writer == "template" else ("writer",)
        prompters: tuple[Kind, ...] = ("prompter",) if self.config.models[name].encoder in _BUNDLED else ()
        return ("encoder", "reader", *writers, *prompters)

    def _lane(self, name: str, kind: Kind) -> Lane:
        model = self.config.models[name]
        worker = WorkerConfig(
            model.session(self.config),
            _WARM[kind],
            batch_timeout_s=self.config.batch_timeout_s,
            log_json=self.config.log_json,
        )
        return Lane(
            f"{name}-{kind}",
            self._make(worker),
            self.config.batch_rules(model),
            metrics=self.metrics,
            decoders=self._decoders,
            limits=self.config.limits,
            tracing=self.tracing,
        )

    def _lane_of(self, stage: Stage, model: str | None) -> Lane:
        name = self.model_name(model or self.config.default_model)
        kind: Kind = "encoder"
        if isinstance(stage, CaptionStage | FirstCaptionStage | AnswerStage):
            kind = "reader"
        elif isinstance(stage, DescribeStage) and stage.writer != "template":
            kind = "writer"
        elif isinstance(stage, PromptStage) and (name, "prompter") in self._lanes:
            kind = "prompter"
        return self._lanes[name, kind]

    async def _load(self, lane: Lane) -> None:
        try:
            await lane.start()
        except CatalensError as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - whoever waits until the service is ready would wait for ever
            self.failure = ModelError(f"{lane.name} could not be loaded: {type(error).__name__}: {error}")

    async def _watch(self) -> None:
        """Replace workers that died while idle, and keep to the memory limit."""
        while True:
            await asyncio.sleep(_WATCH_S)
            for lane in list(self._lanes.values()):
                await lane.check()
            if self.config.memory_limit_mb is not None:
                await self._keep_within(self.config.memory_limit_mb)

    async def _keep_within(self, limit_mb: int) -> None:
        """Unload the lazy model that was idle longest, if all workers together hold more than the limit."""
        pids = self.worker_pids()
        held_mb = sum(resident_mb(pid) for pid in pids.values())
        lazy = [
            lane
            for (name, _), lane in self._lanes.items()
            if self.config.models[name].load == "lazy" and lane.state == "ready" and not lane.is_busy
        ]
        if held_mb > limit_mb and lazy:
            await min(lazy, key=lambda lane: lane.last_used_s).unload()


def _tracing() -> Tracing:
    try:
        from catalens.serving.tracing import Tracing
    except ModuleNotFoundError as error:
        raise InputError('traces need OpenTelemetry: pip install "catalens[tracing]"') from error
    return Tracing()


def resident_mb(pid: int) -> float:
    """Return the memory that a process holds; 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
