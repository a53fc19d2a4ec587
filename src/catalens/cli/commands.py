"""How functions become commands: the examples of their help pages, and flags that come in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, cleandoc, signature
from typing import Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from catalens.cli.conversion import convert_lazily
from catalens.cli.help_pages import import_renderer

Command = TypeVar("Command", bound=Callable[..., None])
DECLARED: dict[Callable[..., None], tuple[str | None, str]] = {}
"""Function → its name as a command, where that is another, and its epilog."""


class _Page:
    """A help page without what Typer imports for nothing, and without types for switches, which take no value."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401 - Click's, which Typer keeps to itself
        """Return the parameters, those that Click adds included; after `--json <bool>` a value would be expected."""
        parameters = super().get_params(ctx)  # type: ignore[misc]  # of the class of Typer that comes after this one
        for each in parameters:
            if getattr(each, "is_flag", False):
                each.metavar = ""
            convert_lazily(each)
        return parameters

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - Click's
        """Render the help page."""
        import_renderer()
        super().format_help(ctx, formatter)  # type: ignore[misc]  # as above


class _Command(_Page, TyperCommand):
    """A command with such a page."""


class CommandGroup(_Page, TyperGroup):
    """A group of commands with such pages."""


def paragraphs(text: str) -> str:
    r"""Return a docstring with a line per paragraph, for the terminal breaks lines at its own width.

    >>> paragraphs("Do it.\n\nOnce\nand again.")
    'Do it.\n\nOnce and again.'
    """
    return "\n\n".join(" ".join(each.split()) for each in cleandoc(text).split("\n\n"))


def examples(*commands: str) -> str:
    """Return the epilog that teaches by example."""
    # Square brackets of an example are not markup.
    lines = (f"  [green]{command.replace('[', chr(92) + '[')}[/]" for command in commands)
    return "\n".join(["[bold]Examples:[/]", *lines])


def command(*lines: str, name: str | None = None) -> Callable[[Command], Command]:
    """Declare a function to be a command.

    A parameter may be a group of flags: a dataclass whose attributes are flags, declared as parameters are.

    Args:
        lines: the examples of its help page.
        name: its name, where the function has another.
    """

    def declare(function: Command) -> Command:
        DECLARED[function] = (name, examples(*lines))
        return function

    return declare


def add_commands(app: typer.Typer, *functions: Callable[..., None]) -> None:
    """Add functions that were declared to be commands, in this order."""
    for function in functions:
        name, epilog = DECLARED[function]
        about = paragraphs(function.__doc__ or "")
        app.command(name, cls=_Command, help=about, epilog=epilog)(_ungrouped(function))


def _ungrouped(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function with one parameter per flag, which is what Typer reads."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    flags = [flag for each in signature(function).parameters.values() for flag in _flags(each, hints[each.name])]

    @wraps(function)
    def run(**given: Any) -> None:  # noqa: ANN401 - values of flags
        for name, group in groups.items():
            given[name] = group(**{each.name: given.pop(each.name) for each in fields(group)})
        function(**given)

    run.__annotations__ = {each.name: each.annotation for each in flags}
    vars(run)["__signature__"] = Signature(flags)
    return run


def _flags(parameter: Parameter, hint: Any) -> Iterator[Parameter]:  # noqa: ANN401 - any type
    """Yield a parameter, or one for each flag of its group."""
    if not is_dataclass(hint):
        yield parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hint)
        return
    hints = get_type_hints(hint, include_extras=True)
    for each in fields(hint):
        default = Parameter.empty if each.default is MISSING else each.default
        yield Parameter(each.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[each.name])


def command_group(
    about: str, *lines: str, commands: Sequence[Callable[..., None]], kind: type[CommandGroup] = CommandGroup
) -> typer.Typer:
    """Return a group of commands that were declared; `about` and the examples are its help page."""
    group = typer.Typer(cls=kind, no_args_is_help=True, help=about, epilog=examples(*lines))
    add_commands(group, *commands)
    return group
