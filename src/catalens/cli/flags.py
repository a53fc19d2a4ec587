"""Groups of flags: a command takes a group as one parameter, and its help page shows each flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Option

from catalens.cli.options import Json, MemoryLimit, Quantise, ReaderModel, Server, Timeout, session_for
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Decoding
    from catalens.pipelines.destination import Destination
    from catalens.pipelines.session import Session

IfExists = Literal["skip", "overwrite", "append", "prepend"]

_decoding = partial(Option, rich_help_panel="Decoding")
_output = partial(Option, rich_help_panel="Output")


def changed(flags: Any) -> list[str]:  # noqa: ANN401 - any group
    """Return the flags of a group whose value is not the default.

    >>> changed(DecodingFlags(beams=3, top_p=0.9))
    ['--beams', '--top-p']
    """
    names = [each.name for each in fields(flags) if getattr(flags, each.name) != each.default]
    return [f"--{name.replace('_', '-')}" for name in names]


@dataclass(frozen=True, slots=True)
class DecodingFlags:
    """How a reader decodes: the attributes of `Decoding`."""

    max_tokens: Annotated[int, _decoding(min=1, help="Maximum new tokens.")] = 40
    min_tokens: Annotated[int, _decoding(min=0, help="Minimum new tokens.")] = 0
    beams: Annotated[int, _decoding(min=1, help="Beam width.")] = 1
    temperature: Annotated[float | None, _decoding(help="Sampling temperature. \\[greedy or beam search]")] = None
    top_p: Annotated[
        float, _decoding(help="Nucleus sampling: probability mass to sample from, with a temperature.")
    ] = 1.0
    seed: Annotated[int, _decoding(min=0, help="Random seed, with a temperature.")] = 0
    repetition_penalty: Annotated[float, _decoding(help="Repetition penalty; 1 is none.")] = 1.0

    def decoding(self, count: int = 1) -> Decoding:
        """Return how to decode `count` texts per picture.

        Raises:
            InputError: the flags make no sense, or one of them would do nothing; the message names it.
        """
        from catalens.core.types import Decoding
        from catalens.models.readers.checks import check_decoding

        decoding = Decoding(**asdict(self))
        check_decoding(decoding, count)
        idle = [flag for flag in changed(self) if flag in ("--top-p", "--seed")]
        if decoding.temperature is None and idle:
            raise InputError(f"{idle[0]} goes with --temperature: without it, nothing is sampled")
        return decoding


@dataclass(frozen=True, slots=True)
class ReaderFlags:
    """Which reader captions or answers."""

    model: ReaderModel = None
    quantise: Quantise = None
    timeout: Timeout = 60.0

    def session(self) -> Session:
        """Return a session of that reader."""
        return session_for(reader=self.model, quantise=self.quantise, timeout_s=self.timeout)


@dataclass(frozen=True, slots=True)
class SidecarFlags:
    """Text files beside the pictures."""

    sidecar: Annotated[
        str | None,
        _output(metavar="SUFFIX", help="Write a text file beside each picture, with this suffix: .txt, .caption …"),
    ] = None
    into: Annotated[Path | None, _output(metavar="FOLDER", help="Write the text files to this folder instead.")] = None


@dataclass(frozen=True, slots=True)
class TableFlags:
    """A table of results, and what becomes of results that exist."""

    output: Annotated[
        Path | None,
        _output("--output", "-o", metavar="TABLE", help="Write a table: .csv, .tsv, .jsonl, .json, .parquet."),
    ] = None
    columns: Annotated[
        str | None, _output(metavar="NAMES", help="Columns of the table, comma-separated; file_name=image renames one.")
    ] = None
    if_exists: Annotated[IfExists, _output(help="What to do with pictures that already have a result.")] = "skip"

    def destination(
        self,
        text: str,
        known: Sequence[str],
        sidecars: SidecarFlags = SidecarFlags(),
        *,
        several: str | None = None,
        default_columns: Sequence[str] = (),
        identity: Literal["image", "id"] = "image",
    ) -> Destination:
        """Return where results go; the arguments are those of `Destination`."""
        from catalens.pipelines.destination import Destination

        return Destination(
            text=text,
            known=known,
            several=several,
            default_columns=default_columns,
            table=self.output,
            columns=self.columns,
            if_exists=self.if_exists,
            identity=identity,
            **asdict(sidecars),
        )


@dataclass(frozen=True, slots=True)
class RunFlags:
    """How a job over pictures runs, and prints."""

    memory_limit: MemoryLimit = None
    server: Server = None
    json: Json = False
