"""Commands over pictures: the flags of their outputs, and running their stages to results and exit codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from catalens.cli import inputs, output
from catalens.cli.tally import Tally

if TYPE_CHECKING:
    from catalens.catalogue.sources import Entry
    from catalens.cli.flags import RunFlags
    from catalens.core.protocols import Encoder
    from catalens.core.types import Record, Vectors
    from catalens.pipelines.destination import Destination
    from catalens.pipelines.events import Callbacks, JobReport, Progress
    from catalens.pipelines.journal import Journal
    from catalens.pipelines.output import Output
    from catalens.pipelines.pictures import NamedEntries
    from catalens.pipelines.session import Session
    from catalens.pipelines.stages import Stage, Values

Show = Callable[["Record", "Values"], None]
"""Prints one result for a person."""


@dataclass(frozen=True, slots=True)
class RowTable:
    """Results for a person as one table at the end.

    Attributes:
        columns: its headings; a trailing # means numbers.
        rows_of: returns the rows of one picture.
    """

    columns: Sequence[str]
    rows_of: Callable[[Record, Values], Iterable[Sequence[object]]]


def run_stages(
    pictures: Sequence[str] | NamedEntries,
    stages: Sequence[Stage],
    session: Session,
    destination: Destination,
    run: RunFlags,
    *,
    shown: Sequence[str],
    show: Show | RowTable,
) -> None:
    """Run stages over pictures, print what they find or where it was written, and end with 1 if some items failed.

    Args:
        pictures: as they were named, or entries.
        stages: what is done to each picture.
        session: the models.
        destination: where results go; nowhere: they are printed.
        run: memory limit, server, and whether JSON lines are printed also if results are written somewhere.
        shown: the values that JSON lines hold.
        show: prints a result for a person as soon as it is there, or the table of all at the end.

    Raises:
        InputError: no pictures, or flags that cannot be followed.
    """
    from catalens.pipelines.memory_plan import memory_bytes, must_take_turns, warn_of_memory
    from catalens.pipelines.stages import identity

    if run.server is not None:
        from catalens.cli.remote import stages_at

        stages = stages_at(stages, run.server)
    limit = memory_bytes(run.memory_limit) if run.memory_limit is not None else None
    one_at_a_time = must_take_turns(stages, session.config, limit)
    entries = inputs.entries(pictures) if isinstance(pictures, Sequence) else pictures
    outputs = destination.outputs()
    journal = destination.journal(identity(stages, session), entries.names, session.config.cache)
    as_json = run.json or (not outputs and output.wants_json(run.json))

    rows: list[Sequence[object]] = []

    def result(record: Record, values: Values) -> None:
        if as_json:
            found = {name: values[name] for name in shown if name in values}
            output.emit({"id": record.id, "source": record.source, **found})
        elif isinstance(show, RowTable):
            rows.extend(show.rows_of(record, values) if not outputs else ())
        elif not outputs:
            show(record, values)

    tally = Tally(as_json=as_json)
    report = run_and_tell(
        entries, stages, session, outputs, tally, result, journal=journal, one_at_a_time=one_at_a_time
    )
    if rows and isinstance(show, RowTable):
        output.show_rows(rows, *show.columns)
    if written := destination.written(report.done, report.skipped):
        output.say(written)
    warn_of_memory(limit, session)
    tally.finish()


def run_and_tell(
    entries: Iterable[Entry],
    stages: Sequence[Stage],
    session: Session,
    outputs: Sequence[Output],
    tally: Tally,
    result: Show,
    *,
    journal: Journal | None = None,
    one_at_a_time: bool = False,
) -> JobReport:
    """Run stages with a progress bar and failures as they come; count both in the tally."""
    from catalens.pipelines.engine import run_job

    with following(session, tally, quiet=tally.as_json or not outputs, continues=journal is not None) as callbacks:
        report = run_job(
            entries,
            stages,
            outputs,
            session=session,
            journal=journal,
            one_at_a_time=one_at_a_time,
            callbacks=replace(callbacks, on_result=result),
        )
    tally.done = report.done + report.skipped
    return report


@contextmanager
def following(session: Session, tally: Tally, *, quiet: bool = True, continues: bool = False) -> Iterator[Callbacks]:
    """Show the progress of a job, and report its failures to the tally, while the block runs.

    Args:
        session: of the job; it tells what it loads.
        tally: counts the failures.
        quiet: no bar where standard output is a terminal too.
        continues: whether the same command goes on where it was stopped, which Ctrl-C then says.
    """
    from catalens.pipelines.events import Callbacks

    interrupts = output.resumable() if continues else nullcontext()
    with output.progress("reading pictures", quiet=quiet) as update, interrupts:

        def tell(progress: Progress) -> None:
            update(progress.done, note=f"for {progress.what}, {progress.items_per_s:.1f}/s")

        session.on_progress = lambda what, done, total: update(done, total, note=f"· {what}")
        yield Callbacks(on_failure=tally.fail, on_progress=tell)


def encode_all(
    entries: Iterable[Entry], encoder: Encoder, session: Session, tally: Tally
) -> tuple[list[Record], Vectors]:
    """Encode every picture that can be read: n records and (n, dim) vectors, in order; failures are reported."""
    from catalens.pipelines.encoding import encode_entries

    with following(session, tally) as callbacks:
        records, vectors = encode_entries(entries, encoder, session, callbacks)
    tally.done = len(records)
    return records, vectors
