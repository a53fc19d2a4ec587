"""Chooses the fastest runtime and precision for a graph by timing each on this machine; the choice is cached.

No runtime is the fastest everywhere, nor is bfloat16: it depends on the graph and on the processor's instructions
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
from typing import NamedTuple, TypeAlias, TypeVar

from catalens.core.caching import keep_file, try_to_keep
from catalens.models.cache import RUNTIMES_FOLDER
from catalens.models.json_files import load_json
from catalens.models.processor import instruction_sets, processor_lines
from catalens.models.rows import load_in_rows
from catalens.models.runtime import RUNTIMES, Arrays, Graph, Runtime, choose_runtime, load_graph

Example: TypeAlias = Callable[[Graph], Arrays]
"""Returns inputs of the size that the graph is mostly run with."""

BUDGET_S = 1.0
"""Time for the measurement, after one warm-up run of each candidate."""
_BFLOAT16_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Instruction sets with which OpenVINO computes in bfloat16 unless told otherwise."""
_MIN_ROUNDS, _MAX_ROUNDS = 2, 30


class Candidate(NamedTuple):
    """A way to run a graph.

    Attributes:
        runtime: that runs it.
        exact: in float32, rather than in the type that the runtime chooses.
    """

    runtime: Runtime
    exact: bool


CandidateT = TypeVar("CandidateT")


def load_fastest(
    file: Path,
    example: Example,
    *,
    runtime: str,
    threads: int | None,
    exact: bool,
    cache: Path | None,
    rows: bool = False,
) -> Graph:
    """Load an ONNX file with the runtime asked for, or with the fastest.

    Args:
        file: the graph.
        example: inputs to measure with.
        runtime: "auto" for the fastest, or the name of one.
        threads: processor threads; None uses every core the process may use.
        exact: as for `load_graph`; if not, OpenVINO's float32 is measured too where it would compute in bfloat16.
        cache: folder for the measurements and for OpenVINO's compiled graphs; if it is None or cannot be written,
            nothing is measured, and OpenVINO is taken where it is installed.
        rows: whether the rows of a batch do not depend on each other, so that `load_in_rows` may load it.

    Raises:
        InputError: the runtime is unknown.
        ModelError: the file is damaged, or not an ONNX graph.
    """
    one = partial(load_graph, file, cache=cache)
    load = partial(load_in_rows, one, file, threads=threads) if rows else partial(one, threads=threads)
    installed = [name for name in RUNTIMES if find_spec(name)]
    if runtime != "auto" or len(installed) == 1 or cache is None:
        return load(choose_runtime(runtime), exact=exact)
    candidates = [Candidate(name, exact) for name in installed]
    if not exact and not _BFLOAT16_INSTRUCTIONS.isdisjoint(instruction_sets() or ()):
        candidates.append(Candidate("openvino", exact=True))
    record = cache / RUNTIMES_FOLDER / f"{_key(file, installed, threads, exact=exact)}.json"
    known = _read(record)
    if known in candidates:
        return load(known.runtime, exact=known.exact)
    if not try_to_keep(lambda: _need_writable(record.parent), record.parent):
        return load(choose_runtime(runtime), exact=exact)
    graphs = {each: load(each.runtime, exact=each.exact) for each in candidates}
    times_s = measure(graphs, example)
    fastest = min(candidates, key=times_s.__getitem__)
    names = {each: f"{each.runtime}, float32" if each.exact and not exact else each.runtime for each in candidates}
    ms = {names[each]: times_s[each] * 1e3 for each in candidates}
    body = {"runtime": fastest.runtime, "exact": fastest.exact, "graph": file.name, "ms": ms}
    keep_file(record, lambda out: out.write(json.dumps(body).encode()))
    return graphs[fastest]


def measure(graphs: Mapping[CandidateT, Graph], example: Example) -> dict[CandidateT, float]:
    """Return the minimum run time of each graph, in seconds; the graphs take turns for `BUDGET_S`.

    The median would favour the wrong one: while other processes hold the cores, a runtime whose threads spin at a
    barrier looks faster than one whose threads sleep there.
    """
    inputs = {each: example(graph) for each, graph in graphs.items()}
    times_s: dict[CandidateT, list[float]] = {each: [] for each in graphs}
    for each, graph in graphs.items():
        graph.run(inputs[each], graph.outputs[:1])
    started_s = time.perf_counter()
    for rounds in range(1, _MAX_ROUNDS + 1):
        for each, graph in graphs.items():
            before_s = time.perf_counter()
            graph.run(inputs[each], graph.outputs[:1])
            times_s[each].append(time.perf_counter() - before_s)
        if rounds >= _MIN_ROUNDS and time.perf_counter() - started_s > BUDGET_S:
            break
    return {each: min(times) for each, times in times_s.items()}


def _read(record: Path) -> Candidate | None:
    try:
        body = load_json(record)
        found = body["runtime"], bool(body["exact"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return next((Candidate(name, found[1]) for name in RUNTIMES if name == found[0]), None)


def _need_writable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(13, os.strerror(13))


def _key(file: Path, installed: Sequence[Runtime], threads: int | None, *, exact: bool) -> str:
    """Return a digest of everything a measurement depends on: the graph, the runtimes and the machine."""
    with file.open("rb") as content:
        graph = hashlib.file_digest(content, "sha256").hexdigest()
    versions = [(name, version(name)) for name in installed]
    facts = [graph, versions, threads, exact, _processor()]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def _processor() -> list[str]:
    """Return what distinguishes processors: architecture, number of cores, model and instruction sets."""
    return [platform.machine(), platform.processor(), str(os.cpu_count()), *processor_lines()]
