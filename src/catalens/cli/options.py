"""Flags that several commands share, and the one way their help shows examples."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from catalens.cli import output
from catalens.settings import Settings

if TYPE_CHECKING:
    from catalens.core.protocols import Encoder
    from catalens.models.readers import Reader

Pictures = Annotated[
    list[str],
    typer.Argument(
        metavar="PICTURES",
        help="Files, folders, patterns such as 'shots/*.jpg', tables, or - for bytes from standard input.",
        show_default=False,
    ),
]
PicturesOrNone = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PICTURES",
        help="Files, folders, patterns such as 'shots/*.jpg', tables, or -.",
        show_default=False,
    ),
]
Texts = Annotated[
    str | None, typer.Option(help="Texts between commas, or a text file with one a line.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines, also on a terminal.")]
Calibrated = Annotated[
    Path | None,
    typer.Option("--calibration", help="Thresholds that `catalens tag learn` wrote.", show_default=False),
]
Catalogue = Annotated[Path, typer.Argument(metavar="CATALOGUE", help="The catalogue's file.")]
Where = Annotated[
    str | None,
    typer.Option(
        help="Only records whose fields pass, such as 'colour = \"Red\" and price < 500'.", show_default=False
    ),
]
Table = Annotated[
    Path,
    typer.Argument(metavar="TABLE", help="A table that names a picture and says what is on it, row by row."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="GROUP=COLUMN",
        help="The column that holds a group's values, where it has another name; may be given several times.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Encoder: a name from `catalens models` or any of the hub, also as NAME@REVISION, or a folder.",
    ),
]

ReaderModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Reader, which captions and answers: a name from `catalens models`, also as NAME@REVISION, or a folder.",
    ),
]

QuantiseFlag = Annotated[
    Literal["8bit", "4bit"] | None,
    typer.Option(
        "--quantise",
        help="Keep the reader's weights in so few bits; for models that torch runs here.",
        show_default=False,
    ),
]


def examples(*commands: str) -> str:
    """Return the epilog that teaches by example."""
    return "\n".join(["[bold]Examples:[/]", *(f"  [green]{_plain(command)}[/]" for command in commands)])


def _plain(text: str) -> str:
    """Keep square brackets of an example from being read as markup."""
    return text.replace("[", "\\[")


def settings() -> Settings:
    """Return what the environment says."""
    return Settings.from_env(os.environ)


def encoder_for(model: str | None) -> Encoder:
    """Load the encoder that was named, or the environment's."""
    from catalens.models.registry import load_encoder

    output.listen()
    now = settings()
    return load_encoder(model or now.model, runtime=now.runtime, cache=now.cache)


def reader_name(model: str | None) -> str:
    """Return the name of the reader that was asked for, or the environment's."""
    return model or settings().reader


def reader_for(model: str | None, quantise: Literal["8bit", "4bit"] | None = None) -> Reader:
    """Load the reader that was named, or the environment's."""
    from catalens.models.readers import load_reader

    return load_reader(reader_name(model), quantise=quantise, api_key=settings().api_key)


def label_folder() -> Path:
    """Return the folder where encoded labels are kept."""
    return settings().cache / "labels"
