"""Dynamic batching: joins the requests of several callers into one call of a model.

Rules:
    - The clock starts at the first item of a batch; a batch runs when it is full, when the delay is over, or as soon
      as nobody else is on the way (`expecting`), so that a lone request does not wait at all.
    - Items with equal keys share a batch; keys take turns, so that many items of one delay another by one batch.
    - A full queue refuses at once. A caller who is cancelled leaves the queue.
    - Each item may fail by itself; when a whole call fails, every caller of that batch hears of it, and nobody else.
    - Results of the wrong length are a failure. Stopping releases everybody, also in the middle of a batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import time_ns
from typing import Any, Generic, TypeVar

from catalens.core.errors import CatalensError, ModelError

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


class OverloadedError(CatalensError):
    """The queue is full.

    Attributes:
        retry_after_s: when there is likely to be room again.
    """

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoppingError(CatalensError):
    """The service is shutting down."""


@dataclass(slots=True)
class BatchTimes:
    """When a batch ran, in nanoseconds of the epoch; it has not ended while that is 0."""

    size: int
    started_ns: int
    ended_ns: int = 0


@dataclass(slots=True, eq=False)
class Waiting(Generic[K, T, R]):
    """An item in the queue, and the future of its caller; once it is in a batch, the times of that."""

    key: K
    item: T
    arrived_s: float
    future: asyncio.Future[R]
    batch: BatchTimes | None = None


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How batches are formed.

    Attributes:
        max_size: maximum items per batch.
        max_delay_s: how long the first item may wait for others.
        max_queue: maximum items that wait; beyond it callers are refused.
    """

    max_size: int = 32
    max_delay_s: float = 0.005
    max_queue: int = 256


@dataclass(slots=True)
class BatchEvents:
    """Callbacks for metrics.

    Attributes:
        on_batch: called with the size of each batch and the seconds that it took.
        on_wait: called with the seconds that each item spent in the queue.
    """

    on_batch: Callable[[int, float], None] = field(default=lambda _size, _seconds: None)
    on_wait: Callable[[float], None] = field(default=lambda _seconds: None)


