"""Messages between the service and its workers: pickled, with the pixels of images beside the pickle, not in it."""

from __future__ import annotations

import io
import pickle
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from PIL import Image

# Pillow pickles an image through four copies of its pixels; for small ones that is a tenth of the model's time.


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - pickle's own protocol
        if isinstance(value, Image.Image) and value.mode in {"RGB", "L"}:
            return Image.fromarray, (np.asarray(value),)
        return NotImplemented


def send(pipe: Connection, message: object) -> None:
    """Send a message.

    Raises:
        OSError: the other side is gone.
    """
    head, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
    pickler = _Pickler(head, protocol=5, buffer_callback=buffers.append)
    pickler.dump(message)
    pipe.send_bytes(len(buffers).to_bytes(4, "little") + head.getvalue())
    for buffer in buffers:
        pipe.send_bytes(buffer.raw())


def receive(pipe: Connection) -> Any:  # noqa: ANN401 - whatever was sent
    """Return the next message.

    Raises:
        EOFError: the other side is gone.
        OSError: the pipe broke.
    """
    head = pipe.recv_bytes()
    buffers = [pipe.recv_bytes() for _ in range(int.from_bytes(head[:4], "little"))]
    return pickle.loads(head[4:], buffers=buffers)
