"""Chooses the faster runtime for a graph on this machine: both run it once, and what was found is kept.

Neither runtime is faster everywhere, nor is bfloat16: it depends on the graph and on the instructions of the processor
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
from typing import TypeAlias, TypeVar

from catalens.core.caching import keep_file, try_to_keep
from catalens.models.cache import RUNTIMES_FOLDER
from catalens.models.json_files import load_json
from catalens.models.processor import instruction_sets, processor_lines
from catalens.models.runtime import RUNTIMES, Arrays, Graph, Runtime, choose_runtime, load_graph

Example: TypeAlias = Callable[[Graph], Arrays]
"""Returns inputs of the size that the graph is mostly run with."""

Way: TypeAlias = tuple[Runtime, bool]
"""A runtime, and whether it computes in float32."""
Kind = TypeVar("Kind")

BUDGET_S = 1.0
"""Time for measuring, after each runtime has run the graph once."""
_HALVES = {"avx512_bf16", "amx_bf16", "bf16"}
"""Instruction sets with which OpenVINO computes in bfloat16 by itself."""
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
        exact: as for `load_graph`; if not, OpenVINO's float32 is measured too where it would compute in bfloat16.
        cache: keeps what was measured, and OpenVINO's compiled graph; where it is None or cannot be written, nothing is
            measured.

    Raises:
        InputError: the runtime is unknown.
        ModelError: the file is damaged, or not an ONNX graph.
    """
    load = partial(load_graph, file, threads=threads, cache=cache)
    installed = [name for name in RUNTIMES if find_spec(name)]
    if runtime != "auto" or len(installed) == 1 or cache is None:
        return load(choose_runtime(runtime), exact=exact)
    ways: list[Way] = [(name, exact) for name in installed]
    if not exact and not _HALVES.isdisjoint(instruction_sets() or ()):
        ways.append(("openvino", True))
    record = cache / RUNTIMES_FOLDER / f"{_key(file, installed, threads, exact=exact)}.json"
    known = _read(record)
    if known in ways:
        return load(known[0], exact=known[1])
    if not try_to_keep(lambda: _need_writable(record.parent), record.parent):
        return load(choose_runtime(runtime), exact=exact)
    graphs = {way: load(way[0], exact=way[1]) for way in ways}
    taken_s = measure(graphs, example)
    fastest = min(ways, key=lambda way: taken_s[way])
    ms = {f"{name}, float32" if in_full and not exact else name: taken_s[name, in_full] * 1e3 for name, in_full in ways}
    body = {"runtime": fastest[0], "exact": fastest[1], "graph": file.name, "ms": ms}
    keep_file(record, lambda out: out.write(json.dumps(body).encode()))
    return graphs[fastest]


def measure(graphs: Mapping[Kind, Graph], example: Example) -> dict[Kind, float]:
    """Return the least seconds of a run of each graph, which take turns for `BUDGET_S`.

    Not the median: while other processes have the cores, whose threads spin at a barrier looks faster than whose
    threads sleep there.
    """
    inputs = {name: example(graph) for name, graph in graphs.items()}
    taken_s: dict[Kind, list[float]] = {name: [] for name in graphs}
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


def _read(record: Path) -> Way | None:
    try:
        body = load_json(record)
        found = body["runtime"], bool(body["exact"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return next(((name, found[1]) for name in RUNTIMES if name == found[0]), None)


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
