"""Decoding flags, shared by every command in which a reader writes."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Decoding

_PANEL = "Decoding"

MaxTokensFlag = Annotated[int, typer.Option("--max-tokens", min=1, help="Maximum new tokens.", rich_help_panel=_PANEL)]
MinTokensFlag = Annotated[int, typer.Option("--min-tokens", min=0, help="Minimum new tokens.", rich_help_panel=_PANEL)]
BeamsFlag = Annotated[
    int,
    typer.Option("--beams", min=1, help="Beam width.", rich_help_panel=_PANEL),
]
TemperatureFlag = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        help="Sampling temperature; without one, the likeliest token is taken.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
TopPFlag = Annotated[
    float,
    typer.Option(
        "--top-p",
        help="Nucleus sampling: probability mass to sample from, with a temperature.",
        rich_help_panel=_PANEL,
    ),
]
SeedFlag = Annotated[
    int,
    typer.Option("--seed", min=0, help="Random seed, with a temperature.", rich_help_panel=_PANEL),
]
RepetitionPenaltyFlag = Annotated[
    float,
    typer.Option("--repetition-penalty", help="Penalty on repeated tokens; 1 is none.", rich_help_panel=_PANEL),
]


def decoding_of(count: int = 1, **flags: Any) -> Decoding:  # noqa: ANN401 - one per attribute of Decoding
    """Return how a reader is to decode, as the flags say.

    Args:
        count: texts per picture.
        flags: attributes of `Decoding`.

    Raises:
        InputError: the flags make no sense, or one of them would do nothing; the message names it.
    """
    from catalens.core.types import Decoding
    from catalens.models.readers.checks import check_decoding

    decoding = Decoding(**flags)
    check_decoding(decoding, count)
    idle = [flag for flag in changed(decoding) if flag in ("--top-p", "--seed")]
    if decoding.temperature is None and idle:
        raise InputError(f"{idle[0]} goes with --temperature: without it, nothing is sampled")
    return decoding


def changed(decoding: Decoding) -> list[str]:
    """Return the flags whose value is not the default.

    >>> from catalens.core.types import Decoding
    >>> changed(Decoding(beams=3, top_p=0.9))
    ['--beams', '--top-p']
    """
    names = [each.name for each in fields(decoding) if getattr(decoding, each.name) != each.default]
    return [f"--{name.replace('_', '-')}" for name in names]
