"""Flags that several commands share, and the one way their help shows examples."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from catalens.cli import output
from catalens.settings import Settings

if TYPE_CHECKING:
    from catalens.pipelines.session import Session

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
    str | None, typer.Option(help="Comma-separated texts, or a text file with one per line.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON lines, also on a terminal.")]
Calibrated = Annotated[
    Path | None,
    typer.Option("--calibration", help="Thresholds that `catalens tag learn` wrote.", show_default=False),
]
Catalogue = Annotated[
    str,
    typer.Argument(
        metavar="CATALOGUE", help="File of the catalogue, or opensearch://HOST/INDEX or postgresql://HOST/DB."
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        help="Only records whose fields pass, such as 'colour = \"Red\" and price < 500'.", show_default=False
    ),
]
Table = Annotated[
    Path,
    typer.Argument(metavar="TABLE", help="Table with a picture and its labels in each row."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="GROUP=COLUMN",
        help="Column with a group's values, if it has another name; may be repeated.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Encoder: a name from `catalens models`, a hub id, also NAME@REVISION, or a folder.",
    ),
]

ReaderModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Reader, which captions and answers: a name from `catalens models`, also NAME@REVISION, or a folder.",
    ),
]

TimeoutFlag = Annotated[
    float,
    typer.Option("--timeout", min=0.1, help="Timeout of one request to a server, in seconds."),
]
QuantiseFlag = Annotated[
    Literal["8bit", "4bit"] | None,
    typer.Option(
        "--quantise",
        help="Quantise the reader's weights; for models that run on torch.",
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


def session_for(
    model: str | None = None,
    reader: str | None = None,
    *,
    quantise: Literal["8bit", "4bit"] | None = None,
    device: str | None = None,
    timeout_s: float = 60.0,
    workers: int | None = None,
) -> Session:
    """Return a session of the models that flags name, or the environment; messages go to the terminal."""
    from catalens.core.content import Limits
    from catalens.pipelines.session import Session, SessionConfig

    output.listen()
    now = settings()
    config = SessionConfig(
        encoder=model or now.model,
        reader=reader or now.reader,
        device=device,
        workers=workers,
        runtime=now.runtime,
        quantise=quantise,
        limits=Limits() if now.max_pixels is None else Limits(max_pixels=now.max_pixels),
        cache=now.cache,
        api_key=now.api_key,
        timeout_s=timeout_s,
    )
    return Session(config, on_notice=lambda notice: output.say(notice, style="yellow"))
