"""How a reader draws its words: the flags of every command that lets one write, and what they come to."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Decoding

_PANEL = "How words are drawn"

MaxTokensFlag = Annotated[
    int, typer.Option("--max-tokens", min=1, help="At most so many pieces of words.", rich_help_panel=_PANEL)
]
MinTokensFlag = Annotated[
    int, typer.Option("--min-tokens", min=0, help="At least so many pieces of words.", rich_help_panel=_PANEL)
]
BeamsFlag = Annotated[
    int,
    typer.Option(
        "--beams", min=1, help="Beginnings that are kept, for the likeliest whole text.", rich_help_panel=_PANEL
    ),
]
TemperatureFlag = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        help="Draw words by chance; above 1 bolder, below 1 safer.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
TopPFlag = Annotated[
    float,
    typer.Option(
        "--top-p",
        help="With a temperature: draw from the likeliest words that make up this share.",
        rich_help_panel=_PANEL,
    ),
]
SeedFlag = Annotated[
    int,
    typer.Option("--seed", min=0, help="With a temperature: where chance comes from.", rich_help_panel=_PANEL),
]
RepetitionPenaltyFlag = Annotated[
    float,
    typer.Option(
        "--repetition-penalty", help="Above 1: words that were said become less likely.", rich_help_panel=_PANEL
    ),
]


def check_flags(decoding: Decoding, count: int = 1) -> None:
    """Refuse a way of drawing words that makes no sense, or of which a part would do nothing.

    Args:
        decoding: as the flags say.
        count: texts for each picture.

    Raises:
        InputError: it is so; the message names the flag or the number.
    """
    from catalens.models.readers.checks import check_decoding

    check_decoding(decoding, count)
    idle = [flag for flag in changed(decoding) if flag in ("--top-p", "--seed")]
    if decoding.temperature is None and idle:
        raise InputError(f"{idle[0]} goes with --temperature: without it, nothing is drawn by chance")


def changed(decoding: Decoding) -> list[str]:
    """Return the flags of which another value than the usual was given.

    >>> from catalens.core.types import Decoding
    >>> changed(Decoding(beams=3, top_p=0.9))
    ['--beams', '--top-p']
    """
    names = [each.name for each in fields(decoding) if getattr(decoding, each.name) != each.default]
    return [f"--{name.replace('_', '-')}" for name in names]
