"""Messages between the service and its workers."""

import multiprocessing
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catalens.core.types import Record
from catalens.pipelines.stages import Picture
from catalens.serving.pipe import receive, send


def sent(message: object) -> Any:
    ours, theirs = multiprocessing.Pipe()
    sender = threading.Thread(target=send, args=(ours, message))  # what is large waits for the other side
    sender.start()
    found = receive(theirs)
    sender.join()
    return found


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "1"])
def test_images_arrive_as_they_were(mode: str):
    pixels = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    (picture, again), text = sent(([Picture(Record("a", "a"), image), Picture(Record("b", "b"), image)], "text"))
    assert text == "text"
    for each in (picture, again):
        assert (each.image.mode, each.image.size) == (mode, image.size)
        assert each.image.tobytes() == image.tobytes()


def test_arrays_and_errors_arrive():
    vector, error = sent((np.arange(5, dtype=np.float32), ValueError("no")))
    np.testing.assert_array_equal(vector, np.arange(5, dtype=np.float32))
    assert str(error) == "no"


def test_the_other_side_is_gone():
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    with pytest.raises((EOFError, OSError)):
        receive(theirs)
