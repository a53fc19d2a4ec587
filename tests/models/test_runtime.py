"""Which runtime is chosen, and that both load, run and refuse alike."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from catalens.core.errors import InputError, ModelError
from catalens.models.runtime import RUNTIMES, Runtime, choose_runtime, load_graph
from tests.support.tiny import DIM, HEIGHT, WIDTH, image_graph, image_rows, model, tiny_bundle


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return request.param


@pytest.fixture
def file(tmp_path: Path) -> Path:
    onnx.save(image_graph(), tmp_path / "image.onnx")
    return tmp_path / "image.onnx"


def test_the_faster_runtime_is_chosen_where_it_is_installed() -> None:
    assert choose_runtime() == ("openvino" if find_spec("openvino") else "onnxruntime")


def test_onnxruntime_is_chosen_without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose_runtime() == choose_runtime("onnxruntime") == "onnxruntime"


@pytest.mark.parametrize(
    ("name", "command"),
    [("openvino", r'pip install "catalens\[openvino\]"'), ("onnxruntime", "pip install onnxruntime")],
)
def test_a_missing_runtime_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, name: str, command: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModelError, match=f"{name} is not installed: {command}"):
        choose_runtime(name)


def test_an_unknown_runtime_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="'tensorrt'; there are: auto, onnxruntime, openvino"):
        choose_runtime("tensorrt")


def test_a_missing_graph_is_named(tmp_path: Path, runtime: Runtime) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx cannot be loaded as an ONNX graph: ") as caught:
        load_graph(tmp_path / "none.onnx", runtime)
    assert "src/" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_inputs_have_the_file_s_names_where_compiling_joins_them_to_others(tmp_path: Path, runtime: Runtime) -> None:
    """A cast to the type that is there vanishes, and OpenVINO gives its input either of two names."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["/a/Cast_output_0"], to=TensorProto.FLOAT),
        helper.make_node("Relu", ["/a/Cast_output_0"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["vectors"], to=TensorProto.FLOAT),
    ]
    onnx.save(model(nodes, {}, ("pixels", TensorProto.FLOAT, ["n", DIM])), tmp_path / "cast.onnx")
    for _ in range(2):  # compiled, and as it was kept
        graph = load_graph(tmp_path / "cast.onnx", runtime, cache=tmp_path / "cache")
        assert (list(graph.inputs), list(graph.outputs)) == (["pixels"], ["vectors"])
        [rows] = graph.run({"pixels": np.ones((2, DIM), np.float32)}).values()
        assert (rows == 1).all()


def test_a_graph_gives_float32_rows_that_it_does_not_keep(file: Path, runtime: Runtime) -> None:
    graph = load_graph(file, runtime, threads=1)
    pixels = np.random.default_rng(3).integers(0, 256, (4, HEIGHT, WIDTH, 3), dtype=np.uint8)
    [rows] = graph.run({"pixels": pixels}).values()
    assert rows.dtype == np.float32
    assert (rows * image_rows(pixels)).sum(axis=1).min() > 0.999
    kept = rows.copy()
    graph.run({"pixels": pixels[::-1].copy()})
    assert np.array_equal(rows, kept)
    assert graph.run({"pixels": pixels[:1]})["vectors"].shape == (1, DIM)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((2, WIDTH, HEIGHT, 3), dtype=np.uint8),
        np.zeros((2, HEIGHT * WIDTH * 3), dtype=np.uint8),
        np.zeros((2, HEIGHT, WIDTH, 3), dtype=np.float32),
    ],
    ids=["turned", "flat", "floats"],
)
def test_an_array_of_another_shape_or_type_is_refused(file: Path, runtime: Runtime, batch: NDArray[Any]) -> None:
    graph = load_graph(file, runtime, threads=1)
    with pytest.raises(ModelError, match=rf"image\.onnx failed on an array .* of {batch.dtype}: "):
        graph.run({"pixels": batch})


def test_inputs_and_outputs_are_known_by_name(file: Path, runtime: Runtime) -> None:
    made = image_graph()
    made.graph.output.append(onnx.helper.make_tensor_value_info("lengths", onnx.TensorProto.FLOAT, ["n", 1]))
    onnx.save(made, file)
    graph = load_graph(file, runtime, threads=1)
    assert graph.inputs == {"pixels": (None, HEIGHT, WIDTH, 3)}
    assert graph.outputs == ("vectors", "lengths")
    pixels = np.full((2, HEIGHT, WIDTH, 3), 7, dtype=np.uint8)
    assert [*graph.run({"pixels": pixels})] == ["vectors", "lengths"]
    [lengths] = graph.run({"pixels": pixels}, ["lengths"]).values()
    assert lengths.shape == (2, 1)
    assert lengths.min() > 1


