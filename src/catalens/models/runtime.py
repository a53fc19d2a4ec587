"""Runs an ONNX graph on a processor: ONNX Runtime, or OpenVINO where it is installed.

Which is faster belongs to the machine (docs/decisions/001-runtime.md); it knows nothing of what a graph means.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError, ModelError

Runtime = Literal["onnxruntime", "openvino"]
RUNTIMES: dict[Runtime, str] = {
    "onnxruntime": "pip install onnxruntime",
    "openvino": 'pip install "catalens[openvino]"',
}
"""Runtime → the command that installs it."""
Graph = Callable[[NDArray[Any]], NDArray[np.float32]]
"""A loaded graph: one array in, one float32 array out; the first axis of both is the batch."""


def choose_runtime(asked: str = "auto") -> Runtime:
    """Give the runtime to use: the one asked for, or the faster one of those installed.

    Raises:
        InputError: no runtime is called so.
        ModelError: it is not installed; the message holds the command that installs it.
    """
    if asked == "auto":
        return "openvino" if find_spec("openvino") else "onnxruntime"
    for runtime, install in RUNTIMES.items():
        if asked == runtime:
            if not find_spec(runtime):
                raise ModelError(f"the runtime {runtime} is not installed: {install}")
            return runtime
    raise InputError(f"there is no runtime {asked!r}; there are: auto, {', '.join(RUNTIMES)}")


def load_graph(file: Path, runtime: Runtime, *, threads: int | None = None) -> Graph:
    """Load an ONNX file of one input and one output.

    Args:
        file: the graph.
        runtime: what runs it.
        threads: processor threads; None uses every core the process may use.

    Returns:
        What runs it, from any thread; it raises `ModelError` when the graph refuses its input.

    Raises:
        ModelError: the file is damaged, or is no graph of one input and one output.
    """
    count = threads or _cores()
    try:
        graph = _openvino(file, count) if runtime == "openvino" else _onnxruntime(file, count)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{file} cannot be loaded as an ONNX graph: {_reason(error)}") from error

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        try:
            return graph(batch)
        except Exception as error:
            raise ModelError(f"{file} failed on an array {batch.shape} of {batch.dtype}: {_reason(error)}") from error

    return run


def _reason(error: Exception) -> str:
    """Give the line of a runtime's message that says something: OpenVINO's first ones are places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (said or lines or [type(error).__name__])[-1]


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _onnxruntime(file: Path, threads: int) -> Graph:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    _one_each(file, len(session.get_inputs()), len(session.get_outputs()))
    name = session.get_inputs()[0].name
    return lambda batch: np.asarray(session.run(None, {name: batch})[0], dtype=np.float32)


def _openvino(file: Path, threads: int) -> Graph:
    import openvino

    core = openvino.Core()
    model = core.read_model(file)
    _one_each(file, len(model.inputs), len(model.outputs))
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = core.compile_model(model, "CPU", settings)
    takes, kind = model.inputs[0].partial_shape, model.inputs[0].element_type

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        # OpenVINO itself reads an array of another shape or type as if it had the right one.
        if not takes.compatible(openvino.PartialShape(batch.shape)) or kind != openvino.Type(batch.dtype):
            raise ModelError(f"the graph takes an array {takes} of {kind.get_type_name()}")
        # One request a call: a shared one would refuse the second caller while it is busy.
        return np.array(compiled.create_infer_request().infer({0: batch})[0], dtype=np.float32)

    return run


def _one_each(file: Path, inputs: int, outputs: int) -> None:
    if (inputs, outputs) != (1, 1):
        raise ModelError(f"{file} has {inputs} inputs and {outputs} outputs; a tower has one of each")
