"""Where results and messages go: results to standard output, everything else to standard error.

Everything that is printed passes through here, and no control character passes: text from file names, tables, models
and servers can neither move the cursor nor recolour, retitle or answer for the terminal.
"""

from __future__ import annotations

import codecs
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from catalens.core.errors import InputError
from catalens.core.files import save_image_atomically
from catalens.core.json_text import rounded
from catalens.core.printing import printable
from catalens.core.redaction import redact
from catalens.settings import SECRETS

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image
    from rich.console import Console
    from rich.table import Table


class Update(Protocol):
    """Reports the progress of a job."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Take the items done, the total if it is known, and a note to show beside them."""


def message(text: str) -> str:
    """Return a message as it may be shown: without credentials and control characters, whoever wrote it."""
    return printable(redact(text, (os.environ.get(name, "") for name in SECRETS)))


def wants_json(flag: bool) -> bool:
    """Return whether to write JSON lines: when asked for, and whenever standard output is not a terminal."""
    return flag or not sys.stdout.isatty()


def emit(row: Mapping[str, Any]) -> None:
    """Write one JSON line and flush it: a reader behind a pipe waits for it.

    The line is UTF-8; where standard output has another encoding, everything beyond ASCII is escaped, which every
    reader of JSON understands.

    Raises:
        InputError: standard output cannot be written, such as to a full disk.
    """
    line = printable(json.dumps(row, ensure_ascii=not _is_utf8(sys.stdout.encoding)))
    with standard_output():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@cache
def messages() -> Console:
    """Return the console of standard error: one for all, so that messages and bars do not overwrite each other."""
    return _console(stderr=True)


def say(text: str, *, style: str = "") -> None:
    """Print a message, which is not a result, to standard error; where that cannot be written, nobody reads it."""
    with suppress(OSError):
        messages().print(message(text), style=style, markup=False, soft_wrap=True)


def save_image(image: Image, path: Path) -> None:
    """Write an image in the format of its suffix, and say so.

    Raises:
        InputError: the suffix is not that of an image, or the file cannot be written.
    """
    save_image_atomically(image, path)
    say(f"written: {path}")


class _Notes(logging.Handler):
    """Prints what the library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage(), style="yellow")


def listen() -> None:
    """From now on, print what the library logs, such as that a text is too long to be encoded whole."""
    log = logging.getLogger("catalens")
    if not any(isinstance(each, _Notes) for each in log.handlers):
        log.addHandler(_Notes())


def show(*things: Table | str) -> None:
    """Print tables and lines for a person; text is printed as it is, never read as markup.

    Raises:
        InputError: standard output cannot be written, such as to a full disk.
    """
    from rich.markup import escape

    console = _console(stderr=False)
    with standard_output():
        for thing in things:
            console.print(escape(printable(thing)) if isinstance(thing, str) else thing)
        sys.stdout.flush()


def show_rows(rows: Iterable[Sequence[object]], *columns: str, title: str | None = None) -> None:
    """Print rows as one table; a column named with a trailing `#` holds numbers, and a cell may be a styled Text."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(column.removesuffix("#"), justify="right" if column.endswith("#") else "left")
    for row in rows:
        made.add_row(*(value if isinstance(value, Text) else Text(_cell(value)) for value in row))
    show(made)


def report(
    rows: Sequence[Mapping[str, Any]],
    *,
    as_json: bool,
    title: str | None = None,
    heads: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Print rows of the same values as JSON lines, or as one table.

    Args:
        rows: values by name; floats are rounded to four places in JSON lines, and to three in the table.
        as_json: print JSON lines.
        title: of the table.
        heads: headings of columns that are not called what the value is called.
    """
    if as_json:
        for row in rows:
            emit(rounded(row))
    elif rows:
        numbers = {name for row in rows for name, value in row.items() if isinstance(value, int | float)}
        columns = (f"{heads.get(name, name.replace('_', ' '))}{'#' if name in numbers else ''}" for name in rows[0])
        show_rows([tuple(row.values()) for row in rows], *columns, title=title)


@contextmanager
def progress(what: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Update]:
    """Show a progress bar on standard error while the block runs.

    Args:
        what: what is being done.
        total: the number of items, if known.
        quiet: no bar where standard output is a terminal too, which then shows results as they come.

    Yields:
        A function that takes the progress.
    """
    if not sys.stderr.isatty() or (quiet and sys.stdout.isatty()):
        yield _no_update
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    ]
    # Results go to standard output while the bar turns, and must not be drawn into standard error.
    with Progress(*columns, console=messages(), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(what, total=total)

        def update(done: int, total: int | None = None, note: str = "") -> None:
            bar.update(task, completed=done, total=total, description=f"{what} {note}".rstrip())

        yield update


@contextmanager
def resumable() -> Iterator[None]:
    """Say after an interrupt that the same command continues."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("stopped; the same command continues from here") from error


def _no_update(done: int, total: int | None = None, note: str = "") -> None:
    """Show no progress."""


def _console(*, stderr: bool) -> Console:
    """Return a console that escapes control characters in whatever is rendered, and replaces what it cannot encode."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class SafeConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                if segment.control:  # the console's own: bars move the cursor
                    yield segment
                else:
                    text = printable(segment.text).encode(self.encoding, "replace").decode(self.encoding)
                    yield Segment(text, segment.style)

    return SafeConsole(stderr=stderr, highlight=False)


@contextmanager
def standard_output() -> Iterator[None]:
    """Name standard output where it cannot be written; a reader that left is not an error here.

    Raises:
        InputError: it is full, closed or cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable(error) from error


def unwritable(error: OSError) -> InputError:
    """Return the error that standard output cannot be written; what Python still flushes to it is lost."""
    discard_output()
    return InputError(f"standard output cannot be written: {reason_of(error)}")


def reason_of(error: OSError) -> str:
    """Return the reason of the system, as it stands in a sentence."""
    return (error.strerror or str(error)).lower()


def discard_output() -> None:
    """Redirect what Python still flushes at exit, which would fail again, to the null device."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_utf8(encoding: str | None) -> bool:
    return codecs.lookup(encoding or "ascii").name in {"utf-8", "utf-8-sig"}


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "" if value is None else printable(str(value))