class Batcher(Generic[K, T, R]):
    """A queue in front of one model. Belongs to one event loop."""

    def __init__(
        self,
        run: Callable[[K, Sequence[T]], Awaitable[Sequence[R | Exception]]],
        rules: BatchRules = BatchRules(),
        events: BatchEvents | None = None,
        max_size_of: Callable[[K], int] | None = None,
    ) -> None:
        """Take what runs a batch.

        Args:
            run: returns one result, or one exception, per item in order.
            rules: how batches are formed.
            events: callbacks for metrics.
            max_size_of: maximum items of a key per batch; None takes that of the rules for all.
        """
        self._run, self._rules, self._events = run, rules, events or BatchEvents()
        self._max_size_of = max_size_of or (lambda _: rules.max_size)
        self._waiting: dict[K, deque[Waiting[K, T, R]]] = {}
        """By key; the first one's turn is next."""
        self._running: list[Waiting[K, T, R]] = []
        self._changed = asyncio.Event()
        self.expected = 0
        """Items that are being prepared."""
        self._count = 0
        self._batch_s = rules.max_delay_s
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return the number of items that wait."""
        return self._count

    @property
    def is_busy(self) -> bool:
        """Whether a batch is running."""
        return bool(self._running)

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Announce an item that is being prepared: batches wait for it, within their delay."""
        self.expected += 1
        try:
            yield
        finally:
            self.expected -= 1
            self._changed.set()

    def check_room(self, items: int = 1) -> None:
        """Refuse early, before an item is decoded.

        Raises:
            OverloadedError: the queue is full.
            StoppingError: the service is shutting down.
        """
        if self._closed:
            raise StoppingError("the service is shutting down")
        if self._count + items > self._rules.max_queue:
            batches = self._count / self._rules.max_size + 1
            message = f"the queue is full ({self._count} of {self._rules.max_queue} places); try again later"
            raise OverloadedError(message, max(1.0, batches * self._batch_s))

    async def submit(self, key: K, item: T) -> R:
        """Return the result of one item, computed together with those of other callers.

        Raises:
            OverloadedError: the queue is full.
            StoppingError: the service is shutting down.
            Exception: whatever the item, or its batch, failed with.
        """
        return await self.result(self.put(key, item))

    def put(self, key: K, item: T) -> Waiting[K, T, R]:
        """Put an item into the queue, and return what `result` waits for.

        Raises:
            OverloadedError: the queue is full.
            StoppingError: the service is shutting down.
        """
        self.check_room()
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        loop = asyncio.get_running_loop()
        waiting: Waiting[K, T, R] = Waiting(key, item, loop.time(), loop.create_future())
        self._waiting.setdefault(key, deque()).append(waiting)
        self._count += 1
        self._changed.set()
        return waiting

    async def result(self, waiting: Waiting[K, T, R]) -> R:
        """Return the result of an item; a caller who is cancelled takes it off the queue.

        Raises:
            Exception: whatever the item, or its batch, failed with.
        """
        try:
            return await waiting.future
        except asyncio.CancelledError:
            self._leave(waiting)
            raise

    async def stop(self, drain_s: float = 0.0) -> None:
        """Accept nothing new, give what is queued some seconds to finish, then release everybody."""
        self._closed = True
        if self._task is None:
            return
        self._changed.set()
        await asyncio.wait([self._task], timeout=drain_s)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        left = [each for queue in self._waiting.values() for each in queue] + self._running
        for each in left:
            _fail(each, StoppingError("the service shut down before this was done"))
        self._waiting.clear()
        self._count = 0

    def _leave(self, waiting: Waiting[K, T, R]) -> None:
        key = waiting.key
        queue = self._waiting.get(key, deque())
        if waiting in queue:
            queue.remove(waiting)
            self._count -= 1
            if not queue:
                del self._waiting[key]

    async def _work(self) -> None:
        while self._waiting or not self._closed:
            if not self._waiting:
                self._changed.clear()
                await self._changed.wait()
                continue
            key, batch = await self._collect()
            if batch:
                self._running = batch
                await self._answer(key, batch)
                self._running = []

    async def _collect(self) -> tuple[K, list[Waiting[K, T, R]]]:
        """Wait until the batch of the key whose turn it is is due, and take it off the queue."""
        key = next(iter(self._waiting))
        max_size = self._max_size_of(key)
        deadline_s = self._waiting[key][0].arrived_s + self._rules.max_delay_s
        while self.expected and not self._closed and len(self._waiting.get(key, ())) < max_size:
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadline_s):
                    await self._changed.wait()
            except TimeoutError:
                break
        queue = self._waiting.pop(key, deque())  # all of its callers may have left by now
        batch = [queue.popleft() for _ in range(min(len(queue), max_size))]
        if queue:
            self._waiting[key] = queue  # behind all other keys
        self._count -= len(batch)
        return key, batch

    async def _answer(self, key: K, batch: Sequence[Waiting[K, T, R]]) -> None:
        clock = asyncio.get_running_loop()
        started_s, times = clock.time(), BatchTimes(len(batch), time_ns())
        try:
            for each in batch:
                each.batch = times
                self._events.on_wait(started_s - each.arrived_s)
            results = await self._run(key, [each.item for each in batch])
            times.ended_ns = time_ns()
            if len(results) != len(batch):
                raise ModelError(f"the model returned {len(results)} results for {len(batch)} items")
            for each, result in zip(batch, results, strict=True):
                if isinstance(result, Exception):
                    _fail(each, result)
                elif not each.future.done():
                    each.future.set_result(result)
            self._batch_s = clock.time() - started_s
            self._events.on_batch(len(batch), self._batch_s)
        except Exception as error:  # noqa: BLE001 - every waiting caller must hear of it, and the queue must go on
            for each in batch:
                _fail(each, error)


def _fail(waiting: Waiting[Any, Any, Any], error: Exception) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)
