"""Jobs that turn every picture into words: their flags, where results go, what a person is told."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from catalens.cli import inputs, output
from catalens.cli.encoding import Tally
from catalens.cli.options import settings
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.engine import Journal, Output, Stage, Values

IfExists = Literal["skip", "overwrite", "append", "prepend"]

_PANEL = "Where it goes"

SidecarFlag = Annotated[
    str | None,
    typer.Option(
        "--sidecar",
        metavar="ENDING",
        help="Write a text file beside each picture, with a name that ends so: .txt, .caption …",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
IntoFlag = Annotated[
    Path | None,
    typer.Option(
        "--into",
        metavar="FOLDER",
        help="Put the text files there instead of beside the pictures.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
OutputFlag = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="TABLE",
        help="Write a table: a name that ends in .csv, .tsv, .jsonl or .parquet.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
ColumnsFlag = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="NAMES",
        help="The table's columns, between commas; file_name=image gives one another name.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
IfExistsFlag = Annotated[
    IfExists,
    typer.Option(
        "--if-exists",
        help="What to do with a picture that has its text there already.",
        rich_help_panel=_PANEL,
    ),
]
MemoryLimitFlag = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        metavar="SIZE",
        help="Hold one model at a time, and say so if even that took more, such as 4GB.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]

_SIZES = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the results of a job go, as the flags say.

    Attributes:
        text: the name of the value that is the result.
        several: the name of the list of all such results of a picture, where there may be more than one: what text
            files hold, and a table too if it is among `known`.
        known: the names of all values that are for the user; a table may also have image, id and source.
        sidecar: the ending of text files; None for none.
        into: the folder for them.
        table: a file; None for none.
        columns: what the flag says; None takes image, `text`, and `several` if it is among `known`.
        if_exists: what to do with a text that is there.
    """

    text: str
    known: Sequence[str]
    several: str | None = None
    sidecar: str | None = None
    into: Path | None = None
    table: Path | None = None
    columns: str | None = None
    if_exists: IfExists = "skip"

    def outputs(self) -> list[Output]:
        """Make the outputs; what cannot be written is found here, before the work begins.

        Raises:
            InputError: flags that do not go together, or a table that cannot be used.
        """
        from catalens.pipelines.result_table import Table
        from catalens.pipelines.sidecars import Sidecars

        if self.into is not None and self.sidecar is None:
            raise InputError("--into goes with --sidecar: it says where the text files go")
        if self.columns is not None and self.table is None:
            raise InputError("--columns goes with --output: they are the table's")
        made: list[Output] = []
        if self.sidecar is not None:
            made.append(
                Sidecars(self.several or self.text, ending=self.sidecar, if_exists=self.if_exists, folder=self.into)
            )
        if self.table is not None:
            columns = self._columns()
            made.append(Table(self.table, self.text, several=self.several, columns=columns, if_exists=self.if_exists))
        return made

    def journal(self, job: object, pictures: Sequence[str]) -> Journal | None:
        """Return the journal of the job: beside its table, else in the cache.

        Args:
            job: everything that the results depend on beside the pictures, as JSON values.
            pictures: as they were named; what comes from standard input is another picture each time.
        """
        from catalens.pipelines.engine import Journal

        if inputs.STANDARD_INPUT in pictures or (self.table is None and self.sidecar is None):
            return None
        about = [job, self.sidecar, str(self.into), self.columns, self.if_exists]
        if self.table is not None:
            return Journal(self.table.with_name(f"{self.table.name}.part"), about)
        paths = [str(Path(name).absolute()) for name in pictures]
        digest = hashlib.sha256(json.dumps([about, paths]).encode()).hexdigest()[:32]
        return Journal(settings().cache / "jobs" / f"{digest}.part", about)

    def _columns(self) -> dict[str, str]:
        pairs = {"image": "", self.text: ""}
        if self.several is not None and self.several in self.known:
            pairs[self.several] = ""
        if self.columns is not None:
            pairs = {
                name.strip(): value.strip() for name, _, value in (p.partition("=") for p in self.columns.split(","))
            }
        columns = {name: value or name for name, value in pairs.items()}
        known = ["image", "id", "source", *self.known]
        for name in columns.values():
            if name not in known:
                raise InputError(f"--columns: there is no {name!r}; there are {', '.join(known)}")
        return columns


def run_words(
    pictures: Sequence[str],
    stages: Sequence[Stage],
    destination: Destination,
    *,
    job: object,
    memory_limit: str | None = None,
    json: bool = False,
    show: Callable[[Record, Values], None] | None = None,
) -> None:
    """Run a job over pictures, show what it finds or where it was written, and end with 1 if some items failed.

    Args:
        pictures: as they were named.
        stages: what is done; see `catalogue.jobs`.
        destination: where results go; nowhere: they are printed.
        job: everything that the results depend on beside the pictures, as JSON values.
        memory_limit: such as 4GB: one model at a time.
        json: print results as JSON lines, also if they are written somewhere.
        show: prints a result for a person as soon as it is there; None prints them all in one table at the end.

    Raises:
        InputError: no pictures, or flags that cannot be followed.
    """
    from catalens.pipelines.engine import run_job
    from catalens.pipelines.sidecars import lines

    limit = memory_size(memory_limit) if memory_limit is not None else None
    entries, outputs = inputs.entries(pictures), destination.outputs()
    journal = destination.journal(job, entries.names)
    as_json = json or (not outputs and output.wants_json(json))
    rows: list[tuple[str, str]] = []

    def give(record: Record, values: Values) -> None:
        if as_json:
            found = {name: values[name] for name in destination.known if name in values}
            output.emit({"id": record.id, "source": record.source, **found})
        elif not outputs and show is not None:
            show(record, values)
        elif not outputs:
            rows.append((record.id, lines(values[destination.several or destination.text])))

    tally = Tally(as_json=as_json)
    with output.progress("reading pictures", quiet=as_json) as update:
        try:
            report = run_job(
                entries,
                stages,
                outputs,
                journal=journal,
                one_at_a_time=limit is not None,
                on_result=give,
                on_progress=lambda what, met: update(met, note=f"for {what}"),
            )
        except KeyboardInterrupt:
            if journal is not None:
                output.say("stopped; the same command goes on from here", style="yellow")
            raise
    if rows:
        output.show_rows(rows, "picture", destination.text)
    tally.report(report.failures)
    tally.done = report.done + report.skipped
    _tell(destination, report.done, report.skipped, limit)
    tally.finish()


def memory_size(text: str) -> int:
    """Read a size in bytes.

    >>> memory_size("4GB"), memory_size("1.5 GiB")
    (4000000000, 1610612736)

    Raises:
        InputError: it is no size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text.strip())
    if found is None or found[2].upper() not in _SIZES:
        raise InputError(f"--memory-limit: {text!r} is no size; give one such as 4GB or 800MB")
    return int(float(found[1]) * _SIZES[found[2].upper()])


def _tell(destination: Destination, done: int, skipped: int, limit: int | None) -> None:
    where = [str(destination.table)] if destination.table is not None else []
    where += [f"{destination.sidecar} files"] if destination.sidecar is not None else []
    if where:
        there = f"; {skipped} pictures had one already" if skipped else ""
        output.say(f"{' and '.join(where)}: {done} {destination.text}{'' if done == 1 else 's'} written{there}")
    if limit is not None and (peak := _peak_bytes()) is not None and peak > limit:
        output.say(
            f"{peak / 1e9:.1f} GB of memory were taken at most, more than {limit / 1e9:.1f} GB; name a smaller model",
            style="yellow",
        )


def _peak_bytes() -> int | None:
    """Return the most memory that this process has held; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
