"""Where results and messages go: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class Update(Protocol):
    """Says how far a job is."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Take items done, items in all where that became known, and what there is to say of them."""


def wants_json(flag: bool) -> bool:
    """JSON lines when asked for, and whenever no person is looking."""
    return flag or not sys.stdout.isatty()


def emit(row: Mapping[str, Any]) -> None:
    """Write one JSON line, at once: a reader behind a pipe waits for it."""
    sys.stdout.write(_printable(json.dumps(row, ensure_ascii=False)) + "\n")
    sys.stdout.flush()


@cache
def messages() -> Console:
    """Return the console of standard error: one for all, so that messages and bars do not overwrite each other."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(text: str, *, style: str = "") -> None:
    """Tell the person something that is no result."""
    messages().print(text, style=style, markup=False, soft_wrap=True)


class _Notes(logging.Handler):
    """Tells the person what the library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage(), style="yellow")


def listen() -> None:
    """From now on, tell the person what the library has to say, such as that a text is too long to be read whole."""
    log = logging.getLogger("catalens")
    if not any(isinstance(each, _Notes) for each in log.handlers):
        log.addHandler(_Notes())


def table(*columns: str, title: str | None = None) -> Table:
    """Start a table in the one style used everywhere; a column named with a trailing `#` holds numbers."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(column.removesuffix("#"), justify="right" if column.endswith("#") else "left")
    return made


def show(*things: Table | str) -> None:
    """Print tables and lines for a person; text is printed as it is, never read as markup."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    for thing in things:
        console.print(escape(thing) if isinstance(thing, str) else thing)


def show_rows(rows: Iterable[Sequence[object]], *columns: str, title: str | None = None) -> None:
    """Print rows as one table."""
    from rich.text import Text

    made = table(*columns, title=title)
    for row in rows:
        made.add_row(*(Text(_cell(value)) for value in row))
    show(made)


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else _printable(str(value))


def _printable(text: str) -> str:
    """Escape the bytes of a file's name that are no text; in JSON, the escape means the same."""
    return text.encode(errors="backslashreplace").decode()


def rounded(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Round the floats of a row to what was measured and no more."""
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in numbers.items()}


@contextmanager
def progress(what: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Update]:
    """Show a bar on standard error while the block runs; give a function that says how far things are.

    Args:
        what: what is being done.
        total: how many items there are, if known.
        quiet: no bar: the terminal is wanted for results that come as they are ready.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    ]
    hidden = not sys.stderr.isatty() or (quiet and sys.stdout.isatty())
    # Results go to standard output while the bar turns, and must not be drawn into standard error.
    with Progress(*columns, console=messages(), transient=True, disable=hidden, redirect_stdout=False) as bar:
        task = bar.add_task(what, total=total)

        def update(done: int, total: int | None = None, note: str = "") -> None:
            bar.update(task, completed=done, total=total, description=f"{what} {note}".rstrip())

        yield update
