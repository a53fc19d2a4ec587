"""Works on some items in several threads at a time, the caller's among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from queue import Empty, SimpleQueue
from typing import TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(function: Callable[[T], R], items: Sequence[T], pool: Executor, threads: int) -> list[R]:
    """Return what a function returns for each item, in order.

    Each thread takes the next item as soon as it is done with one. A future for each item, as `Executor.map` makes,
    would wake the caller as often; where items take a millisecond, that is a tenth of it.

    Args:
        function: releases Python's lock for most of its time.
        items: to work on.
        pool: with `threads - 1` threads or more that are free.
        threads: at most so many work at a time.

    Raises:
        Exception: the function raised it; other threads work on nevertheless.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> side_by_side(abs, [-1, 2, -3], ThreadPoolExecutor(), 2)
    [1, 2, 3]
    """
    left: SimpleQueue[tuple[int, T]] = SimpleQueue()
    for each in enumerate(items):
        left.put(each)
    results: list[R | None] = [None] * len(items)

    def work() -> None:
        while True:
            try:
                at, item = left.get_nowait()
            except Empty:
                return
            results[at] = function(item)

    others = [pool.submit(work) for _ in range(min(threads, len(items)) - 1)]
    try:
        work()
    finally:
        begun = [future for future in others if not future.cancel()]
        wait(begun)
    for future in begun:
        future.result()
    return cast("list[R]", results)
