"""The offline pipeline beside the service: the same encoder and work in a process of its own, in turns with it.

Cores that other work shares change by the minute, so that what is measured a minute apart cannot be compared.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.plan import Figures

if TYPE_CHECKING:
    from catalens.pipelines.lens import Lens

ROUNDS = 8
_ROUND_S = 1.0
"""How long the pipeline works at least in a round."""
Work: TypeAlias = Callable[[], float]
"""Module-level functions of this file, which run in the pipeline's process."""


class _Held:
    """What the pipeline's process holds."""

    lens: Lens
    contents: Sequence[bytes]


@contextmanager
def pipeline(contents: Sequence[bytes], model: str) -> Iterator[ProcessPoolExecutor]:
    """Run a process that has the model loaded, and the cache that the service has."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_load, initargs=(contents, model)) as pool:
        yield pool


def beside(pool: ProcessPoolExecutor, local: Work, service: Callable[[], Figures]) -> Figures:
    """Return the figures of the service, and what the pipeline did between its rounds.

    Args:
        pool: the pipeline's process.
        local: returns items a second of the pipeline, or the milliseconds of one.
        service: one round.

    Returns:
        Medians over `ROUNDS` rounds, and every status; `local` is the pipeline's.
    """
    rounds, found = [], []
    for _ in range(ROUNDS):
        found.append(pool.submit(local).result())
        rounds.append(service())
    statuses: Counter[str] = Counter()
    for each in rounds:
        statuses.update(each["statuses"])
    names = [name for name in rounds[0] if name != "statuses"]
    medians = {name: statistics.median(each[name] for each in rounds) for name in names}
    return {**medians, "statuses": dict(statuses), "local": statistics.median(found)}


def tags_per_s() -> float:
    """Return pictures a second of `tag`."""
    many = list(_Held.contents) * 2
    return _per_s(lambda: list(_Held.lens.tag(many)), len(many))


def vectors_per_s() -> float:
    """Return pictures a second of the pipeline's encoding."""
    many = list(_Held.contents) * 2
    return _per_s(lambda: list(_Held.lens.run_many(_embed_task(), many)), len(many))


def texts_per_s() -> float:
    """Return texts a second."""
    return _per_s(lambda: _Held.lens.encode(sentences_of(512), batch_size=64), 512)


def single_ms() -> float:
    """Return the milliseconds of one picture's vector."""
    taken = []
    for content in _Held.contents[:40]:
        started_s = time.perf_counter()
        _Held.lens.encode(content)
        taken.append(time.perf_counter() - started_s)
    return round(1000 * statistics.median(taken), 2)


def sentences_of(n: int) -> list[str]:
    """Return different short product sentences."""
    colours, things = ("red", "blue", "green", "black"), ("shirt", "shoe", "watch", "dress", "bag")
    return [f"a {colours[at % 4]} {things[at % 5]} with number {at}" for at in range(n)]


def _load(contents: Sequence[bytes], model: str) -> None:
    import catalens

    _Held.lens, _Held.contents = catalens.load(encoder=model), contents
    list(_Held.lens.tag(contents[:8]))
    _Held.lens.encode(list(contents[:8]))
    _Held.lens.encode(sentences_of(8))


def _embed_task() -> Any:  # noqa: ANN401 - a task of any result
    from catalens.pipelines.encoding import EmbedStage
    from catalens.pipelines.one_or_many import Task

    return Task([EmbedStage()], lambda values: values["vector"])


def _per_s(work: Callable[[], object], n: int) -> float:
    rounds, started_s = 0, time.perf_counter()
    while (taken_s := time.perf_counter() - started_s) < _ROUND_S:
        work()
        rounds += 1
    return round(rounds * n / taken_s, 1)
