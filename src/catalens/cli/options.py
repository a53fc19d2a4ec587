"""Flags and arguments that several commands share, each by one name, and the session that they ask for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from catalens.cli import output
from catalens.settings import Settings

if TYPE_CHECKING:
    from catalens.pipelines.session import Session

_PICTURES = "Files, folders, patterns such as 'shots/*.jpg', tables, or -"
_CATALOGUE = "File of the catalogue, or opensearch://HOST/INDEX or postgresql://HOST/DB"
_READER = "Reader, which captions and answers: a name from `catalens models`, also NAME@REVISION, or a folder."
_ENCODER = "Encoder: a name from `catalens models`, a hub id, also NAME@REVISION, or a folder."

Pictures = Annotated[list[str], Argument(metavar="PICTURES", help=f"{_PICTURES} for bytes from standard input.")]
PicturesOrNone = Annotated[list[str] | None, Argument(metavar="PICTURES", help=f"{_PICTURES}.")]
Texts = Annotated[str | None, Option(help="Comma-separated texts, or a text file with one per line.")]
Table = Annotated[Path, Argument(metavar="TABLE", help="Table with a picture and its labels per row.")]
Columns = Annotated[
    list[str] | None,
    Option(
        "--column",
        metavar="GROUP=COLUMN",
        help="Column of a group that has another name; may be repeated.",
    ),
]
Catalogue = Annotated[str, Argument(metavar="CATALOGUE", help=f"{_CATALOGUE}.")]
NewCatalogue = Annotated[str, Argument(metavar="CATALOGUE", help=f"{_CATALOGUE}; created if it is new.")]
Where = Annotated[str | None, Option(help="Filter on fields, such as 'colour = \"Red\" and price < 500'.")]
Calibrated = Annotated[Path | None, Option("--calibration", help="Thresholds from `catalens tag learn`.")]
Model = Annotated[str | None, Option("--model", "-m", metavar="NAME", help=_ENCODER)]
ReaderModel = Annotated[str | None, Option("--model", "-m", metavar="NAME", help=_READER)]
Quantise = Annotated[
    Literal["8bit", "4bit"] | None, Option(help="Quantise the reader's weights; for models that run on torch.")
]
Timeout = Annotated[float, Option(min=0.1, help="Timeout of one request to a server, in seconds.")]
MemoryLimit = Annotated[
    str | None,
    Option(
        metavar="SIZE",
        help="Memory limit, such as 4GB: load one model at a time if needed; refuse a model that does not fit.",
        rich_help_panel="Output",
    ),
]
Server = Annotated[
    str | None,
    Option(
        metavar="URL",
        help="Use the models of a `catalens serve`, such as http://host:8080; its key is CATALENS_SERVER_KEY.",
    ),
]
Json = Annotated[bool, Option("--json", help="Print JSON lines, also on a terminal.")]


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
    from catalens.core.confinement import allowed_root
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
        root=allowed_root(),
        cache=now.cache,
        api_key=now.api_key,
        timeout_s=timeout_s,
    )
    return Session(config, on_notice=lambda notice: output.say(notice, style="yellow"))
