"""The `catalens` command: arguments in, calls, printing, exit codes; no logic of its own.

A command's module is imported when it runs (`registry`), and imports what is heavy inside the command, so that help
pages come at once.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from catalens.cli import output
from catalens.cli.commands import CommandGroup, examples
from catalens.cli.registry import Click, Commands, line
from catalens.core.confinement import restrict_reading
from catalens.core.errors import CatalensError, InputError
from catalens.core.process import INTERRUPTED, STANDARD_OUTPUT, end_interrupted, interrupts
from catalens.settings import KNOWN, Settings

FAULT = 4
"""The exit code of a fault in the program: Python's own, 1, would say that some items failed."""


class _Edge(CommandGroup):
    """The group that loads a command when it runs, and turns errors into one sentence and an exit code."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - Click's own arguments
        super().__init__(**{**attributes, "commands": Commands()})

    def list_commands(self, ctx: Click) -> list[str]:  # noqa: ARG002 - Click's signature
        """Return the names of all commands."""
        return list(self.commands)

    def get_command(self, ctx: Click, cmd_name: str) -> Click:  # noqa: ARG002 - Click's signature
        """Return a command for help pages and shell completion, which show its name and what it does."""
        return line(cmd_name)

    def resolve_command(self, ctx: Click, args: list[str]) -> tuple[str | None, Click, list[str]]:
        """Return the command that is to run; `tag learn` is one beside `tag PICTURES`."""
        joined = " ".join(args[:2])
        name, _, rest = super().resolve_command(ctx, [joined, *args[2:]] if joined in self.commands else args)
        return name, name and self.commands[name], rest

    def parse_args(self, ctx: Click, args: list[str]) -> list[str]:
        """Let `--root` stand behind a command too: it is about all that is read."""
        args = [_text(each) for each in args]
        until = args.index("--") if "--" in args else len(args)
        for place, word in enumerate(args[:until]):
            if word == "--root" or word.startswith("--root="):
                end = place + 2 if word == "--root" else place + 1
                args = [*args[place:end], *args[:place], *args[end:]]
                break
        return super().parse_args(ctx, args)

    def make_context(self, *args: Any, **options: Any) -> Click:  # noqa: ANN401 - Click's own arguments
        with _edge():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Click) -> Click:
        with _edge():
            try:
                interrupts.allow(raising=True)
                return super().invoke(ctx)
            finally:
                interrupts.allow(raising=False)


def _text(argument: str) -> str:
    """Return an argument as text, read as UTF-8 where the locale is another; a name of a file as it is.

    Raises:
        InputError: it is neither.
    """
    try:
        argument.encode()
    except UnicodeEncodeError:
        if os.path.exists(argument):  # noqa: PTH110 - never raises, whatever the name
            return argument
        try:
            return argument.encode("utf-8", "surrogateescape").decode()
        except UnicodeError as error:
            raise InputError(f"{argument!r} is not UTF-8 text; type it in a terminal that uses UTF-8") from error
    return argument


@contextmanager
def _edge() -> Iterator[None]:
    """Turn the program's own errors, Ctrl-C and outputs that cannot be written into a sentence and an exit code."""
    try:
        yield
    except KeyboardInterrupt as error:
        output.say(str(error) or "interrupted", style="yellow")
        raise typer.Exit(INTERRUPTED) from error
    except BrokenPipeError as error:
        # The reader (`| head -1`) has what it wanted.
        output.discard_output()
        raise typer.Exit(0) from error
    except (CatalensError, OSError) as error:
        if _debugging() or _exit_code(error) == FAULT:
            raise
        if interrupts.seen:  # a library's error that an interrupt caused
            end_interrupted()
        output.say(f"error: {_sentence(error)}", style="red")
        raise typer.Exit(_exit_code(error)) from error


def _sentence(error: CatalensError | OSError) -> str:
    if isinstance(error, CatalensError):
        return str(error)
    if error.filename == STANDARD_OUTPUT:
        return str(output.unwritable(error))
    return f"{error.filename}: {output.reason_of(error)}"


def _exit_code(error: Exception) -> int:
    if isinstance(error, CatalensError):
        return 2 if isinstance(error, InputError) else 3  # 3: the model or the catalogue
    return 2 if isinstance(error, OSError) and error.filename is not None else FAULT


def _debugging() -> bool:
    return os.environ.get("CATALENS_DEBUG", "") not in {"", "0"}


def _version(wanted: bool) -> None:
    if wanted:
        from catalens import __version__

        typer.echo(f"catalens {__version__}")
        raise typer.Exit


VARIABLES = "\n".join(f"  [cyan]{name}[/]  {about}" for name, about in KNOWN.items())
app = typer.Typer(
    cls=_Edge,
    name="catalens",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "catalens demo",
        "catalens tag photo.jpg",
        "catalens caption photos/ --sidecar .txt",
        'catalens ask photo.jpg "what colour is it?"',
        "catalens index add shop.catalens photos/",
        'catalens search shop.catalens "red striped t-shirt"',
    )
    + "\n\n[bold]Exit codes:[/]\n  0 done · 1 some items failed · 2 wrong input · 3 the model or the catalogue failed"
    + " · 4 a fault of Catalens itself, with its traceback"
    + f"\n\n[bold]Environment:[/]\n{VARIABLES}",
)


@app.callback()
def every_command(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),  # noqa: ARG001 - its callback acts
    root: Path | None = typer.Option(
        None,
        "--root",
        metavar="FOLDER",
        help="Read pictures, tables and sources only inside this folder, whatever a table names; "
        "also accepted after a command.",
        show_default=False,
    ),
) -> None:
    """Turn pictures into usable words: tags, captions, answers, prompts, descriptions and a searchable catalogue."""
    restrict_reading(root or Settings.from_env(os.environ).root)


def main() -> None:
    """Run the command line; a fault of the program shows its traceback and has an exit code of its own."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # help and tables lose a letter rather than fail
            stream.reconfigure(errors="replace")
    code = _run()
    try:
        with output.standard_output():
            sys.stdout.flush()
    except BrokenPipeError:
        output.discard_output()
    except InputError as error:
        output.say(f"error: {error}", style="red")
        code = 2
    sys.exit(code)


def _run() -> int | str | None:
    try:
        app()
    except SystemExit as ended:
        return 0 if isinstance(ended.__context__, BrokenPipeError) else ended.code  # rich makes it 1
    except Exception as error:  # noqa: BLE001 - whatever it is, no script may take it for items that failed
        if interrupts.seen:  # libraries turn it into errors of their own
            end_interrupted()
        output.say(traceback.format_exc().rstrip())
        code = _exit_code(error)
        if code == FAULT:
            output.say("error: this is a fault of Catalens; please report it with the lines above", style="red")
        return code
    return 0
