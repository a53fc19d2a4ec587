"""Fair clocks: contestants take turns, medians are reported, and fresh processes show their own memory."""

from __future__ import annotations

import math
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

from benchmarks.plan import Figures
from catalens.core.memory import peak_bytes

P = ParamSpec("P")
T = TypeVar("T")


def seconds(work: Callable[[], object]) -> float:
    """Time one run."""
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def in_turns(
    contestants: Mapping[str, Callable[[], object]], rounds: int, budget_s: float = math.inf
) -> dict[str, float]:
    """Run each once to warm up, then all of them in turn; gives the median seconds of each.

    Every other round goes backwards, so that nobody always comes after the same one.

    Args:
        contestants: name → work.
        rounds: after the warm-up.
        budget_s: for all rounds; where the warm-up shows that they would take longer there are fewer, at least one.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    started_s = time.perf_counter()
    for work in contestants.values():
        work()
    affordable = budget_s / max(time.perf_counter() - started_s, 1e-9)
    for at in range(max(1, int(min(rounds, affordable)))):
        for name in _order(list(contestants), at):
            taken[name].append(seconds(contestants[name]))
    return {name: statistics.median(each) for name, each in taken.items()}


def queries_in_turns(
    contestants: Mapping[str, Callable[[T], object]], queries: Sequence[T], rounds: int
) -> dict[str, list[float]]:
    """Ask everybody every query, in blocks, taking turns; gives the seconds of each query.

    A contestant answers one query to warm up, which is not counted.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for ask in contestants.values():
        ask(queries[0])
    for at in range(rounds):
        for name in _order(list(contestants), at):
            for query in queries[at::rounds]:
                started_s = time.perf_counter()
                contestants[name](query)
                taken[name].append(time.perf_counter() - started_s)
    return taken


def _order(names: Sequence[str], round_number: int) -> Sequence[str]:
    return names[:: -1 if round_number % 2 else 1]


def spread(taken_s: Sequence[float]) -> Figures:
    """Return the median and the 99th percentile in milliseconds."""
    ordered = sorted(taken_s)
    high = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return {"p50_ms": statistics.median(ordered) * 1e3, "p99_ms": high * 1e3}


def in_fresh_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a module-level function in a process of its own, which inherits neither threads nor memory."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def peak_mb() -> float:
    """Return the most memory that this process has held so far."""
    return (peak_bytes() or 0) / 1e6


def in_mb(max_rss: int) -> float:
    """Turn what the system reports (bytes on macOS, KiB elsewhere) into MB."""
    return max_rss * (1 if sys.platform == "darwin" else 1024) / 1e6
