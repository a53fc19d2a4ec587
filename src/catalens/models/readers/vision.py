"""A reader's vision tower on a processor: torch at first, an ONNX graph once enough images pay for compiling it.

The graph is in float32, or in 8 bits where that agrees and is faster on this machine (decision 284).
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from catalens.core.errors import CatalensError
from catalens.models.facts import Precision
from catalens.models.runtime import Graph, choose_runtime, load_graph

COMPILE_AFTER = 8
"""Images after which the tower is compiled: that takes seconds, which a few captions would not earn back."""
TOLERANCE = 1e-3
"""Largest difference from torch's states, relative to their largest value, that a graph in float32 may have."""
LEAST_COSINE = 0.999
"""Least cosine of a patch's state with torch's for which 8 bits are used."""
LEAST_GAIN = 1.2
"""Least speed-up over float32 for which 8 bits are used."""
LEAST_BYTES = 10 * 10**6
"""Least size of the weights for which 8 bits are tried: chance would decide about a smaller tower."""
_LARGEST_BYTES = 1_900_000_000
"""Of weights: an ONNX file holds at most 2 GiB."""
_log = logging.getLogger(__name__)


class VisionTower:
    """Runs a vision tower of transformers.

    A graph is kept only if it agrees with torch on an image of the user, and is faster on it; the weights are then
    freed in torch.

    Args:
        module: takes `pixel_values`; its output has `last_hidden_state`.
        compile_after: images after which it is compiled; None for never.
        exact: float32 was asked for, so 8 bits are not tried.
    """

    def __init__(self, module: Any, compile_after: int | None = None, *, exact: bool = True) -> None:
        self._module, self._compile_after, self._exact = module, compile_after, exact
        self._graph: Graph | None = None
        self._count = 0

    @property
    def is_compiled(self) -> bool:
        """Whether the graph runs."""
        return self._graph is not None

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return hidden states (n, patches + 1, width) of pixels (n, 3, height, width)."""
        self._count += len(pixels)
        if self._compile_after is not None and self._count > self._compile_after:
            self._compile_after = None
            self._graph = self._compiled(pixels[:1])
        if self._graph is not None:
            return _run(self._graph, pixels)
        hidden: Tensor = self._module(pixel_values=pixels).last_hidden_state
        return hidden

    def _compiled(self, pixels: Tensor) -> Graph | None:
        """Return the fastest graph that is right and faster on one image, and free torch's weights; else None."""
        size = sum(each.nbytes for each in self._module.parameters())
        if size > _LARGEST_BYTES:
            return None
        kinds: list[Precision] = ["float32"]
        if not self._exact and size >= LEAST_BYTES and choose_runtime() == "openvino":  # others unpack 8 bits again
            kinds.append("int8")
        chosen: Graph | None = None
        try:
            expected, least_s = _timed(lambda: self._module(pixel_values=pixels).last_hidden_state)
            with _exported(self._module, pixels) as file:
                for kind in kinds:
                    graph = _compile(file, kind)
                    found, graph_s = _timed(partial(_run, graph, pixels))
                    _log.debug("vision tower in %s: %.3f s an image, %.3f s before", kind, graph_s, least_s)
                    if _agree(found, expected, kind) and graph_s < least_s / (LEAST_GAIN if kind == "int8" else 1):
                        chosen, least_s = graph, graph_s
        except (CatalensError, ImportError, OSError, RuntimeError) as error:
            _log.debug("the vision tower is not compiled further: %s", error)
        if chosen is not None:
            self._module.to("meta")
        return chosen


def _agree(found: Tensor, expected: Tensor, kind: Precision) -> bool:
    """Return whether a graph's states are close enough to torch's."""
    if kind == "int8":
        return float(torch.cosine_similarity(found, expected, dim=-1).min()) >= LEAST_COSINE
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-6)) <= TOLERANCE


def _run(graph: Graph, pixels: Tensor) -> Tensor:
    return torch.from_numpy(graph.run({"pixels": pixels.numpy()}, ["hidden"])["hidden"])


def _timed(run: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Return the output, and the least seconds of two runs after one that sets things up."""
    run()
    seconds = []
    for _ in range(2):
        started_s = time.perf_counter()
        output = run()
        seconds.append(time.perf_counter() - started_s)
    return output, min(seconds)


@contextmanager
def _exported(module: nn.Module, pixels: Tensor) -> Iterator[Path]:
    """Write a tower as an ONNX file in float32, for as long as it is needed."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every size that it takes for fixed
        file = Path(folder) / "vision.onnx"
        torch.onnx.export(
            _Hidden(module),
            (pixels,),
            str(file),
            input_names=["pixels"],
            output_names=["hidden"],
            dynamic_axes={"pixels": {0: "n"}, "hidden": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
        yield file


def _compile(file: Path, kind: Precision) -> Graph:
    """Load a graph, as it is or with its weights in 8 bits, whose activations OpenVINO then rounds as well."""
    if kind == "int8":
        import onnx

        from catalens.models.weights import save, store

        model = onnx.load(file)
        store(model, kind)
        file = file.with_name("vision-int8.onnx")
        save(model, file)
    return load_graph(file, choose_runtime(), threads=torch.get_num_threads(), exact=kind == "float32")


class _Hidden(nn.Module):
    """A tower that returns its hidden states alone."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pixels: Tensor) -> Tensor:
        hidden: Tensor = self.module(pixel_values=pixels).last_hidden_state
        return hidden
