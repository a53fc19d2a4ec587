"""One machinery for "every picture of these entries becomes some words": captions, prompts, descriptions.

What is done is said in stages, one for each model; where it goes, in outputs:

    def load_captions() -> Step:  # called when there is the first picture to do, so it may take its time
        reader = load_reader("blip-base")

        def caption(pictures: Sequence[Picture]) -> list[Values]:
            seen = reader.encode_images([picture.image for picture in pictures])
            return [{"caption": captions[0]} for captions in reader.caption(seen)]

        return Step(caption, batch_size=16, close=reader.close)

    report = run_job(
        entries,
        [Stage("captions", load_captions)],
        [
            Sidecars("caption", ending=".txt", if_exists="append"),
            Table(Path("captions.csv"), "caption", columns={"image": "image", "caption": "caption"}),
        ],
        journal=Journal(Path("captions.csv.part"), {"model": "blip-base"}),
    )

A later stage finds in `picture.values` what the earlier ones gave. All stages share one look at the picture's file;
with `one_at_a_time` they go over all pictures one after the other instead, and each model is let go before the next
is loaded. A job that was killed goes on from its journal; a picture that its outputs hold already is skipped; a bad
item is an `Outcome` in the report and stops nothing. Commands have flags and messages for all this in `cli.jobs`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from catalens.catalogue.sources import Entry
from catalens.core.errors import AnswerError, CatalensError, InputError, ModelError
from catalens.core.types import Outcome, Record
from catalens.pipelines.halving import each_half
from catalens.pipelines.journal import Journal, Key, Note
from catalens.pipelines.prefetch import map_ahead
from catalens.pipelines.stages import Picture, Round, Stage, Step, Values, Work, key_of

__all__ = ["JobReport", "Journal", "Output", "Picture", "Stage", "Step", "Values", "run_job"]

_AHEAD = 8
"""Pictures that are decoded before their turn, so that a batch is ready when the model is."""

_MOST_IN_A_ROW = 16
"""So many failures of a model, one after the other, are no longer the pictures' fault."""


