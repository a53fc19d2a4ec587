"""Fine-tuning commands inside a SageMaker training container: what is not on the command line comes from the job."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

import typer

from catalens.cli.commands import CommandGroup
from catalens.core.errors import InputError
from catalens.deployment.training_job import TrainingJob, plain_arguments

Click: TypeAlias = Any
"""What belongs to Click, which Typer keeps to itself."""
TABLES = ("*.parquet", "*.csv", "*.tsv", "*.jsonl", "*.json")
_CHANNELS = ("training", "train", "data")
"""Channels that may hold the rows to train on."""


@dataclass(frozen=True, slots=True)
class JobOf:
    """What a command of the group takes from a training job.

    Attributes:
        source: name of the parameter for the rows to train on.
        tables: patterns of the file with them.
        models: folders of the written model inside the command's output, of which it writes one; "" for all of it.
    """

    source: str
    tables: tuple[str, ...]
    models: tuple[str, ...]


JOBS: Mapping[str, JobOf] = {
    "answers": JobOf("pairs", ("*.parquet",), ("merged", "model")),
    "encoder": JobOf("table", TABLES, ("model",)),
    "starter": JobOf("table", TABLES, ("",)),
}
"""Commands that can be the work of a job."""


class JobGroup(CommandGroup):
    """The group of commands; in a training job it fills in options, and leaves the results where SageMaker looks."""

    _publish: Callable[[], None] | None = None

    def resolve_command(self, ctx: Click, args: list[str]) -> tuple[str | None, Click, list[str]]:
        """Find the command, and give it the job's hyperparameters and channels as defaults."""
        name, command, rest = super().resolve_command(ctx, args)
        job = TrainingJob.from_env(os.environ)
        if job is None or command is None or name is None or name not in JOBS:
            return name, command, rest
        options = {each.name: each for each in command.params}
        defaults = _defaults(job, JOBS[name], {*options})
        ctx.default_map = {name: defaults}
        flags = [text for each in options.values() if getattr(each, "is_flag", False) for text in each.opts]
        rest = plain_arguments(rest, flags)
        if any(each == "--out" or each.startswith("--out=") for each in rest):
            raise InputError("--out cannot be chosen inside a training job, which has folders of its own")
        out = Path(defaults["out"])
        self._publish = lambda: job.publish(out, _written(out, JOBS[name].models))
        return name, command, rest

    def invoke(self, ctx: Click) -> Click:
        """Run the command; a failure inside a job leaves its reason in the job's failure file."""
        try:
            found = super().invoke(ctx)
            if self._publish is not None and _is_first(os.environ):
                self._publish()
        except BaseException as error:
            job = _job()
            if job is not None and getattr(error, "exit_code", 1) != 0:
                job.fail(_reason(error))
            raise
        return found


def _written(out: Path, models: tuple[str, ...]) -> Path:
    """Return the folder of the model that was written; the first one if none was."""
    folders = [out / each for each in models]
    return next((each for each in folders if each.is_dir()), folders[0])


def _job() -> TrainingJob | None:
    try:
        return TrainingJob.from_env(os.environ)
    except InputError:
        return TrainingJob.from_env({**os.environ, "SM_HPS": "{}"})


def _reason(error: BaseException) -> str:
    if isinstance(error, typer.Exit | SystemExit):
        return f"exit code {getattr(error, 'exit_code', error)}; see the log"
    shown = getattr(error, "format_message", lambda: str(error))()
    return shown if isinstance(error, InputError) else f"{type(error).__name__}: {shown}"


def _is_first(env: Mapping[str, str]) -> bool:
    return env.get("RANK", "0") == "0"


def _defaults(job: TrainingJob, of: JobOf, options: set[str]) -> dict[str, str]:
    """Return parameter → value for what the command line leaves out.

    Raises:
        InputError: a hyperparameter is no option of the command, or a channel lacks its file.
    """
    for name in job.hyperparameters:
        if name not in options:
            near = get_close_matches(name, options, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(
                f"the hyperparameter {name!r} is no option of this command{meant}: {', '.join(sorted(options))}"
            )
    found = dict(job.hyperparameters)
    tables = (job.table(name, of.tables) for name in _CHANNELS)
    if (table := next(filter(None, tables), None)) is not None:
        found.setdefault(of.source, str(table))
    if (base := job.base_model()) is not None:
        found.setdefault("model", str(base))
    for name in ("val", "test"):
        if name in options and (side := job.table(name, of.tables)) is not None:
            found.setdefault(name, str(side))
    return found | {"out": str(job.work / "out")}
