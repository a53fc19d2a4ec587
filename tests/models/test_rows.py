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
    """Loads graphs that tell how many rows each run had."""

    def __init__(self, file: Path) -> None:
        self.file, self.whole, self.single = file, list[int](), list[int]()

    def __call__(self, runtime: Runtime, *, exact: bool, one_thread_each: bool = False) -> Graph:
        graph = load_graph(self.file, runtime, threads=2, exact=exact, one_thread_each=one_thread_each)

        def compute(arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
            (self.single if one_thread_each else self.whole).append(len(arrays["pixels"]))
            return graph.compute(arrays, outputs)

        return Graph(graph.file, graph.inputs, graph.outputs, compute)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_rows_are_those_of_one_piece(file: Path, runtime: Runtime) -> None:
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    load = partial(load_graph, file, threads=2)
    graph = load_in_rows(load, file, runtime, threads=2, exact=True)
    for n in (1, 3, 4, 9):
        found = graph.run({"pixels": pictures(n)})["vectors"]
        assert np.allclose(found, image_rows(pictures(n)), atol=1e-5)


def test_only_a_batch_that_keeps_every_thread_busy_is_taken_apart(file: Path) -> None:
    loaded = Loaded(file)
    graph = load_in_rows(loaded, file, "onnxruntime", threads=2, exact=True)
    graph.run({"pixels": pictures(3)})
    assert (loaded.whole, loaded.single) == ([3], [])
    graph.run({"pixels": pictures(5)})
    # One row is computed both ways first, to see whether they agree.
    assert (loaded.whole, loaded.single) == ([3, 1], [1] * 6)
    graph.run({"pixels": pictures(4)})
    assert (loaded.whole, loaded.single) == ([3, 1], [1] * 10)


def test_rows_that_come_out_differently_are_computed_in_one_piece(file: Path) -> None:
    def load(runtime: Runtime, *, exact: bool, one_thread_each: bool = False) -> Graph:
        graph = load_graph(file, runtime, threads=2, exact=exact, one_thread_each=one_thread_each)

        def compute(arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
            return [each * (-1 if one_thread_each else 1) for each in graph.compute(arrays, outputs)]

        return Graph(graph.file, graph.inputs, graph.outputs, compute)

    graph = load_in_rows(load, file, "onnxruntime", threads=2, exact=True)
    for n in (4, 9):
        assert np.allclose(graph.run({"pixels": pictures(n)})["vectors"], image_rows(pictures(n)), atol=1e-5)


@pytest.mark.parametrize("name", ["starter", "everyday"])
def test_the_shipped_encoders_do_not_depend_on_the_size_of_the_batch(name: str) -> None:
    chance = np.random.default_rng(0)
    images = [Image.fromarray(chance.integers(0, 256, (60, 60, 3), dtype=np.uint8)) for _ in range(16)]
    encoder = load_encoder(name)
    alone = np.concatenate([encoder.encode_images([image]) for image in images])
    assert ((alone * encoder.encode_images(images)).sum(axis=1) > 0.999).all()


def test_a_graph_that_is_large_or_has_one_thread_is_left_as_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = Loaded(file)
    load_in_rows(loaded, file, "onnxruntime", threads=1, exact=True).run({"pixels": pictures(8)})
    monkeypatch.setattr(rows, "MAX_BYTES", file.stat().st_size - 1)
    load_in_rows(loaded, file, "onnxruntime", threads=2, exact=True).run({"pixels": pictures(8)})
    assert (loaded.whole, loaded.single) == ([8, 8], [])


def test_rows_that_a_graph_does_not_take_are_refused(file: Path) -> None:
    graph = load_in_rows(partial(load_graph, file, threads=2), file, "onnxruntime", threads=2, exact=True)
    with pytest.raises(ModelError, match="failed on an array"):
        graph.run({"pixels": np.zeros((4, HEIGHT, WIDTH + 1, 3), dtype=np.uint8)})
