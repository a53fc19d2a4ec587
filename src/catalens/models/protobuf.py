"""Reads the wire format of Protocol Buffers: the fields of a message, without its schema and without a library."""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types."""
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
    at = 0
    while at < len(view):
        key, at = _varint(view, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(view, at)
            yield key >> 3, value
            continue
        if wire not in (_FIXED64, _BYTES, _FIXED32):
            raise ValueError(f"unknown wire type {wire} before byte {at}")
        size, at = {_FIXED64: (8, at), _FIXED32: (4, at)}.get(wire) or _varint(view, at)
        if at + size > len(view):
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
        if byte < 128:
            return value, at
