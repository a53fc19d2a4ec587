"""Computes the rows of a large batch side by side, each in one thread, where a graph is small.

The operations of a small graph take microseconds, and threads that share one wait for each other more than they save,
above all where another process has a core (docs/decisions/283-shared-pixels.md).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from catalens.core.side_by_side import side_by_side
from catalens.models.once import Once
from catalens.models.onnx_file import read_onnx
from catalens.models.processor import usable_cores
from catalens.models.runtime import Arrays, Graph, Runtime

MAX_BYTES, MAX_THREADS = 32 << 20, 8
"""Size of an ONNX file up to which its graph is small, and threads up to which each has a copy of it."""
ROWS_PER_THREAD = 2
"""Rows for each thread from which on they are computed side by side: with fewer, threads would be idle in the end."""


class Load(Protocol):
    """`load_graph` of one file."""

    def __call__(self, runtime: Runtime, *, threads: int, exact: bool) -> Graph:
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
    count = threads or usable_cores()
    whole = load(runtime, threads=count, exact=exact)
    if not 1 < count <= MAX_THREADS or file.stat().st_size > MAX_BYTES or read_onnx(file).external:
        return whole
    pool = Once(lambda: ThreadPoolExecutor(count - 1, thread_name_prefix="rows"))
    # Each thread has a graph of its own: OpenVINO's streams, which would share one, mix up the weights of some graphs
    # without an error.
    own, loading = threading.local(), threading.Lock()

    def compute(arrays: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
        rows = len(next(iter(arrays.values())))
        if rows < count * ROWS_PER_THREAD:
            return whole.compute(arrays, outputs)

        def row(at: int) -> list[NDArray[Any]]:
            if not hasattr(own, "graph"):
                with loading:
                    own.graph = load(runtime, threads=1, exact=exact)
            graph: Graph = own.graph
            return graph.compute({name: each[at : at + 1] for name, each in arrays.items()}, outputs)

        return [np.concatenate(each) for each in zip(*side_by_side(row, range(rows), pool(), count), strict=True)]

    return replace(whole, compute=compute)
