"""Reads the wire format of Protocol Buffers: the fields of a message, without its schema and without a library."""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _BYTES = 0, 2
"""Wire types of what has no fixed size."""
_FIXED = {1: 8, 5: 4}
"""Wire type → bytes."""
_MORE = 128
"""The bit of a byte that says that another one belongs to the number."""
_MOST_VARINT_BITS = 70
"""A varint has at most ten bytes of seven bits."""


def fields(data: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    r"""Yield the number and the value of each field of a message; nothing is copied.

    Raises:
        ValueError: the message is damaged.

    Source:
        "Encoding" in the documentation of Protocol Buffers.

    >>> [number for number, _ in fields(b"\x08\x96\x01\x12\x02hi")]
    [1, 2]
    """
    view = memoryview(data)
    at, end = 0, len(view)
    while at < end:
        # Most keys and sizes are one byte, which a call would take longer to read.
        key, at = (view[at], at + 1) if view[at] < _MORE else _varint(view, at)
        wire = key & 7
        if wire == _BYTES:
            size, at = (view[at], at + 1) if at < end and view[at] < _MORE else _varint(view, at)
        elif wire == _VARINT:
            value, at = _varint(view, at)
            yield key >> 3, value
            continue
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise ValueError(f"unknown wire type {wire} before byte {at}")
        if at + size > end:
            raise ValueError(f"cut short at byte {at}")
        yield key >> 3, view[at : at + size]
        at += size


def message(value: int | bytes | memoryview) -> memoryview:
    """Return the content of a field that holds bytes, a text or a message.

    Raises:
        ValueError: the field holds a number.
    """
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return memoryview(value)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift >= _MOST_VARINT_BITS:
            raise ValueError(f"broken number before byte {at}")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < _MORE:
            return value, at
