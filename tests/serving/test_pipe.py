"""Messages between the service and its workers."""

import multiprocessing
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catalens.core.types import Record
from catalens.pipelines.stages import Picture
from catalens.serving.pipe import PixelMemory, receive, send


def sent(message: object, memory: PixelMemory | None = None) -> Any:
    ours, theirs = multiprocessing.Pipe()
    sender = threading.Thread(target=send, args=(ours, message, memory))  # what is large waits for the other side
    sender.start()
    found = receive(theirs, memory)
    sender.join()
    return found


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


@pytest.mark.parametrize("way", ["memory", "pipe"])
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


def test_what_the_memory_does_not_hold_goes_down_the_pipe(memory: PixelMemory):
    images = [picture(3000, 2000, seed) for seed in range(2)]  # 18 MB each
    for found, image in zip(sent(images, memory), images, strict=True):
        assert found.tobytes() == image.tobytes()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_next_message_does_not_change_images_of_the_last(memory: PixelMemory, mode: str):
    first, second = (picture(53, 37, seed).convert(mode) for seed in range(2))
    found = sent(first, memory)
    sent(second, memory)
    assert found.tobytes() == first.tobytes() != second.tobytes()


def test_pixels_do_not_go_through_the_pipe_where_memory_is_shared(memory: PixelMemory):
    ours, theirs = multiprocessing.Pipe()
    send(ours, picture(300, 200), memory)
    assert len(theirs.recv_bytes()) < 1000
    assert not theirs.poll()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such memory")
@pytest.mark.parametrize("call", ["memfd_create", "ftruncate"])
def test_a_system_that_refuses_memory_goes_without(monkeypatch: pytest.MonkeyPatch, call: str):
    def refuse(*_: object) -> int:
        raise OSError("no memory")

    monkeypatch.setattr(f"catalens.serving.pipe.os.{call}", refuse)
    assert PixelMemory.create() is None


def test_the_other_side_is_gone():
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    with pytest.raises((EOFError, OSError)):
        receive(theirs)