@pytest.mark.parametrize(
    ("inputs", "outputs", "wrong"), [(["image"], None, "image, pixels"), (["pixels"], ["rows"], "rows")]
)
def test_names_that_a_graph_does_not_have_are_refused(
    file: Path, runtime: Runtime, inputs: list[str], outputs: list[str] | None, wrong: str
) -> None:
    graph = load_graph(file, runtime, threads=1)
    pixels = np.zeros((1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    with pytest.raises(ModelError, match=f"takes pixels and returns vectors; {wrong} does not fit"):
        graph.run(dict.fromkeys(inputs, pixels), outputs)


def test_exact_means_float32(file: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    graph = load_graph(file, "openvino", threads=1, exact=True)
    pixels = np.random.default_rng(3).integers(0, 256, (4, HEIGHT, WIDTH, 3), dtype=np.uint8)
    assert (graph.run({"pixels": pixels})["vectors"] * image_rows(pixels)).sum(axis=1).min() > 0.999999


@pytest.mark.parametrize(("threads", "pinned"), [(1, False), (3, False), (4, True), (None, True)])
def test_threads_are_pinned_only_where_they_take_every_core(
    file: Path, monkeypatch: pytest.MonkeyPatch, threads: int | None, *, pinned: bool
) -> None:
    """Two processes of one thread each would be pinned to the same core."""
    openvino: Any = pytest.importorskip("openvino", reason="openvino is not installed")
    monkeypatch.setattr("catalens.models.runtime.usable_cores", lambda: 4)
    compiled: list[Any] = []

    class Core(openvino.Core):
        def compile_model(self, *arguments: Any) -> Any:
            compiled.append(super().compile_model(*arguments))
            return compiled[-1]

    monkeypatch.setattr(openvino, "Core", Core)
    load_graph(file, "openvino", threads=threads)
    assert [each.get_property("ENABLE_CPU_PINNING") for each in compiled] == [pinned]


def test_openvino_is_imported_without_its_converter_and_its_reports(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    tiny_bundle(tmp_path)
    program = f"""
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from catalens.models.runtime import load_graph
load_graph(Path({str(tmp_path / "image.onnx")!r}), "openvino", threads=1, exact=True)
assert not [name for name in sys.modules if name.startswith(("openvino_telemetry", "openvino.tools.ovc"))]
from openvino.tools.ovc import convert_model  # whoever needs it still gets it
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_requests_of_openvino_are_made_by_one_thread_at_a_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making one while another thread makes or drops one crashed the process in one of three runs of 45,000 calls."""
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    graph, inside, most = load_graph(file, "openvino", threads=1), [], []
    make = openvino.CompiledModel.create_infer_request

    def watched(compiled: Any) -> Any:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.005)
        request = make(compiled)
        inside.pop()
        return request

    monkeypatch.setattr(openvino.CompiledModel, "create_infer_request", watched)
    pixels = np.zeros((1, HEIGHT, WIDTH, 3), dtype=np.uint8)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda _: graph.run({"pixels": pixels})["vectors"], range(12)))
    assert max(most) == 1
    assert all(np.array_equal(each, rows[0]) for each in rows)


def test_a_request_of_openvino_is_used_again_unless_it_failed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    graph, made = load_graph(file, "openvino", threads=1), []
    make = openvino.CompiledModel.create_infer_request

    def counted(compiled: Any) -> Any:
        made.append(make(compiled))
        return made[-1]

    monkeypatch.setattr(openvino.CompiledModel, "create_infer_request", counted)
    rng = np.random.default_rng(0)
    for n in (3, 1, 2):
        pixels = rng.integers(0, 256, (n, HEIGHT, WIDTH, 3), dtype=np.uint8)
        assert (graph.run({"pixels": pixels})["vectors"] * image_rows(pixels)).sum(axis=1).min() > 0.999
    assert len(made) == 1
    monkeypatch.setattr(openvino.InferRequest, "infer", lambda *_: 1 / 0)
    for _ in range(2):
        with pytest.raises(ModelError):
            graph.run({"pixels": pixels})
    assert len(made) == 2
