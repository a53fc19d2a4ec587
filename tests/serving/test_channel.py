"""Messages between the service and its workers."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catalens.core.types import Record
from catalens.pipelines.stages import Picture
from catalens.serving.channel import PixelMemory, pack, receive, receive_in_loop, send, send_from_loop


def sent(message: object, memory: PixelMemory | None = None) -> Any:
    """Return what the worker's side reads of what the event loop sends."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as threads:  # what is large waits for the other side
        found = threads.submit(receive, theirs, memory)
        ours.settimeout(0)
        asyncio.run(send_from_loop(ours, pack(message, memory)))
        return found.result()


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def memory() -> Iterator[PixelMemory]:
    made = PixelMemory.create()
    if made is None:
        pytest.skip("this system has no memory without a name")
    made.passed_on()
    yield made
    made.close()


@pytest.mark.parametrize("way", ["memory", "socket"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "1"])
def test_images_arrive_as_they_were(mode: str, way: str, request: pytest.FixtureRequest):
    memory = request.getfixturevalue("memory") if way == "memory" else None
    image = picture(53, 37).convert(mode)
    message = ([Picture(Record("a", "a"), image), Picture(Record("b", "b"), image)], "text")
    (first, again), text = sent(message, memory)
    assert text == "text"
    for each in (first, again):
        assert (each.image.mode, each.image.size) == (mode, image.size)
        assert each.image.tobytes() == image.tobytes()


def test_arrays_and_errors_arrive():
    vector, error = sent((np.arange(5, dtype=np.float32), ValueError("no")))
    np.testing.assert_array_equal(vector, np.arange(5, dtype=np.float32))
    assert str(error) == "no"


def test_what_the_memory_does_not_hold_goes_through_the_socket(memory: PixelMemory):
    images = [picture(3000, 2000, seed) for seed in range(2)]  # 18 MB each
    for found, image in zip(sent(images, memory), images, strict=True):
        assert found.tobytes() == image.tobytes()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_next_message_does_not_change_images_of_the_last(memory: PixelMemory, mode: str):
    first, second = (picture(53, 37, seed).convert(mode) for seed in range(2))
    found = sent(first, memory)
    sent(second, memory)
    assert found.tobytes() == first.tobytes() != second.tobytes()


def test_pixels_are_not_sent_where_memory_is_shared(memory: PixelMemory):
    assert sum(map(len, pack(picture(300, 200), memory))) < 1000


@pytest.mark.parametrize("length", [10, 1_000_000])
def test_the_event_loop_reads_what_the_worker_sends(length: int):
    ours, theirs = socket.socketpair()
    vector = np.arange(length, dtype=np.float32)
    with ours, theirs, ThreadPoolExecutor(1) as threads:
        ours.settimeout(0)
        sending = threads.submit(send, theirs, pack({"vector": vector, "text": "é"}))
        found = asyncio.run(receive_in_loop(ours))
        sending.result()
    assert found["text"] == "é"
    np.testing.assert_array_equal(found["vector"], vector)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such memory")
@pytest.mark.parametrize("call", ["memfd_create", "ftruncate"])
def test_a_system_that_refuses_memory_goes_without(monkeypatch: pytest.MonkeyPatch, call: str):
    def refuse(*_: object) -> int:
        raise OSError("no memory")

    monkeypatch.setattr(f"catalens.serving.channel.os.{call}", refuse)
    assert PixelMemory.create() is None


def test_the_other_side_is_gone():
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(pack("cut short")[0][:7])
        theirs.shutdown(socket.SHUT_WR)
        with ours, pytest.raises(EOFError):
            receive(ours)
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        ours.settimeout(0)
        with pytest.raises(EOFError):
            asyncio.run(receive_in_loop(ours))
