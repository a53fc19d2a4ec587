"""The one loop over pictures: entries → decoding ahead in threads → stages in batches → outputs.

    with Session(SessionConfig(reader="blip-base")) as session:
        report = run_job(
            open_source("photos/"),
            [CaptionStage()],
            [Sidecars("caption", ending=".txt")],
            session=session,
            journal=Journal(Path("captions.csv.part"), "captions"),
        )

A later stage finds in `picture.values` what the earlier ones gave; all share one decoded image. With `one_at_a_time`
each stage goes over all pictures before the next one's model is loaded. A job that was killed goes on from its
journal; a picture that its outputs hold is skipped; a bad item is an `Outcome` and stops nothing. It never prints:
results, failures and progress go to callbacks, in the caller's thread.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial

from catalens.catalogue.sources import Entry, Item
from catalens.core.blas import one_blas_thread
from catalens.core.errors import AnswerError, CatalensError, InputError, ModelError
from catalens.core.types import Outcome, Record
from catalens.core.vectors import batched
from catalens.pipelines.events import SILENT, Callbacks, Event, JobReport, Progress, Tally, in_order
from catalens.pipelines.halving import each_half
from catalens.pipelines.journal import Journal, Key, Note
from catalens.pipelines.output import ContentOutput, Output, OutputRow, write_each
from catalens.pipelines.prefetch import map_ahead
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Stage, Values, record_of
from catalens.pipelines.work import Pass, Work, key_of

DECODING, WRITING = "decoding", "writing"
_LOOKUP = 16
"""Items that outputs are asked about at once."""
_CHUNK = 4
"""Pictures given to a thread at once, where many of them may need no decoding."""
_SMALL_AHEAD, _WHOLE_AHEAD = 64, 8
"""Pictures decoded before their turn: small ones, and whole ones of tens of megabytes each."""


def run_job(
    entries: Iterable[Entry],
    stages: Sequence[Stage],
    outputs: Sequence[Output] = (),
    *,
    session: Session | None = None,
    journal: Journal | None = None,
    one_at_a_time: bool = False,
    callbacks: Callbacks = SILENT,
) -> JobReport:
    """Run every stage for every picture, and give the results to every output, in the order of the entries.

    Args:
        entries: items, and outcomes for what is not one; with `one_at_a_time` they are iterated once per stage.
        stages: at least one; each is loaded when the first picture is there for it.
        outputs: where results go; a picture that all of them hold is skipped. Without any, nothing is skipped.
        session: hands out the models; None is a session of the bundled ones, for this job alone.
        journal: remembers what is done until the job is complete; None for jobs that need not be resumed.
        one_at_a_time: hold one stage's models at a time.
        callbacks: called with results, failures and progress.

    Raises:
        ModelError: a model cannot be loaded, or fails for one picture after the other.
        InputError: the journal is of another job.
        OSError: the journal, or an output as a whole, cannot be written.
    """
    started_s = time.perf_counter()
    models = session or Session()
    job = _Job(stages, outputs, journal, models.workers, callbacks.on_progress)
    tally = Tally(callbacks)
    ends = range(1, len(stages) + 1) if one_at_a_time else [len(stages)]
    try:
        start = 0
        for end in ends:
            events = job.run(entries, Pass(stages, start, end, models, hashed=bool(job.tracked)))
            # Later passes leave out what is settled, so only a single one meets every entry in order.
            for event in events if one_at_a_time else in_order(events):
                tally.count(event)
            start = end
            if one_at_a_time or session is None:
                models.unload()
        with job.timed(WRITING):
            for output in outputs:
                output.finish()
    finally:
        if journal is not None:
            journal.close()
    if journal is not None:
        journal.delete()
    elapsed_s = time.perf_counter() - started_s
    return JobReport(tally.done, job.skipped, tuple(tally.failures), elapsed_s, dict(job.seconds))


def stream(entries: Iterable[Entry], stages: Sequence[Stage], session: Session) -> Iterator[Event]:
    """Run every stage for every picture, and return what became of each, in the order of the entries, as it is ready.

    Raises:
        ModelError: a model cannot be loaded, or fails for one picture after the other.
    """
    job = _Job(stages, (), None, session.workers, None)
    return in_order(job.run(entries, Pass(stages, 0, len(stages), session, hashed=False)))


class _Job:
    """The state of one job; all of it belongs to the caller's thread."""

    def __init__(
        self,
        stages: Sequence[Stage],
        outputs: Sequence[Output],
        journal: Journal | None,
        workers: int,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._stages, self._outputs, self._journal = stages, outputs, journal
        self._workers, self._on_progress = workers, on_progress
        self.tracked = [output for output in outputs if isinstance(output, ContentOutput)]
        self._notes = journal.read() if journal is not None else {}
        self._settled: set[Key] = set()  # failed or skipped: not for later passes
        self._events: list[Event] = []
        self._met = self._in_a_row = 0
        self.skipped = 0
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self, entries: Iterable[Entry], work_pass: Pass) -> Iterator[Event]:
        """Bring every entry to where the stages of a pass are done; return failures, and in the last pass results."""
        self._met = 0
        started_s = time.perf_counter()
        waiting: list[Work] = []
        chunks = self._chunks(entries, work_pass)
        ahead = partial(self._ahead, work_pass)
        read = map_ahead(work_pass.read, chunks, workers=self._workers, ahead=ahead)
        with closing(read), closing(work_pass):
            while True:
                with self.timed(DECODING):
                    chunk = next(read, None)
                if chunk is None:
                    break
                waiting += self._readable(chunk)
                while len(waiting) >= work_pass.batch_size:
                    batch, waiting = waiting[: work_pass.batch_size], waiting[work_pass.batch_size :]
                    self._do(batch, work_pass)
                    self._tell(work_pass, started_s)
                yield from self._drained()
            self._do(waiting, work_pass)
            self._tell(work_pass, started_s)
            yield from self._drained()

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Count the time of a block."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += time.perf_counter() - started_s

    def _drained(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _tell(self, work_pass: Pass, started_s: float) -> None:
        if self._on_progress is not None:
            rate = self._met / max(time.perf_counter() - started_s, 1e-9)
            limit = max(self.seconds, key=lambda what: self.seconds[what], default=DECODING)
            self._on_progress(Progress(work_pass.name, self._met, rate, limit))

    def _ahead(self, work_pass: Pass) -> int:
        """Return how many chunks may be read before their turn: the next batch, and work for every thread."""
        images = min(work_pass.batch_size, _WHOLE_AHEAD if work_pass.size_wh is None else _SMALL_AHEAD)
        return -(-images // (_CHUNK if self.tracked else 1)) + self._workers

    def _chunks(self, entries: Iterable[Entry], work_pass: Pass) -> Iterator[list[Work]]:
        """Return the items that this pass has to do with, a few at a time."""
        for some in batched(entries, _LOOKUP if self.tracked else 1):
            ids = [entry.id for entry in some if isinstance(entry, Item)]
            held = self.tracked[0].fingerprints(ids) if self.tracked and ids else {}
            works = (self._work(entry, held, work_pass) for entry in some)
            yield from batched((work for work in works if work is not None), _CHUNK if self.tracked else 1)

    def _work(self, entry: Entry, held: Mapping[str, str], work_pass: Pass) -> Work | None:
        number, self._met = self._met, self._met + 1
        first = work_pass.start == 0
        if isinstance(entry, Outcome):
            if first:
                self._events.append(Event(number, Record(entry.id, entry.id), None, entry.error))
            return None
        note = self._notes.get(key_of(entry), Note(0, {}))
        work = Work(entry, number, note.done, dict(note.values), held.get(entry.id))
        if first and not self._is_wanted(work):
            return None
        # What has come to the source since the job's first pass is for the next job.
        if not first and (work.key in self._settled or work.done < work_pass.start):
            return None
        work_pass.load_steps(work)
        return work

    def _is_wanted(self, work: Work) -> bool:
        try:
            if not self._outputs or not all(output.holds(record_of(work.item)) for output in self._outputs):
                return True
            self._skip(work)
        except InputError as error:
            self._fail(work, error)
        return False

    def _skip(self, work: Work) -> None:
        self.skipped += 1
        self._settled.add(work.key)
        self._events.append(Event(work.number, record_of(work.item), None))

    def _readable(self, works: Sequence[Work]) -> list[Work]:
        """Return the items that were read; failures are reported, and what has not changed is skipped."""
        good: list[Work] = []
        for work in works:
            if work.error is not None:
                self._fail_with(work, work.error)
            elif self.tracked and work.is_unchanged:
                self._skip(work)
            else:
                good.append(work)
        return good

    def _do(self, works: Sequence[Work], work_pass: Pass) -> None:
        if not works:
            return
        if self.tracked:
            self._take_stored([work for work in works if work.is_same_picture])
        before = [work.done for work in works]
        for number in range(work_pass.start, work_pass.end):
            self._advance(number, [work for work in works if work.done == number], work_pass)
        further = [work for work, done in zip(works, before, strict=True) if work.done > done]
        if self._journal is not None:
            self._journal.append([(work.key, Note(work.done, work.values)) for work in further])
        self._hand_on([work for work in works if work.done == work_pass.end], work_pass)

    def _take_stored(self, works: Sequence[Work]) -> None:
        """Take the values of pictures that have not changed from the output."""
        stored = self.tracked[0].stored([work.item.id for work in works])
        for work in works:
            work.values.update(stored[work.item.id])
            work.done = len(self._stages)

    def _advance(self, number: int, works: Sequence[Work], work_pass: Pass) -> None:
        """Run one stage for some items."""

        def run(works: Sequence[Work]) -> list[tuple[Work, Values | CatalensError]]:
            with one_blas_thread():
                found = work_pass.steps[number].run([work.picture() for work in works])
            if len(found) != len(works):
                name = self._stages[number].name
                raise ModelError(f"{name}: {len(found)} results were returned for {len(works)} pictures")
            return list(zip(works, found, strict=True))

        if not works:
            return
        most = work_pass.steps[number].max_failures
        with self.timed(self._stages[number].name):
            for work, found in each_half(run, works, Exception, partial(self._fail_in_a_row, most=most)):
                if isinstance(found, CatalensError):
                    self._fail_in_a_row(work, found, most)
                else:
                    work.values.update(found)
                    work.done += 1
                    self._in_a_row = 0

    def _fail_in_a_row(self, work: Work, error: Exception, most: int) -> None:
        """Note a failure of a stage; give up where it is the model that fails each time, not its answers."""
        if isinstance(error, AnswerError):
            self._in_a_row = 0
        elif isinstance(error, ModelError):
            self._in_a_row += 1
        if self._in_a_row >= most:
            raise ModelError(f"stopped after {most} failures in a row; the last: {error}") from error
        self._fail(work, error)

    def _hand_on(self, works: Sequence[Work], work_pass: Pass) -> None:
        if not work_pass.is_last:
            self._notes |= {work.key: Note(work.done, work.values) for work in works}
            return
        for output in self._outputs:
            works = self._written(output, works)
        self._events += [Event(work.number, record_of(work.item), work.values) for work in works]

    def _written(self, output: Output, works: Sequence[Work]) -> Sequence[Work]:
        """Pass results to an output, and return those that it accepted."""

        def row(work: Work) -> OutputRow:
            return OutputRow(record_of(work.item), work.values, work.content_hash)

        with self.timed(WRITING):
            return write_each(output, works, row, self._fail)

    def _fail(self, work: Work, error: Exception) -> None:
        self._fail_with(work, str(error) or type(error).__name__)

    def _fail_with(self, work: Work, reason: str) -> None:
        self._settled.add(work.key)
        name = work.item.source
        reason = reason if reason.startswith(name) else f"{name}: {reason}"
        self._events.append(Event(work.number, record_of(work.item), None, reason))
