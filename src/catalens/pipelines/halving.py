"""A step for many items at once, that costs only the items at fault where it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from catalens.core.errors import BatchError

T = TypeVar("T")
R = TypeVar("R")


def each_half(
    step: Callable[[Sequence[T]], Sequence[R]],
    items: Sequence[T],
    caught: type[Exception] | tuple[type[Exception], ...],
    fail: Callable[[T, Exception], None],
) -> list[R]:
    """Do a step for all items at once; where that fails, for each half, down to the items at fault.

    A `BatchError` names them itself: the others are tried once more, and nothing is halved.

    Args:
        step: gives one result per item, in order, or raises.
        items: any number of them.
        caught: the errors that may be some item's fault; others are raised.
        fail: called for each item at fault, with its error.

    Returns:
        The results of the other items, in order.

    >>> each_half(lambda numbers: [1 // number for number in numbers], [1, 0, -1], ZeroDivisionError, print)
    0 integer division or modulo by zero
    [1, -1]
    """
    try:
        return list(step(items))
    except caught as error:
        if isinstance(error, BatchError) and len(items) > 1:
            for at, each in error.errors.items():
                fail(items[at], each)
            others = [item for at, item in enumerate(items) if at not in error.errors]
            return each_half(step, others, caught, fail) if others else []
        if len(items) == 1:
            fail(items[0], error)
            return []
    middle = len(items) // 2
    return each_half(step, items[:middle], caught, fail) + each_half(step, items[middle:], caught, fail)
