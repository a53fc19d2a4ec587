"""The contract of a SageMaker training container: hyperparameters and channels in, a model and a failure reason out.

It is the same with the training toolkit, which sets SM_* variables, and without it, where files in /opt/ml say the
same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalens.core.errors import InputError
from catalens.core.json_text import parse_json

_FAILURE_LENGTH = 1024
"""Characters of a failure reason that SageMaker shows."""
_THEIRS = ("sagemaker_", "_")
"""Beginnings of hyperparameters that are SageMaker's own, whatever their case."""
MODEL_CHANNELS = ("model", "base")
"""Channels that may hold the model to start from."""
_REPORTS = ("*.png", "*.html", "*.json", "*.md", "*.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """A training job as its container sees it.

    Attributes:
        hyperparameters: option, without dashes and in lower case with underscores → its value as text.
        channels: name → folder of its data.
        model: folder whose content becomes `model.tar.gz`.
        data: folder whose content becomes `output.tar.gz`.
        failure: file for the reason of a failure.
        work: folder to train in; kept across interruptions where the job has a checkpoint configuration.
    """

    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, Path] = field(default_factory=dict)
    model: Path
    data: Path
    failure: Path
    work: Path

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> TrainingJob | None:
        """Return the job that a process runs in; None where it runs in none.

        Args:
            env: such as `os.environ`.

        Raises:
            InputError: the hyperparameters or channels cannot be read.
        """
        base = Path(env.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
        file = base / "input" / "config" / "hyperparameters.json"
        if "SM_MODEL_DIR" not in env and not file.is_file():
            return None
        output = Path(env.get("SM_OUTPUT_DIR") or base / "output")
        checkpoints = base / "checkpoints"
        return cls(
            hyperparameters=_hyperparameters(env.get("SM_HPS"), file),
            channels=_channels(env, base / "input" / "data"),
            model=Path(env.get("SM_MODEL_DIR") or base / "model"),
            data=Path(env.get("SM_OUTPUT_DATA_DIR") or output / "data"),
            failure=output / "failure",
            work=checkpoints if checkpoints.is_dir() else base / "catalens",
        )

    def base_model(self) -> Path | None:
        """Return the folder of the model to start from, if a channel holds one."""
        return next((self.channels[name] for name in MODEL_CHANNELS if name in self.channels), None)

    def table(self, name: str, patterns: Sequence[str]) -> Path | None:
        """Return the one file of a channel; None where there is no such channel.

        Args:
            name: of the channel.
            patterns: of its file; the first that matches counts.

        Raises:
            InputError: the channel has none, or several.
        """
        folder = self.channels.get(name)
        if folder is None:
            return None
        files = next((found for each in patterns if (found := sorted(folder.rglob(each)))), [])
        if len(files) != 1:
            named = ", ".join(file.name for file in files[:3]) or "none"
            raise InputError(f"the channel {name!r} ({folder}) must hold one of {', '.join(patterns)}; it has: {named}")
        return files[0]

    def publish(self, folder: Path, model: Path) -> None:
        """Put a model where SageMaker takes it from, and the reports beside it into the output data.

        Args:
            folder: of the run, with its reports; an `adapter` in it goes with the model.
            model: folder of the model; where there is none, the adapter is the model.
        """
        adapter = folder / "adapter"
        shutil.copytree(model if model.is_dir() else adapter, self.model, dirs_exist_ok=True)
        if adapter.is_dir():
            shutil.copytree(adapter, self.model / "adapter", dirs_exist_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        for file in (found for pattern in _REPORTS for found in folder.glob(pattern)):
            shutil.copy2(file, self.data)

    def fail(self, reason: str) -> None:
        """Write the reason of a failure where SageMaker reads it."""
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        self.failure.write_text(reason[:_FAILURE_LENGTH], encoding="utf-8")


def plain_arguments(arguments: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Return a command's arguments as its options are spelled, out of what SageMaker's toolkit passes.

    The toolkit gives every hyperparameter a value, also a flag, and spells names with underscores.

    Args:
        arguments: as passed.
        flags: options that take no value.

    >>> plain_arguments(["--batch_size", "4", "--dora", "true", "--rslora", "False"], ["--dora", "--rslora"])
    ['--batch-size', '4', '--dora']

    Raises:
        InputError: the value of a flag is neither true nor false.
    """
    found: list[str] = []
    rest = list(arguments)
    while rest:
        each = rest.pop(0)
        if each.startswith("--"):
            name, equals, value = each.partition("=")
            each = name.replace("_", "-") + equals + value
        if each not in flags or not rest or rest[0].startswith("-") or _truth(each, rest.pop(0)):
            found.append(each)
    return found


def _truth(name: str, value: str) -> bool:
    if value.casefold() not in ("true", "false", "1", "0"):
        raise InputError(f"{name} is {value!r}; it must be true or false")
    return value.casefold() in ("true", "1")


def _hyperparameters(given: str | None, file: Path) -> dict[str, str]:
    """Return the hyperparameters of SM_HPS, else of the file, whose values are JSON or text."""
    try:
        found = parse_json(given if given is not None else file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(
            f"the hyperparameters in {'SM_HPS' if given is not None else file} cannot be read: {error}"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"the hyperparameters must be an object, not {type(found).__name__}")
    return {
        name.casefold().replace("-", "_"): _text(value)
        for name, value in found.items()
        if not name.casefold().startswith(_THEIRS)
    }


def _text(value: object) -> str:
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError:
            return str(value)
    return value if isinstance(value, str) else json.dumps(value)


def _channels(env: Mapping[str, str], folder: Path) -> dict[str, Path]:
    prefix = "SM_CHANNEL_"
    named = {name[len(prefix) :].lower(): Path(value) for name, value in env.items() if name.startswith(prefix)}
    if named or not folder.is_dir():
        return named
    return {each.name.lower(): each for each in sorted(folder.iterdir()) if each.is_dir()}
