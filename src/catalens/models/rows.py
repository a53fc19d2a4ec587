"""Computes the rows of a large batch side by side, each in one thread, where a graph is small.

The operations of a small graph take microseconds, and threads that share one wait for each other more than they save,
above all where another process has a core (docs/decisions/283-shared-pixels.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from catalens.models.once import Once
from catalens.models.onnx_file import read_onnx
from catalens.models.processor import usable_cores
from catalens.models.runtime import Arrays, Graph, Runtime

MAX_BYTES = 32 << 20
"""Size of an ONNX file up to which its graph is small; it is loaded twice."""
ROWS_PER_THREAD = 2
"""Rows for each thread from which on they are computed side by side: with fewer, threads would be idle in the end."""

_TOLERANCE = 0.05
"""Distance of two results that are the same, as a share of their length: 8 bits and bfloat16 differ by less."""


class Load(Protocol):
    """`load_graph` of one file."""

    def __call__(self, runtime: Runtime, *, exact: bool, one_thread_each: bool = False) -> Graph:
        """Load the graph."""


def load_in_rows(load: Load, file: Path, runtime: Runtime, *, threads: int | None, exact: bool) -> Graph:
    """Load a graph whose rows do not depend on each other.

    Args:
        load: loads the file.
        file: the graph.
        runtime: as for `load_graph`.
        threads: as for `load_graph`.
        exact: as for `load_graph`.

    Raises:
        ModelError: the file is damaged, or not an ONNX graph.
    """
    whole, count = load(runtime, exact=exact), threads or usable_cores()
    if count == 1 or file.stat().st_size > MAX_BYTES or read_onnx(file).external:
        return whole
    single = Once(lambda: load(runtime, exact=exact, one_thread_each=True))
    pool = Once(lambda: ThreadPoolExecutor(count, thread_name_prefix="rows"))

    # OpenVINO computes the everyday encoder's graph wrongly in several streams, and says nothing.
    agrees: list[bool] = []

    def compute(arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
        rows = len(next(iter(arrays.values())))
        if rows < count * ROWS_PER_THREAD:
            return whole.compute(arrays, outputs)
        graph = single()
        if not agrees:
            first = {name: each[:1] for name, each in arrays.items()}
            pairs = zip(whole.compute(first, outputs), graph.compute(first, outputs), strict=True)
            agrees.append(all(_agree(*pair) for pair in pairs))
        if not agrees[0]:
            return whole.compute(arrays, outputs)

        def row(at: int) -> list[NDArray[Any]]:
            return graph.compute({name: each[at : at + 1] for name, each in arrays.items()}, outputs)

        return [np.concatenate(each) for each in zip(*pool().map(row, range(rows)), strict=True)]

    return replace(whole, compute=compute)


def _agree(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether two results are the same but for rounding."""
    a, b = (np.asarray(each, dtype=np.float64).ravel() for each in (one, other))
    return a.shape == b.shape and float(np.linalg.norm(a - b)) <= _TOLERANCE * float(np.linalg.norm(a))
