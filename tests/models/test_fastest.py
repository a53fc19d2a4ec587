"""The faster runtime is found by running both, once for each graph and machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from catalens.core import caching
from catalens.models import fastest
from catalens.models.bundle import load_bundle
from catalens.models.cache import RUNTIMES_FOLDER
from catalens.models.runtime import Arrays, Graph, Runtime, load_graph
from tests.support.tiny import tiny_bundle

pytest.importorskip("openvino", reason="openvino is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle")


class Loaded:
    """Loads graphs as `load_graph` does; one runtime is slowed down, and every load is remembered."""

    def __init__(self, slow: Runtime) -> None:
        self.slow, self.names = slow, list[str]()

    def __call__(self, file: Path, runtime: Runtime, **given: Any) -> Graph:
        self.names.append(runtime)
        graph = load_graph(file, runtime, **given)
        if runtime != self.slow:
            return graph

        def compute(arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
            time.sleep(0.05)
            return graph.compute(arrays, outputs)

        return Graph(graph.file, graph.inputs, graph.outputs, compute)


@pytest.mark.parametrize(("slow", "fast"), [("onnxruntime", "openvino"), ("openvino", "onnxruntime")])
def test_the_faster_one_is_taken_and_remembered(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: Runtime, fast: Runtime
) -> None:
    loaded = Loaded(slow)
    monkeypatch.setattr(fastest, "load_graph", loaded)
    monkeypatch.setattr(fastest, "instruction_sets", tuple)
    picture = [Image.new("RGB", (12, 16), "red")]
    load_bundle(folder, threads=1, cache=tmp_path).encode_images(picture)
    assert sorted(loaded.names) == ["onnxruntime", "openvino"]
    [record] = (tmp_path / RUNTIMES_FOLDER).iterdir()
    assert json.loads(record.read_text())["runtime"] == fast
    load_bundle(folder, threads=1, cache=tmp_path).encode_images(picture)
    assert loaded.names[2:] == [fast]


@pytest.mark.parametrize("content", ["", "{}", '{"runtime": "tpu"}', "[1]"])
def test_a_damaged_record_is_measured_again(folder: Path, tmp_path: Path, content: str) -> None:
    load_bundle(folder, threads=1, cache=tmp_path).encode_texts(["a"])
    [record] = (tmp_path / RUNTIMES_FOLDER).iterdir()
    record.write_text(content)
    load_bundle(folder, threads=1, cache=tmp_path).encode_texts(["a"])
    assert json.loads(record.read_text())["runtime"] in ("onnxruntime", "openvino")


def test_bfloat16_is_not_taken_where_float32_is_faster(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastest, "instruction_sets", lambda: ("avx512_bf16",))
    for chosen in (True, False):
        seen: list[tuple[str, bool]] = []

        def load(file: Path, runtime: Runtime, *, seen: list[Any] = seen, exact: bool, **given: Any) -> Graph:
            seen.append((runtime, exact))
            return load_graph(file, runtime, exact=exact, **given)

        ms = {("openvino", True): 0.2 if chosen else 0.4, ("openvino", False): 0.3, ("onnxruntime", False): 0.5}
        monkeypatch.setattr(fastest, "load_graph", load)
        monkeypatch.setattr(fastest, "measure", lambda graphs, _, ms=ms: {each: ms[each] for each in graphs})
        for _ in range(2):
            fastest.load_fastest(
                folder / "image.onnx",
                lambda _: {},
                runtime="auto",
                threads=1,
                exact=False,
                cache=tmp_path / str(chosen),
            )
        assert sorted(seen[:3]) == [("onnxruntime", False), ("openvino", False), ("openvino", True)]
        assert seen[3:] == [("openvino", chosen)], "it is remembered"


def test_without_a_cache_nothing_is_measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caching._noticed.clear()
    loaded = Loaded("onnxruntime")
    monkeypatch.setattr(fastest, "load_graph", loaded)
    (tmp_path / "cache").write_text("in the way")
    encoders = [load_bundle(folder, threads=1, cache=each) for each in (None, tmp_path / "cache")]
    rows = [each.encode_texts(["a"]) for each in encoders]
    assert np.array_equal(rows[0], rows[1])
    assert loaded.names == ["openvino", "openvino"]
    assert [each for each in caplog.messages if "CATALENS_CACHE" in each]


def test_a_runtime_that_is_named_is_not_measured(folder: Path, tmp_path: Path) -> None:
    load_bundle(folder, runtime="onnxruntime", threads=1, cache=tmp_path).encode_texts(["a"])
    assert not (tmp_path / RUNTIMES_FOLDER).exists()


def test_a_run_that_was_disturbed_does_not_count() -> None:
    def graph(pauses_s: Iterator[float]) -> Graph:
        def compute(arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
            time.sleep(next(pauses_s))
            return [arrays["x"]]

        return Graph(Path("x.onnx"), {"x": (1,)}, ("x",), compute)

    disturbed = chain([0.0, 0.03, 0.03, 0.001, 0.03], repeat(0.03))
    times_s = fastest.measure(
        {"openvino": graph(disturbed), "onnxruntime": graph(repeat(0.01))}, lambda _: {"x": np.zeros(1)}
    )
    assert times_s["openvino"] < times_s["onnxruntime"]