class Output(Protocol):
    """Where results go; `Sidecars` and `Table` are two."""

    def holds(self, record: Record) -> bool:
        """Say whether there is nothing to do for this picture.

        Raises:
            InputError: there is no place for its result.
        """

    def write(self, record: Record, values: Values) -> None:
        """Take a result; the same one again changes nothing, for a job that goes on may give it twice.

        Raises:
            InputError, OSError: it cannot be written.
        """

    def finish(self) -> None:
        """Write what waits for the end of the job."""


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a job did.

    Attributes:
        done: pictures whose result was given to the outputs.
        skipped: pictures that the outputs held already.
        failures: one outcome per item that came to nothing, with the reason.
        elapsed_s: time in all.
    """

    done: int
    skipped: int
    failures: Sequence[Outcome]
    elapsed_s: float


def run_job(
    entries: Iterable[Entry],
    stages: Sequence[Stage],
    outputs: Sequence[Output] = (),
    *,
    journal: Journal | None = None,
    one_at_a_time: bool = False,
    on_result: Callable[[Record, Values], None] | None = None,
    on_progress: Callable[[str, int], None] | None = None,
) -> JobReport:
    """Do every stage for every picture, and give the results to every output, in the order of the entries.

    Args:
        entries: items, and outcomes for what is no item; with `one_at_a_time` they are iterated once for each stage.
        stages: at least one; a model is loaded when the first picture is there for it.
        outputs: where results go; a picture that all of them hold is skipped. Without any, nothing is skipped.
        journal: remembers what is done until the job is complete; None for jobs that need not be resumed.
        one_at_a_time: hold one model at a time.
        on_result: called with each result, in the caller's thread.
        on_progress: called after each batch with what is being done, and how many entries were met in doing it.

    Raises:
        ModelError: a model cannot be loaded, or fails for one picture after the other.
        InputError: the journal is of another job.
        OSError: the journal, or an output as a whole, cannot be written.
    """
    started_s = time.perf_counter()
    job = _Job(stages, outputs, journal, on_result)
    ends = range(1, len(stages) + 1) if one_at_a_time else [len(stages)]
    try:
        start = 0
        for end in ends:
            with closing(Round(stages, start, end)) as round:
                job.run(entries, round, on_progress)
            start = end
        for output in outputs:
            output.finish()
    finally:
        if journal is not None:
            journal.close()
    if journal is not None:
        journal.delete()
    return JobReport(job.done, job.skipped, tuple(job.failures), time.perf_counter() - started_s)


class _Job:
    """The state of one job; all of it belongs to the caller's thread."""

    def __init__(
        self,
        stages: Sequence[Stage],
        outputs: Sequence[Output],
        journal: Journal | None,
        on_result: Callable[[Record, Values], None] | None,
    ) -> None:
        self._stages, self._outputs, self._journal, self._on_result = stages, outputs, journal, on_result
        self._notes = journal.read() if journal is not None else {}
        self._settled: set[Key] = set()  # failed or skipped: not for later rounds
        self._met = self._in_a_row = 0
        self.done = self.skipped = 0
        self.failures: list[Outcome] = []

    def run(self, entries: Iterable[Entry], round: Round, on_progress: Callable[[str, int], None] | None) -> None:
        """Bring every entry to where the stages of a round are done; in the last round, hand the results out."""
        self._met = 0
        workers = os.cpu_count() or 1
        waiting: list[Work] = []
        with closing(
            map_ahead(round.read, self._works(entries, round), workers=workers, ahead=_AHEAD + workers)
        ) as works:
            for work in works:
                waiting.append(work)
                if len(waiting) >= round.batch_size:
                    self._do(waiting, round)
                    waiting = []
                    if on_progress is not None:
                        on_progress(round.name, self._met)
        self._do(waiting, round)
        if on_progress is not None:
            on_progress(round.name, self._met)

    def _works(self, entries: Iterable[Entry], round: Round) -> Iterator[Work]:
        """Return the items that this round has to do with."""
        for entry in entries:
            self._met += 1
            if isinstance(entry, Outcome):
                if round.start == 0:
                    self.failures.append(entry)
                continue
            note = self._notes.get(key_of(entry), Note(0, {}))
            work = Work(entry, note.done, dict(note.values))
            if round.start == 0:
                self._sort_out(work)
            # What has come to the source since the job's first round is for the next job.
            if work.key not in self._settled and work.done >= round.start:
                round.make_ready(work)
                yield work

    def _sort_out(self, work: Work) -> None:
        try:
            if self._outputs and all(output.holds(work.record) for output in self._outputs):
                self.skipped += 1
                self._settled.add(work.key)
        except InputError as error:
            self._fail(work, error)

    def _do(self, works: Sequence[Work], round: Round) -> None:
        for work in works:
            if work.error is not None:
                self._settled.add(work.key)
                self.failures.append(Outcome(work.item.id, work.error))
        alive = [work for work in works if work.error is None]
        before = [work.done for work in alive]
        for number in range(round.start, round.end):
            self._advance(number, [work for work in alive if work.done == number], round)
        further = [work for work, done in zip(alive, before, strict=True) if work.done > done]
        if self._journal is not None:
            self._journal.append([(work.key, Note(work.done, work.values)) for work in further])
        for work in alive:
            if work.done == round.end:
                self._hand_on(work, round)

    def _advance(self, number: int, works: Sequence[Work], round: Round) -> None:
        """Do one stage for some items."""

        def run(works: Sequence[Work]) -> list[tuple[Work, Values | CatalensError]]:
            pictures = [Picture(work.record, work.image, work.values) for work in works if work.image is not None]
            found = round.steps[number].run(pictures)
            if len(found) != len(works):
                name = self._stages[number].name
                raise ModelError(f"{name}: {len(found)} results were given for {len(works)} pictures")
            return list(zip(works, found, strict=True))

        if not works:
            return
        for work, found in each_half(run, works, Exception, self._fail_in_a_row):
            if isinstance(found, CatalensError):
                self._fail_in_a_row(work, found)
            else:
                work.values.update(found)
                work.done += 1
                self._in_a_row = 0

    def _fail_in_a_row(self, work: Work, error: Exception) -> None:
        """Note a failure of a stage; give up where it is the model that fails each time, not its answers."""
        self._fail(work, error)
        broken = isinstance(error, ModelError) and not isinstance(error, AnswerError)
        self._in_a_row = self._in_a_row + 1 if broken else 0
        if self._in_a_row >= _MOST_IN_A_ROW:
            raise ModelError(f"given up after {_MOST_IN_A_ROW} failures in a row; the last: {error}") from error

    def _hand_on(self, work: Work, round: Round) -> None:
        if not round.is_last:
            self._notes[work.key] = Note(work.done, work.values)
            return
        try:
            for output in self._outputs:
                output.write(work.record, work.values)
        except (InputError, OSError) as error:
            self._fail(work, error)
            return
        self.done += 1
        if self._on_result is not None:
            self._on_result(work.record, work.values)

    def _fail(self, work: Work, error: Exception) -> None:
        self._settled.add(work.key)
        self.failures.append(Outcome(work.item.id, f"{work.item.source}: {str(error) or type(error).__name__}"))
