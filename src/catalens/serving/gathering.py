"""Several items of one request at a time, but not so many that a large request fills a queue by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
AT_A_TIME = 32


async def each(function: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R | Exception]:
    """Return the result or the error of each item, in order."""

    async def one(item: T) -> R | Exception:
        try:
            return await function(item)
        except Exception as error:  # noqa: BLE001 - one item's error is its own
            return error

    if len(items) == 1:  # no task for what is usual
        return [await one(items[0])]
    places = asyncio.Semaphore(AT_A_TIME)

    async def in_turn(item: T) -> R | Exception:
        async with places:
            return await one(item)

    return await asyncio.gather(*map(in_turn, items))


async def every(function: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
    """Return the result of each item, in order.

    Raises:
        Exception: the first item's that failed.
    """
    results: list[R] = []
    for result in await each(function, items):
        if isinstance(result, Exception):
            raise result
        results.append(result)
    return results
