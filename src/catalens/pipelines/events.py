"""What a job tells while it runs, and what it reports at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from catalens.core.types import Outcome, Record
from catalens.pipelines.stages import Values


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        what: what is being made, for people.
        done: entries met so far in this pass, whatever became of them.
        items_per_s: since the start of the pass.
        limited_by: what has taken most of the time: "decoding", "writing" or a stage's name.
    """

    what: str
    done: int
    items_per_s: float
    limited_by: str


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a job did.

    Attributes:
        done: pictures whose result was given to the outputs.
        skipped: pictures that the outputs held already.
        failures: one outcome per item that came to nothing, with the reason.
        elapsed_s: time in all.
        seconds: time spent waiting for decoded pictures, in each stage, and writing.
    """

    done: int
    skipped: int
    failures: Sequence[Outcome]
    elapsed_s: float
    seconds: Mapping[str, float]

    @property
    def met(self) -> int:
        """Items that were met."""
        return self.done + self.skipped + len(self.failures)

    @property
    def items_per_s(self) -> float:
        """Pictures that were done per second."""
        return self.done / max(self.elapsed_s, 1e-9)

    @property
    def limited_by(self) -> str:
        """What took the most time: "decoding", "writing" or a stage's name."""
        return max(self.seconds, key=lambda what: self.seconds[what], default="decoding")

    def reasons(self, most: int) -> dict[str, int]:
        """Return the most frequent reasons of failures, and how often; the picture's own name is left out."""
        reasons = Counter(str(each.error).partition(": ")[2] or str(each.error) for each in self.failures)
        return dict(reasons.most_common(most))


@dataclass(frozen=True, slots=True)
class Event:
    """What became of one entry.

    Attributes:
        number: of the entry, counted from 0.
        record: id, source and fields of the item.
        values: what the stages found; None where the entry failed or was skipped.
        error: why it failed; None where it did not.
    """

    number: int
    record: Record
    values: Values | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Callbacks of a job; each is called in the caller's thread."""

    on_result: Callable[[Record, Values], None] | None = None
    on_failure: Callable[[Outcome], None] | None = None
    on_progress: Callable[[Progress], None] | None = None


SILENT = Callbacks()
"""Tells nobody."""


class Tally:
    """Counts what became of the entries, and passes it on."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self.done = 0
        self.failures: list[Outcome] = []

    def count(self, event: Event) -> None:
        """Count an event, and tell the callbacks."""
        if event.values is None:
            if event.error is None:
                return
            self.failures.append(Outcome(event.record.id, event.error))
            if self._callbacks.on_failure is not None:
                self._callbacks.on_failure(self.failures[-1])
            return
        self.done += 1
        if self._callbacks.on_result is not None:
            self._callbacks.on_result(event.record, event.values)


def in_order(events: Iterable[Event]) -> Iterator[Event]:
    """Return events by the numbers of their entries, of which every one has an event."""
    early: dict[int, Event] = {}
    following = 0
    for event in events:
        early[event.number] = event
        while following in early:
            yield early.pop(following)
            following += 1
    yield from (early[number] for number in sorted(early))  # a job that is stopped leaves gaps
