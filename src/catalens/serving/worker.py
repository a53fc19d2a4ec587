"""A model in a process of its own, so that a crash or an endless loop in native code costs one batch.

The parent sends a job and waits for the answer; a worker that died or does not answer in time is killed and replaced,
and the job fails at once. Jobs are sent and answers read by the event loop itself, one at a time: a thread between
them would cost a lone request half a millisecond (docs/decisions/293-time-of-a-request.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import Any, TypeVar

from catalens.core.errors import CatalensError, ModelError
from catalens.core.memory import collect_rarely
from catalens.core.process import interrupts
from catalens.pipelines.stages import EncodedPicture, Picture, Stage, Values
from catalens.serving.channel import Part, PixelMemory, pack, receive, receive_in_loop, send, send_from_loop
from catalens.serving.logs import log_in_worker
from catalens.serving.runner import WorkerConfig, WorkerLostError, warm_up
from catalens.serving.steps import StepNeeds, Steps, WorkerSession, public_error

T = TypeVar("T")

_EXIT_S = 1.0
_NAME = "catalens-worker"


class WorkerProcess:
    """A runner in a child process, started again when it is lost."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._process: BaseProcess | None = None
        self._channel: socket.socket | None = None
        self._pixels: PixelMemory | None = None
        self._turn, self._thread = asyncio.Lock(), ThreadPoolExecutor(1, thread_name_prefix=_NAME)
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
        with contextlib.suppress(OSError):  # `start` tries again, and tells
            self._spawn()

    async def start(self) -> None:
        """Start the child and wait until its models are warm.

        Raises:
            CatalensError: a model cannot be had.
            WorkerLostError: the child died, or was not ready in time.
        """
        await self._in_turn(self._make_ready)

    async def needs(self, stage: Stage) -> StepNeeds:
        """Load a stage in the child, and return what its pictures must look like.

        Raises:
            CatalensError: the stage cannot be loaded.
            WorkerLostError: the child is gone.
        """
        needs: StepNeeds = await self._call("needs", stage)
        return needs

    async def run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        """Run a stage over pictures in the child.

        Raises:
            CatalensError: the stage cannot be loaded.
            WorkerLostError: the child is gone.
        """
        has_pixels = not all(isinstance(each, EncodedPicture) for each in pictures)
        results: Sequence[Values | CatalensError]
        results = await self._call("run", stage, list(pictures), has_pixels=has_pixels)
        return results

    async def go_on(self, stage: Stage) -> bool:
        """Encode a piece of the texts that a stage lacks in the child, and return whether it may be asked again.

        Raises:
            CatalensError: the texts cannot be encoded.
            WorkerLostError: the child is gone.
        """
        is_prepared: bool = await self._call("go_on", stage)
        return is_prepared

    async def unload(self) -> None:
        """End the child; `start` brings it back."""
        await self._in_turn(partial(self._in_thread, self._discard))

    async def stop(self) -> None:
        """Kill the child, also in the middle of a job; whoever waits for it gets an error."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()
        await self.unload()

    async def _call(self, method: str, *arguments: object, has_pixels: bool = False) -> Any:  # noqa: ANN401 - any type
        async def exchanged() -> Any:  # noqa: ANN401
            await self._make_ready()
            packed = partial(pack, (method, arguments), self._pixels)
            parts = await self._in_thread(packed) if has_pixels else packed()
            return await self._exchange(parts, self._config.batch_timeout_s, "did not answer")

        return await self._in_turn(exchanged)

    async def _in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what a function returns, and let it end when its caller leaves: an answer on its way must be read."""

        async def alone() -> T:
            async with self._turn:
                return await work()

        task = asyncio.create_task(alone())
        # If its caller leaves, nobody else takes its error, which asyncio would report.
        task.add_done_callback(lambda task: None if task.cancelled() else task.exception())
        await asyncio.wait({task})
        return task.result()

    async def _make_ready(self) -> None:
        if not self.is_alive:
            if self._stopped:
                raise WorkerLostError("the model's worker was stopped")
            await self._in_thread(self._spawn)
        if not self._warm:
            await self._exchange((), self._config.start_timeout_s, "was not ready")
            self._warm = True

    async def _exchange(self, parts: Sequence[Part], timeout_s: float, late: str) -> Any:  # noqa: ANN401 - any type
        assert self._channel is not None
        try:
            async with asyncio.timeout(timeout_s):
                await send_from_loop(self._channel, parts)
                answer = await receive_in_loop(self._channel)
        except TimeoutError as error:
            message = f"the model's worker {late} within {timeout_s:g} s and is being replaced"
            raise await self._lost(message) from error
        except (EOFError, OSError) as error:
            raise await self._lost("the model's worker died and is being replaced") from error
        except asyncio.CancelledError:  # the loop ends; its answer would be taken for that of the next job
            self._discard()
            raise
        if isinstance(answer, CatalensError):
            raise answer
        return answer

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _lost(self, message: str) -> WorkerLostError:
        await self._in_thread(self._discard)
        return WorkerLostError(message)

    def _spawn(self) -> None:
        self._discard()
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other threads
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(0)
        theirs.settimeout(None)  # whatever socket.setdefaulttimeout says in this process
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

    def _discard(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(_EXIT_S)
        if self._channel is not None:
            self._channel.close()
        if self._pixels is not None:
            self._pixels.close()
        self._process = self._channel = self._pixels = None
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


def _kill_left() -> None:
    """Kill the workers of a process that ends without `stop`, as Ctrl-C while one starts makes it.

    They ignore SIGTERM, which reaches the whole group and lets the parent drain; multiprocessing would wait for them.
    """
    for child in multiprocessing.active_children():
        if child.name == _NAME:
            child.kill()


Finalize(None, _kill_left, exitpriority=0)  # atexit may be too late: multiprocessing's own handler waits for them


def _serve(channel: socket.socket, pixels: PixelMemory | None, config: WorkerConfig) -> None:
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
        send(channel, pack(failure))
        while failure is None:
            method, arguments = receive(channel, pixels)
            try:
                answer = methods[method](*arguments)
            except Exception as error:  # noqa: BLE001 - whoever asked must hear of it
                answer = public_error(error)
            if isinstance(answer, list):
                answer = [_portable(each) for each in answer]
            send(channel, pack(_portable(answer)))


def _portable(answer: Any) -> Any:  # noqa: ANN401 - values pass through
    """Return errors as what any channel can carry: their class, if it takes one message, and their message."""
    if not isinstance(answer, CatalensError):
        return answer
    kind = type(answer)
    try:
        return kind(str(answer))
    except TypeError:
        return ModelError(str(answer))
