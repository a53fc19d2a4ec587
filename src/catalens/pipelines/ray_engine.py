"""The same stages on a Ray cluster: Ray Data hands batches of entries to actors that hold the models.

Ray does the distribution: back-pressure, restarts of workers that died, and their batches done again. Results come
back to this process, which alone writes the outputs, in the order of the entries: what they hold does not depend on
the engine.
"""

from __future__ import annotations

import logging
import os
import pickle
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from catalens.catalogue.sources import Entry, Item
from catalens.core.errors import InputError, ModelError
from catalens.core.types import Outcome
from catalens.core.vectors import batched
from catalens.pipelines.engine import WRITING, stream
from catalens.pipelines.events import Callbacks, Event, JobReport, Progress
from catalens.pipelines.loaded_steps import LoadedSteps
from catalens.pipelines.output import Output, OutputRow, write_each
from catalens.pipelines.session import Session, SessionConfig
from catalens.pipelines.stages import Stage, record_of

_PART = 32
"""Entries whose results come back together."""
_PARTS_PER_TASK, _LEAST_TASKS_PER_WORKER = 4, 4
"""Each task costs Ray's processes some milliseconds, so that a task is several parts, unless workers would be idle."""
_WAVE_ENTRIES, _WAVE_BYTES = 20_000, 256 * 10**6
"""Entries of one Ray data set: workers start anew with each, so that starting must not count; and pictures that are
sent along as bytes must fit into Ray's memory."""


def run_on_ray(
    entries: Iterable[Entry],
    stages: Sequence[Stage],
    outputs: Sequence[Output],
    *,
    config: SessionConfig,
    workers: int | None,
    address: str | None,
    callbacks: Callbacks,
) -> JobReport:
    """Run every stage for every picture that the outputs do not hold yet.

    Args:
        entries: items, and outcomes for what is not an item; a path must mean the same file on every machine.
        stages: can be pickled.
        outputs: are written by this process.
        config: from which each worker makes its session, with one thread.
        workers: actors that hold the models; None is one per processor of the cluster.
        address: of the cluster, such as "auto"; None starts one on this machine for this job.
        callbacks: called with results, failures and progress.

    Raises:
        InputError: Ray is not installed.
        ModelError: a model cannot be loaded, or the cluster failed.
    """
    job = _RayJob(outputs, callbacks)
    with _cluster(address, workers) as ray:
        actors = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) - 1)
        for wave in _waves(job.wanted(entries)):
            parts = [pickle.dumps(some) for some in batched(wave, _PART)]
            job.take(_results(ray, parts, stages, config, actors), len(parts))
    for output in outputs:
        output.finish()
    return job.report()


class Worker:
    """A process of the cluster: a session, and stages whose models are loaded once."""

    def __init__(self, stages: Sequence[Stage], config: SessionConfig) -> None:
        self._session = Session(config)
        steps = LoadedSteps(self._session)
        self._stages = [steps.kept(stage) for stage in stages]

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return the pickled events of each part of a batch, with the part's number."""
        found = [pickle.dumps(list(stream(pickle.loads(part), self._stages, self._session))) for part in batch["part"]]
        return {"number": list(batch["number"]), "events": found}


