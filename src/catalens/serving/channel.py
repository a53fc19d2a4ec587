"""Messages between the service and its workers: pickled, with the pixels of images beside the pickle, not in it.

Pixels go through memory that both processes map, where the system has such: a socket takes longer to pass on a small
picture than decoding it takes. Other images, and arrays, go through the socket.
"""

from __future__ import annotations

import asyncio
import io
import mmap
import os
import pickle
import socket
import struct
import sys
from collections.abc import Sequence
from multiprocessing import reduction
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

_CAPACITY = 1 << 25
"""Bytes of pixels in one message; pages that are never written take no memory."""
_MODES = frozenset({"RGB", "L"})
_COUNT = struct.Struct("<I")
_Place = tuple[str, tuple[int, int], int]
"""Mode, size and first byte of an image."""
Part: TypeAlias = bytes | memoryview


class PixelMemory:
    """Memory that the service and one worker map: the pixels of the message that is on its way.

    It has no name that a killed process could leave behind, and is given to a worker as an argument of its process.
    """

    def __init__(self, file: int) -> None:
        """Map the memory behind a file descriptor."""
        self._file = file
        self._map = mmap.mmap(file, _CAPACITY)
        self._end = 0

    @classmethod
    def create(cls) -> PixelMemory | None:
        """Return new memory; None where the system has none to give."""
        if sys.platform != "linux":
            return None
        try:
            file = os.memfd_create("catalens-pixels")
        except OSError:
            return None
        try:
            os.ftruncate(file, _CAPACITY)
            return cls(file)
        except OSError:
            os.close(file)
            return None

    def passed_on(self) -> None:
        """Close the descriptor, which nobody needs once both sides have mapped the memory."""
        os.close(self._file)

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()

    def clear(self) -> None:
        """Forget the last message, which the other side has answered."""
        self._end = 0

    def put(self, image: Image.Image) -> _Place | None:
        """Write an image's pixels; None where they do not fit."""
        start, end = self._end, self._end + image.width * image.height * len(image.getbands())
        if end > _CAPACITY:
            return None
        self._map[start:end] = np.asarray(image).data.cast("B")
        self._end = end
        return image.mode, image.size, start

    def image(self, place: _Place) -> Image.Image:
        """Return a copy of an image, which outlives the message."""
        mode, size, start = place
        end = start + size[0] * size[1] * Image.getmodebands(mode)
        with memoryview(self._map) as pixels, pixels[start:end] as part:
            return Image.frombytes(mode, size, part)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (reduction.DupFd(self._file),)


def _reopened(file: Any) -> PixelMemory:  # noqa: ANN401 - multiprocessing's own
    memory = PixelMemory(file.detach())
    memory.passed_on()
    return memory


class _Pickler(pickle.Pickler):
    def __init__(self, head: io.BytesIO, buffers: list[pickle.PickleBuffer], memory: PixelMemory | None) -> None:
        super().__init__(head, protocol=5, buffer_callback=buffers.append)
        self._memory = memory

    def persistent_id(self, value: object) -> _Place | None:
        if self._memory is not None and isinstance(value, Image.Image) and value.mode in _MODES:
            return self._memory.put(value)
        return None

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - pickle's own protocol
        # Pillow pickles an image through four copies of its pixels.
        if isinstance(value, Image.Image) and value.mode in _MODES:
            return Image.fromarray, (np.asarray(value),)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, head: bytearray, buffers: Sequence[bytearray], memory: PixelMemory | None) -> None:
        super().__init__(io.BytesIO(head), buffers=buffers)
        self._memory = memory

    def persistent_load(self, place: _Place) -> Image.Image:
        if self._memory is None:
            raise pickle.UnpicklingError("pixels were sent through memory that is not shared with this process")
        return self._memory.image(place)


def pack(message: object, memory: PixelMemory | None = None) -> list[Part]:
    """Return the parts of a message: the lengths of what follows with the pickle, then large buffers as they are.

    Args:
        message: anything that can be pickled.
        memory: for the pixels of images; None sends them with the message. The other side must have answered what
            was sent before.
    """
    head, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
    if memory is not None:
        memory.clear()
    _Pickler(head, buffers, memory).dump(message)
    raw = [buffer.raw() for buffer in buffers]
    lengths = [head.tell(), *(each.nbytes for each in raw)]
    return [_COUNT.pack(len(lengths)) + struct.pack(f"<{len(lengths)}Q", *lengths) + head.getvalue(), *raw]


def send(channel: socket.socket, parts: Sequence[Part]) -> None:
    """Send a packed message.

    Raises:
        OSError: the other side is gone.
    """
    for part in parts:
        channel.sendall(part)


def receive(channel: socket.socket, memory: PixelMemory | None = None) -> Any:  # noqa: ANN401 - whatever was sent
    """Return the next message.

    Args:
        channel: from the other side; reads block.
        memory: what the other side put the pixels of images into.

    Raises:
        EOFError: the other side is gone.
        OSError: the channel broke.
    """

    def read(length: int) -> bytearray:
        part = bytearray(length)
        with memoryview(part) as left:
            at = 0
            while at < length:
                at += _some(channel.recv_into(left[at:]))
        return part

    (count,) = _COUNT.unpack(read(_COUNT.size))
    return _unpacked([read(length) for length in _lengths(read(8 * count))], memory)


async def send_from_loop(channel: socket.socket, parts: Sequence[Part]) -> None:
    """Send a packed message while the event loop goes on; the channel does not block.

    Raises:
        OSError: the other side is gone.
    """
    loop = asyncio.get_running_loop()
    for part in parts:
        await loop.sock_sendall(channel, part)


async def receive_in_loop(channel: socket.socket) -> Any:  # noqa: ANN401 - whatever was sent
    """Return the next message, which has no pixels in shared memory; the channel does not block.

    Raises:
        EOFError: the other side is gone.
        OSError: the channel broke.
    """
    loop = asyncio.get_running_loop()

    async def read(length: int) -> bytearray:
        part = bytearray(length)
        with memoryview(part) as left:
            at = 0
            while at < length:
                at += _some(await loop.sock_recv_into(channel, left[at:]))
        return part

    (count,) = _COUNT.unpack(await read(_COUNT.size))
    return _unpacked([await read(length) for length in _lengths(await read(8 * count))], None)


def _some(count: int) -> int:
    if not count:
        raise EOFError("the other side is gone")
    return count


def _lengths(packed: bytearray) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}Q", packed)


def _unpacked(parts: Sequence[bytearray], memory: PixelMemory | None) -> Any:  # noqa: ANN401 - whatever was sent
    return _Unpickler(parts[0], parts[1:], memory).load()
