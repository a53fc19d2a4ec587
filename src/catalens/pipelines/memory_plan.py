"""How much memory stages will need, predicted from the facts about their models before one is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalens.core.errors import InputError
from catalens.core.memory import peak_bytes
from catalens.pipelines.session import Session, SessionConfig
from catalens.pipelines.stages import Stage

_BASE_MB, _MODEL_MB, _PER_FILE_MB = 250, 320, 2.0
"""Measured (docs/decisions/110): Python, libraries and decoded pictures; buffers of a model's batch; and weights, which
are mostly stored in 16 bits and computed in 32. The prediction was 4 to 54 % above the measured peak."""
_BUNDLED = ("starter", "everyday")
_SIZES = {"MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What stages will need.

    Attributes:
        together_mb: with every model in memory.
        single_mb: with one stage's models at a time.
        largest: the stage that needs the most.
        unknown: models about whose size nothing is known.
    """

    together_mb: float
    single_mb: float
    largest: str
    unknown: Sequence[str] = ()

    def one_at_a_time(self, limit_bytes: int) -> bool:
        """Return whether the limit allows only one stage's models at a time.

        Raises:
            InputError: the limit cannot be kept.
        """
        limit_mb = limit_bytes / 1e6
        if self.single_mb > limit_mb:
            raise InputError(
                f"{self.largest} need about {self.single_mb / 1e3:.1f} GB, more than the memory limit of "
                f"{limit_mb / 1e3:.1f} GB; name a smaller model, or raise the limit"
            )
        return self.together_mb > limit_mb


def predict_memory(stages: Sequence[Stage], config: SessionConfig) -> MemoryPlan:
    """Return what stages will need; nothing is loaded or fetched."""
    names = [models_of(stage, config) for stage in stages]
    sizes = {name: _size_mb(name) for name in sorted(set().union(*names))}

    def need_mb(models: Iterable[str]) -> float:
        return _BASE_MB + sum(_MODEL_MB + _PER_FILE_MB * (sizes[name] or 0.0) for name in set(models))

    each = {stage.name: need_mb(models) for stage, models in zip(stages, names, strict=True)}
    largest = max(each, key=lambda name: each[name])
    unknown = [name for name, size in sizes.items() if size is None]
    return MemoryPlan(need_mb(sizes), each[largest], largest, unknown)


def models_of(stage: Stage, config: SessionConfig) -> set[str]:
    """Return the names of the models that a stage loads on this machine."""
    if stage.name in ("attributes", "tags", "prompts"):
        encoder = getattr(stage, "encoder", None) or config.encoder
        return {encoder} if encoder is not None else set(_BUNDLED)
    if stage.name == "vectors":
        return {getattr(stage, "encoder", None) or config.encoder or "starter"}
    if stage.name in ("captions", "answers"):
        reader = getattr(stage, "reader", None) or config.reader
        if reader == "starter":
            return set(_BUNDLED)
        return set() if "://" in reader or ":" in reader.split("@")[0] else {reader}  # a server has its own memory
    return set()


def memory_bytes(text: str) -> int:
    """Return a size in bytes.

    >>> memory_bytes("4GB"), memory_bytes("1.5 GiB")
    (4000000000, 1610612736)

    Raises:
        InputError: it is not a size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text.strip())
    if found is None or found[2].upper() not in _SIZES:
        raise InputError(f"--memory-limit: {text!r} is not a size; use one such as 4GB or 800MB")
    return int(float(found[1]) * _SIZES[found[2].upper()])


def must_take_turns(stages: Sequence[Stage], config: SessionConfig, limit_bytes: int | None) -> bool:
    """Return whether a limit allows one stage's models at a time only, as it does where a model's size is unknown.

    Raises:
        InputError: the limit cannot be kept.
    """
    if limit_bytes is None:
        return False
    memory = predict_memory(stages, config)
    return memory.one_at_a_time(limit_bytes) or bool(memory.unknown)


def warn_of_memory(limit_bytes: int | None, session: Session) -> None:
    """Notify if this process has needed more memory than a limit; None is no limit."""
    peak = peak_bytes()
    if limit_bytes is not None and peak is not None and peak > limit_bytes:
        session.notify(
            f"peak memory was {peak / 1e9:.1f} GB, more than {limit_bytes / 1e9:.1f} GB; name a smaller model"
        )


def _size_mb(name: str) -> float | None:
    from catalens.core.errors import ModelError
    from catalens.models.registry import describe, size_mb

    if Path(name).is_dir():
        return size_mb(Path(name))
    try:
        spec = describe(name)
    except ModelError:
        return None  # loading it says what is wrong with the name
    return None if spec is None else spec.size_mb
