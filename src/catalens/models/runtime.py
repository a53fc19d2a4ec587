"""Runs an ONNX graph on the CPU with ONNX Runtime, or with OpenVINO where it is installed.

Which one is faster depends on the machine (`catalens.models.fastest`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError, ModelError
from catalens.core.process import interrupts
from catalens.models.kept_graphs import compile_graph
from catalens.models.onnx_file import read_onnx
from catalens.models.processor import usable_cores

Runtime = Literal["onnxruntime", "openvino"]
RUNTIMES: dict[Runtime, str] = {
    "onnxruntime": "pip install onnxruntime",
    "openvino": 'pip install "catalens[openvino]"',
}
"""Runtime → the command that installs it."""
BYTES_GROUP = 256
"""Group size of dynamic quantisation: the number of 8-bit activations that OpenVINO quantises with one scale.
Its default of 32 is a little closer and a third slower (docs/decisions/008-bytes.md)."""
Arrays: TypeAlias = Mapping[str, NDArray[Any]]
"""Arrays by the names of a graph's inputs or outputs."""
Compute: TypeAlias = Callable[[Arrays, Sequence[str]], list[NDArray[Any]]]
"""Inputs, and the names of some outputs → those outputs, in that order."""
_CONVERTER = "openvino.tools.ovc"
_importing = Lock()
_requests = Lock()
"""Held while a request of OpenVINO is made or dropped: threads that do so at once crash the process now and then."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A loaded graph; several threads may run it at once.

    Attributes:
        file: its file, for messages.
        inputs: name → shape, with None for a dynamic size.
        outputs: names, in the graph's order.
        compute: runs the graph; `run` checks names and translates errors.
    """

    file: Path
    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    compute: Compute

    def run(self, inputs: Arrays, outputs: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return outputs by name for inputs by name.

        Args:
            inputs: an array for every input.
            outputs: names of the outputs to return; None for all.

        Returns:
            Arrays that belong to the caller.

        Raises:
            ModelError: a name is not the graph's, or the shape or type of an array does not fit.
        """
        wanted = self.outputs if outputs is None else tuple(outputs)
        unknown = {*inputs} ^ {*self.inputs} or {*wanted} - {*self.outputs}
        if unknown:
            raise ModelError(
                f"{self.file} takes {', '.join(self.inputs)} and returns {', '.join(self.outputs)}; "
                f"{', '.join(sorted(unknown))} does not fit"
            )
        try:
            return dict(zip(wanted, self.compute(inputs, wanted), strict=True))
        except Exception as error:
            inputs_text = " and ".join(f"an array {each.shape} of {each.dtype}" for each in inputs.values())
            raise ModelError(f"{self.file} failed on {inputs_text}: {_reason(error)}") from error


def choose_runtime(asked: str = "auto") -> Runtime:
    """Return the requested runtime; for "auto", OpenVINO where it is installed.

    Raises:
        InputError: the runtime is unknown.
        ModelError: it is not installed; the message contains the command that installs it.
    """
    if asked == "auto":
        return "openvino" if find_spec("openvino") else "onnxruntime"
    for runtime, install in RUNTIMES.items():
        if asked == runtime:
            if not find_spec(runtime):
                raise ModelError(f"the runtime {runtime} is not installed: {install}")
            return runtime
    raise InputError(f"there is no runtime {asked!r}; there are: auto, {', '.join(RUNTIMES)}")


def load_graph(
    file: Path, runtime: Runtime, *, threads: int | None = None, exact: bool = False, cache: Path | None = None
) -> Graph:
    """Load an ONNX file.

    Args:
        file: the graph; external weights are beside it.
        runtime: from `choose_runtime`.
        threads: processor threads; None uses every core the process may use.
        exact: compute in float32; otherwise OpenVINO takes the fastest type the processor has, such as bfloat16, and
            bytes where weights are bytes.
        cache: the folder for things that can be made again, where OpenVINO's compiled graph is kept; None keeps none.

    Raises:
        ModelError: the file is damaged, or not an ONNX graph.
    """
    count = threads or usable_cores()
    try:
        if runtime == "openvino":
            return _openvino(file, count, exact=exact, cache=cache)
        return _onnxruntime(file, count)
    except Exception as error:
        raise ModelError(f"{file} cannot be loaded as an ONNX graph: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return the informative line of a runtime's message: OpenVINO's first lines are places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    informative = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (informative or lines or [type(error).__name__])[-1]


def _onnxruntime(file: Path, threads: int) -> Graph:
    with _importing_whole():
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Otherwise DequantizeLinear and MatMul become MatMulNBits, which rounds the activations to 8 bits: a row then
    # depends on how many rows it shares a product with (docs/decisions/010-float-products.md).
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    # Its threads otherwise spin on after a run, and take the cores from decoding and from other processes.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    inputs = {
        each.name: tuple(size if isinstance(size, int) else None for size in each.shape)
        for each in session.get_inputs()
    }

    def compute(arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
        return list(session.run(list(outputs), dict(arrays)))

    return Graph(file, inputs, tuple(each.name for each in session.get_outputs()), compute)


@contextmanager
def _importing_whole() -> Iterator[None]:
    """Import in one thread at a time, and let Ctrl-C wait."""
    with _importing:
        interrupts.postpone()
        try:
            yield
        finally:
            interrupts.deliver()


def _import_openvino() -> ModuleType:
    """Import OpenVINO without its converter of models.

    The converter takes half of the time, and its import reports to the network that OpenVINO is used.
    """
    with _importing_whole():
        if "openvino" not in sys.modules and _CONVERTER not in sys.modules:
            sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # an ImportError, which OpenVINO expects
            try:
                import_module("openvino")
            finally:
                del sys.modules[_CONVERTER]
    return import_module("openvino")


def _openvino(file: Path, threads: int, *, exact: bool, cache: Path | None) -> Graph:
    openvino = _import_openvino()
    core = openvino.Core()
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # Pinned threads are a tenth faster alone, but every process begins at the first core: two of one thread each
        # would share it and leave the second idle (docs/decisions/112-ray.md).
        "ENABLE_CPU_PINNING": threads >= usable_cores(),
    }
    if exact:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
    else:
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = BYTES_GROUP
    if cache is None:
        compiled = core.compile_model(core.read_model(file), "CPU", settings)
    else:
        compiled = compile_graph(core, file, settings, openvino.get_version(), cache)
    file_has = read_onnx(file)
    takes = {_name(each, file_has.inputs): (each.partial_shape, each.element_type) for each in compiled.inputs}
    inputs = {
        name: tuple(size.get_length() if size.is_static else None for size in shape)
        for name, (shape, _) in takes.items()
    }

    idle: list[Any] = []

    def compute(arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
        for name, (shape, kind) in takes.items():
            # OpenVINO reinterprets an array of another shape or type without an error.
            if not shape.compatible(openvino.PartialShape(arrays[name].shape)) or kind != openvino.Type(
                arrays[name].dtype
            ):
                raise ModelError(f"the graph takes an array {shape} of {kind.get_type_name()}")
        # A request serves one caller at a time. It is used again: making one holds up the other callers.
        try:
            request = idle.pop()
        except IndexError:
            with _requests:
                request = compiled.create_infer_request()
        found: Any = None
        try:
            found = request.infer(dict(arrays))
            copies = [np.array(found[name]) for name in outputs]
        except Exception:
            with _requests:
                del found, request
            raise
        idle.append(request)
        return copies

    return Graph(file, inputs, tuple(_name(each, file_has.outputs) for each in compiled.outputs), compute)


def _name(port: Any, known: Sequence[str]) -> str:  # noqa: ANN401 - OpenVINO's
    """Return the file's name of an input or output: compiling joins others to it, and OpenVINO gives any of them."""
    name: str = next((each for each in known if each in port.names), port.any_name)
    return name
