"""Rows of a large batch are computed side by side by a small graph, and come out as in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from catalens.core.errors import ModelError
from catalens.models import rows
from catalens.models.registry import load_encoder
from catalens.models.rows import load_in_rows
from catalens.models.runtime import RUNTIMES, Arrays, Graph, Runtime, load_graph
from tests.support.tiny import HEIGHT, WIDTH, image_graph, image_rows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    onnx.save(image_graph(), tmp_path / "image.onnx")
    return tmp_path / "image.onnx"


def pictures(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(n).integers(0, 256, (n, HEIGHT, WIDTH, 3), dtype=np.uint8)


class Loaded:
    """Loads graphs that tell how many threads each has, and how many rows each run had."""

    def __init__(self, file: Path) -> None:
        self.file, self.threads, self.rows = file, list[int](), list[int]()

    def __call__(self, runtime: Runtime, *, threads: int, exact: bool) -> Graph:
        graph = load_graph(self.file, runtime, threads=threads, exact=exact)
        self.threads.append(threads)

        def compute(arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
            self.rows.append(len(arrays["pixels"]))
            return graph.compute(arrays, outputs)

        return Graph(graph.file, graph.inputs, graph.outputs, compute)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_rows_are_those_of_one_piece(file: Path, runtime: Runtime) -> None:
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    graph = load_in_rows(partial(load_graph, file), file, runtime, threads=2, exact=True)
    for n in (1, 3, 4, 9):
        found = graph.run({"pixels": pictures(n)})["vectors"]
        assert np.allclose(found, image_rows(pictures(n)), atol=1e-5)


def test_only_a_batch_that_keeps_every_thread_busy_is_taken_apart(file: Path) -> None:
    loaded = Loaded(file)
    graph = load_in_rows(loaded, file, "onnxruntime", threads=2, exact=True)
    graph.run({"pixels": pictures(3)})
    assert (loaded.threads, loaded.rows) == ([2], [3])
    graph.run({"pixels": pictures(5)})
    graph.run({"pixels": pictures(4)})
    assert loaded.rows == [3] + [1] * 9
    # Each thread that took a row has a graph of its own.
    assert loaded.threads[1:] in ([1], [1, 1])


@pytest.mark.parametrize("name", ["starter", "everyday"])
def test_the_shipped_encoders_do_not_depend_on_the_size_of_the_batch(name: str) -> None:
    chance = np.random.default_rng(0)
    images = [Image.fromarray(chance.integers(0, 256, (60, 60, 3), dtype=np.uint8)) for _ in range(16)]
    encoder = load_encoder(name)
    alone = np.concatenate([encoder.encode_images([image]) for image in images])
    assert ((alone * encoder.encode_images(images)).sum(axis=1) > 0.999).all()


def test_a_graph_that_is_large_or_has_one_thread_or_many_is_left_as_it_is(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Loaded(file)
    load_in_rows(loaded, file, "onnxruntime", threads=1, exact=True).run({"pixels": pictures(8)})
    load_in_rows(loaded, file, "onnxruntime", threads=rows.MAX_THREADS + 1, exact=True).run({"pixels": pictures(40)})
    monkeypatch.setattr(rows, "MAX_BYTES", file.stat().st_size - 1)
    load_in_rows(loaded, file, "onnxruntime", threads=2, exact=True).run({"pixels": pictures(8)})
    assert loaded.rows == [8, 40, 8]


def test_rows_that_a_graph_does_not_take_are_refused(file: Path) -> None:
    graph = load_in_rows(partial(load_graph, file), file, "onnxruntime", threads=2, exact=True)
    with pytest.raises(ModelError, match="failed on an array"):
        graph.run({"pixels": np.zeros((4, HEIGHT, WIDTH + 1, 3), dtype=np.uint8)})