class _RayJob:
    """Counts and writes what comes back; in the caller's thread."""

    def __init__(self, outputs: Sequence[Output], callbacks: Callbacks) -> None:
        self._outputs, self._callbacks = outputs, callbacks
        self._started_s = time.perf_counter()
        self._done = self._skipped = 0
        self._failures: list[Outcome] = []
        self._seconds = {"workers": 0.0, WRITING: 0.0}

    def wanted(self, entries: Iterable[Entry]) -> Iterator[Item]:
        """Return the items that the outputs do not hold."""
        for entry in entries:
            if isinstance(entry, Outcome):
                self._fail(entry.id, entry.error or "")
                continue
            record = record_of(entry)
            try:
                held = bool(self._outputs) and all(output.holds(record) for output in self._outputs)
            except InputError as error:
                self._fail(record.id, str(error))
                continue
            self._skipped += held
            if not held:
                yield entry

    def take(self, results: Iterable[tuple[int, list[Event]]], parts: int) -> None:
        """Write results in the order of their parts, whatever order they arrive in."""
        early: dict[int, list[Event]] = {}
        following, waited_s = 0, time.perf_counter()
        for number, events in results:
            early[number] = events
            self._seconds["workers"] += time.perf_counter() - waited_s
            while following in early:
                self._write(early.pop(following))
                following += 1
            waited_s = time.perf_counter()
        if following != parts:
            raise ModelError(f"the cluster returned {following} of {parts} batches; start again to continue")

    def report(self) -> JobReport:
        """Return what was done."""
        elapsed_s = time.perf_counter() - self._started_s
        return JobReport(self._done, self._skipped, tuple(self._failures), elapsed_s, self._seconds)

    def _write(self, events: Sequence[Event]) -> None:
        started_s = time.perf_counter()
        for event in events:
            if event.values is None:
                self._fail(event.record.id, event.error or "it failed")
        good: Sequence[Event] = [event for event in events if event.values is not None]
        for output in self._outputs:
            good = self._written(output, good)
        for event in good:
            self._done += 1
            if self._callbacks.on_result is not None and event.values is not None:
                self._callbacks.on_result(event.record, event.values)
        self._seconds[WRITING] += time.perf_counter() - started_s
        self._tell()

    def _written(self, output: Output, events: Sequence[Event]) -> Sequence[Event]:
        """Pass results to an output, and return those that it accepted."""

        def row(event: Event) -> OutputRow:
            return OutputRow(event.record, event.values or {})

        def fail(event: Event, error: Exception) -> None:
            self._fail(event.record.id, str(error) or type(error).__name__)

        return write_each(output, events, row, fail)

    def _fail(self, id: str, reason: str) -> None:
        self._failures.append(Outcome(id, reason))
        if self._callbacks.on_failure is not None:
            self._callbacks.on_failure(self._failures[-1])

    def _tell(self) -> None:
        if self._callbacks.on_progress is not None:
            met = self._done + self._skipped + len(self._failures)
            rate = self._done / max(time.perf_counter() - self._started_s, 1e-9)
            limit = max(self._seconds, key=lambda what: self._seconds[what])
            self._callbacks.on_progress(Progress("results", met, rate, limit))


def _results(
    ray: Any,  # noqa: ANN401 - the module, which is imported late
    parts: Sequence[bytes],
    stages: Sequence[Stage],
    config: SessionConfig,
    actors: int,
) -> Iterator[tuple[int, list[Event]]]:
    """Return the number and the events of each part, in any order."""
    on_gpu = (config.device or "").startswith("cuda")
    # Ray shows each worker one GPU of its own, as the first.
    device = "cuda" if on_gpu else config.device
    # A worker asks Ray for one processor, and uses no more: a thread that decodes ahead pays beside a GPU only.
    own = replace(config, threads=config.threads or 1, workers=1 if on_gpu else 0, device=device)
    rows = [{"number": number, "part": part} for number, part in enumerate(parts)]
    tasks = max(-(-len(rows) // _PARTS_PER_TASK), min(len(rows), _LEAST_TASKS_PER_WORKER * actors))
    try:
        # Workers that die are started again and their tasks done again: Ray Data's default.
        results = ray.data.from_items(rows, override_num_blocks=tasks).map_batches(
            Worker,
            fn_constructor_args=(list(stages), own),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=actors),
            **{"num_gpus" if on_gpu else "num_cpus": 1},
        )
        for row in results.iter_rows():
            yield int(row["number"]), pickle.loads(row["events"])
    except ray.exceptions.RayError as error:
        raise ModelError(f"the Ray cluster failed: {error}") from error


def _waves(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Return items in groups that are small enough to be sent."""
    wave: list[Item] = []
    size = 0
    for item in items:
        wave.append(item)
        size += len(item.picture) if isinstance(item.picture, bytes) else 0
        if len(wave) == _WAVE_ENTRIES or size >= _WAVE_BYTES:
            yield wave
            wave, size = [], 0
    if wave:
        yield wave


@contextmanager
def _cluster(address: str | None, workers: int | None) -> Iterator[Any]:
    """Connect to a cluster, or start one; leave it at the end."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError('--engine ray needs Ray: pip install "catalens[ray]"') from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors come as exceptions; the rest is not the user's
    own: dict[str, Any] = (
        {} if address is not None else {"num_cpus": workers + 1 if workers else None, "include_dashboard": False}
    )
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"the Ray cluster {address or 'of this machine'} cannot be reached: {error}") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # its plan and its advice are not the user's
    try:
        yield ray
    finally:
        ray.shutdown()
