"""A model in a process of its own, so that a crash or an endless loop in native code costs one batch.

The parent sends a job down a pipe and waits for the answer; a worker that died or does not answer in time is killed
and replaced, and the job fails at once. All methods block: each worker is driven by one thread.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from catalens.core.errors import CatalensError, ModelError, UnavailableError
from catalens.core.memory import collect_rarely
from catalens.core.process import interrupts
from catalens.pipelines.session import SessionConfig
from catalens.pipelines.stages import Picture, Stage, Values
from catalens.serving.logs import log_in_worker
from catalens.serving.pipe import PixelMemory, receive, send
from catalens.serving.steps import StepNeeds, Steps, WorkerSession, public_error

_EXIT_S = 1.0
_NAME = "catalens-worker"


class WorkerLostError(UnavailableError):
    """The process died, or was killed because it did not answer."""


class Runner(Protocol):
    """Runs stages: a process, or the calling thread."""

    def launch(self) -> None:
        """Begin to load the models; `start` waits until they are warm."""

    def start(self) -> None:
        """Load and warm the models.

        Raises:
            CatalensError: a model cannot be had.
        """

    def needs(self, stage: Stage) -> StepNeeds:
        """Return what pictures for a stage must look like."""

    def run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        """Return the values that a stage adds, or an error, for each picture in order."""

    def go_on(self, stage: Stage) -> bool:
        """Encode a piece of the texts that a stage lacks, and return whether it may be asked again."""

    def unload(self) -> None:
        """Release the models; `start` loads them again."""

    def stop(self) -> None:
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


class WorkerProcess:
    """A runner in a child process, started again when it is lost."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._pixels: PixelMemory | None = None
        self._lock = threading.Lock()
        self._warm = self._stopped = False

    @property
    def pid(self) -> int | None:
        """The child's process id; None where none runs."""
        return None if self._process is None else self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the child runs."""
        return self._process is not None and self._process.is_alive()

    def launch(self) -> None:
        """Start the child, which begins to load its models."""
        with self._lock, contextlib.suppress(OSError):  # `start` tries again, and tells
            self._spawn()

    def start(self) -> None:
        """Start the child and wait until its models are warm.

        Raises:
            CatalensError: a model cannot be had.
            WorkerLostError: the child died, or was not ready in time.
        """
        with self._lock:
            self._make_ready()

    def needs(self, stage: Stage) -> StepNeeds:
        """Load a stage in the child, and return what its pictures must look like.

        Raises:
            CatalensError: the stage cannot be loaded.
            WorkerLostError: the child is gone.
        """
        needs: StepNeeds = self._call("needs", stage)
        return needs

    def run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        """Run a stage over pictures in the child.

        Raises:
            CatalensError: the stage cannot be loaded.
            WorkerLostError: the child is gone.
        """
        results: Sequence[Values | CatalensError] = self._call("run", stage, list(pictures))
        return results

    def go_on(self, stage: Stage) -> bool:
        """Encode a piece of the texts that a stage lacks in the child, and return whether it may be asked again.

        Raises:
            CatalensError: the texts cannot be encoded.
            WorkerLostError: the child is gone.
        """
        is_prepared: bool = self._call("go_on", stage)
        return is_prepared

    def unload(self) -> None:
        """End the child; `start` brings it back."""
        with self._lock:
            self._discard()

    def stop(self) -> None:
        """Kill the child, also in the middle of a job; whoever waits for it gets an error."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()

    def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - each method returns its own type
        with self._lock:
            self._make_ready()
            pipe = self._pipe
            assert pipe is not None
            try:
                send(pipe, (method, arguments), self._pixels)
            except OSError as error:
                raise self._lost("the model's worker died") from error
            return self._receive(self._config.batch_timeout_s, "did not answer")

    def _make_ready(self) -> None:
        if not self.is_alive:
            if self._stopped:
                raise WorkerLostError("the model's worker was stopped")
            self._spawn()
        if not self._warm:
            self._receive(self._config.start_timeout_s, "was not ready")
            self._warm = True

    def _spawn(self) -> None:
        self._discard()
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other threads
        self._pipe, theirs = context.Pipe()
        self._pixels = PixelMemory.create()
        arguments = (theirs, self._pixels, self._config)
        process = context.Process(target=_serve, args=arguments, name=_NAME, daemon=True)
        interrupts.postpone()
        try:
            try:
                with _interrupts_blocked():
                    process.start()
            finally:
                theirs.close()
                if self._pixels is not None:
                    self._pixels.passed_on()
            self._process = process
            if self._stopped:  # meanwhile; nobody would stop this one
                process.kill()
        finally:
            interrupts.deliver()

    def _receive(self, timeout_s: float, late: str) -> Any:  # noqa: ANN401 - whatever the child returned
        pipe = self._pipe
        assert pipe is not None
        try:
            if not pipe.poll(timeout_s):
                raise self._lost(f"the model's worker {late} within {timeout_s:g} s and is being replaced")
            answer = receive(pipe)
        except (EOFError, OSError) as error:
            raise self._lost("the model's worker died and is being replaced") from error
        if isinstance(answer, CatalensError):
            raise answer
        return answer

    def _lost(self, message: str) -> WorkerLostError:
        self._discard()
        return WorkerLostError(message)

    def _discard(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(_EXIT_S)
        if self._pipe is not None:
            self._pipe.close()
        if self._pixels is not None:
            self._pixels.close()
        self._process = self._pipe = self._pixels = None
        self._warm = False


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block SIGINT in this thread and in a child that it starts, which could not ignore it yet."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class LocalRunner:
    """A runner in the calling thread, for embedding in another server and for tests."""

    pid: int | None = None
    is_alive = True

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._steps = Steps(WorkerSession(config.session))
        self.needs, self.run, self.go_on = self._steps.needs, self._steps.run, self._steps.go_on

    def launch(self) -> None:
        """Do nothing: `start` loads the models in its caller's thread."""

    def start(self) -> None:
        """Load and warm the models.

        Raises:
            CatalensError: a model cannot be had.
        """
        warm_up(self._steps, self._config.warm)

    def unload(self) -> None:
        """Do nothing: the models go with the object."""

    def stop(self) -> None:
        """Do nothing: the models go with the object."""


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


@atexit.register
def _kill_left() -> None:
    """Kill the workers of a process that ends without `stop`, as Ctrl-C while one starts makes it.

    They ignore SIGTERM, which reaches the whole group and lets the parent drain; multiprocessing would wait for them.
    """
    for child in multiprocessing.active_children():
        if child.name == _NAME:
            child.kill()


def _serve(pipe: Connection, pixels: PixelMemory | None, config: WorkerConfig) -> None:
    """Run jobs until the parent goes away. The child's main function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent drains and then stops us
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log_in_worker(as_json=config.log_json)
    steps, failure = Steps(WorkerSession(config.session)), None
    methods: dict[str, Callable[..., Any]] = {"needs": steps.needs, "run": steps.run, "go_on": steps.go_on}
    try:
        warm_up(steps, config.warm)
    except CatalensError as error:
        failure = _portable(error)
    collect_rarely()
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        send(pipe, failure)
        while failure is None:
            method, arguments = receive(pipe, pixels)
            try:
                answer = methods[method](*arguments)
            except Exception as error:  # noqa: BLE001 - whoever asked must hear of it
                answer = public_error(error)
            if isinstance(answer, list):
                answer = [_portable(each) for each in answer]
            send(pipe, _portable(answer))


def _portable(answer: Any) -> Any:  # noqa: ANN401 - values pass through
    """Return errors as what any pipe can carry: their class, if it takes one message, and their message."""
    if not isinstance(answer, CatalensError):
        return answer
    kind = type(answer)
    try:
        return kind(str(answer))
    except TypeError:
        return ModelError(str(answer))
