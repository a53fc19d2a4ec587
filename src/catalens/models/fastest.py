"""Chooses the faster runtime for a graph on this machine: both run it once, and what was found is kept.

Neither runtime is faster everywhere: it depends on the graph and on the instructions of the processor
(docs/decisions/011-measured-runtime.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from catalens.core.caching import keep_file, try_to_keep
from catalens.models.cache import RUNTIMES_FOLDER
from catalens.models.json_files import load_json
from catalens.models.processor import processor_lines
from catalens.models.runtime import RUNTIMES, Arrays, Graph, Runtime, choose_runtime, load_graph

Example: TypeAlias = Callable[[Graph], Arrays]
"""Returns inputs of the size that the graph is mostly run with."""

BUDGET_S = 1.0
"""Time for measuring, after each runtime has run the graph once."""
_LEAST_ROUNDS, _MOST_ROUNDS = 2, 30


def load_fastest(
    file: Path, example: Example, *, runtime: str, threads: int | None, exact: bool, cache: Path | None
) -> Graph:
    """Load an ONNX file by the runtime asked for, or by the faster one.

    Args:
        file: the graph.
        example: what to measure with.
        runtime: "auto" for the faster one, or its name.
        threads: processor threads; None uses every core the process may use.
        exact: as for `load_graph`.
        cache: keeps what was measured, and OpenVINO's compiled graph; where it is None or cannot be written, nothing is
            measured.

    Raises:
        InputError: the runtime is unknown.
        ModelError: the file is damaged, or not an ONNX graph.
    """
    load = partial(load_graph, file, threads=threads, exact=exact, cache=cache)
    installed = [name for name in RUNTIMES if find_spec(name)]
    if runtime != "auto" or len(installed) == 1 or cache is None:
        return load(choose_runtime(runtime))
    record = cache / RUNTIMES_FOLDER / f"{_key(file, installed, threads, exact=exact)}.json"
    known = _read(record)
    if known in installed:
        return load(known)
    if not try_to_keep(lambda: _need_writable(record.parent), record.parent):
        return load(choose_runtime(runtime))
    graphs = {name: load(name) for name in installed}
    taken_s = measure(graphs, example)
    fastest = min(installed, key=lambda name: taken_s[name])
    body = {"runtime": fastest, "graph": file.name, "ms": {name: each * 1e3 for name, each in taken_s.items()}}
    keep_file(record, lambda out: out.write(json.dumps(body).encode()))
    return graphs[fastest]


def measure(graphs: Mapping[Runtime, Graph], example: Example) -> dict[Runtime, float]:
    """Return the least seconds of a run by each runtime, which take turns for `BUDGET_S`.

    Not the median: while other processes have the cores, whose threads spin at a barrier looks faster than whose
    threads sleep there.
    """
    inputs = {name: example(graph) for name, graph in graphs.items()}
    taken_s: dict[Runtime, list[float]] = {name: [] for name in graphs}
    for name, graph in graphs.items():
        graph.run(inputs[name], graph.outputs[:1])
    started_s = time.perf_counter()
    for round_ in range(_MOST_ROUNDS):
        for name, graph in graphs.items():
            before_s = time.perf_counter()
            graph.run(inputs[name], graph.outputs[:1])
            taken_s[name].append(time.perf_counter() - before_s)
        if round_ + 1 >= _LEAST_ROUNDS and time.perf_counter() - started_s > BUDGET_S:
            break
    return {name: min(each) for name, each in taken_s.items()}


def _read(record: Path) -> Runtime | None:
    try:
        found = load_json(record)["runtime"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return next((name for name in RUNTIMES if name == found), None)


def _need_writable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(13, os.strerror(13))


def _key(file: Path, installed: Sequence[Runtime], threads: int | None, *, exact: bool) -> str:
    """Return a digest of all that a measurement depends on: the graph, the runtimes and the machine."""
    with file.open("rb") as content:
        graph = hashlib.file_digest(content, "sha256").hexdigest()
    versions = [(name, version(name)) for name in installed]
    about = [graph, versions, threads, exact, _processor()]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24]


def _processor() -> list[str]:
    """Return what tells kinds of processors apart: architecture, cores, model and instruction sets."""
    return [platform.machine(), platform.processor(), str(os.cpu_count()), *processor_lines()]
