"""A reader's vision tower on a processor: torch at first, an ONNX graph once enough images pay for compiling it."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from catalens.core.errors import CatalensError
from catalens.models.runtime import Graph, choose_runtime, load_graph

COMPILE_AFTER = 8
"""Images after which the tower is compiled: that takes seconds, which a few captions would not earn back."""
TOLERANCE = 1e-3
"""Largest difference from torch's states, relative to their largest value, that a graph may have."""
_LARGEST_BYTES = 1_900_000_000
"""Of weights: an ONNX file holds at most 2 GiB."""
_log = logging.getLogger(__name__)


class VisionTower:
    """Runs a vision tower of transformers.

    The graph computes in float32, as torch does. It is kept only if it agrees with torch on an image of the user, and
    is faster on it; the weights are then freed in torch.

    Args:
        module: takes `pixel_values`; its output has `last_hidden_state`.
        compile_after: images after which it is compiled; None for never.
    """

    def __init__(self, module: Any, compile_after: int | None = None) -> None:
        self._module, self._compile_after = module, compile_after
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
        """Return the graph if it is right and faster on one image, and free torch's weights; else None."""
        if sum(each.nbytes for each in self._module.parameters()) > _LARGEST_BYTES:
            return None
        try:
            graph = _compile(self._module, pixels)
            expected, torch_s = _timed(lambda: self._module(pixel_values=pixels).last_hidden_state)
            found, graph_s = _timed(lambda: _run(graph, pixels))
        except (CatalensError, ImportError, OSError, RuntimeError) as error:
            _log.debug("the vision tower stays in torch: %s", error)
            return None
        off = float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-6))
        _log.debug("vision tower: torch %.3f s, graph %.3f s an image, off by %.1e", torch_s, graph_s, off)
        if not off <= TOLERANCE or graph_s >= torch_s:
            return None
        self._module.to("meta")
        return graph


def _run(graph: Graph, pixels: Tensor) -> Tensor:
    return torch.from_numpy(graph.run({"pixels": pixels.numpy()}, ["hidden"])["hidden"])


def _timed(run: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Return the output of the second of two runs, and its seconds: the first one sets things up."""
    run()
    started_s = time.perf_counter()
    return run(), time.perf_counter() - started_s


def _compile(module: nn.Module, pixels: Tensor) -> Graph:
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
        return load_graph(file, choose_runtime(), threads=torch.get_num_threads(), exact=True)


class _Hidden(nn.Module):
    """A tower that returns its hidden states alone."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pixels: Tensor) -> Tensor:
        hidden: Tensor = self.module(pixel_values=pixels).last_hidden_state
        return hidden
