"""What training loops share: batches, learning-rate schedule, optimiser step, weight average, log and checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from catalens.core.files import write_atomically

CHECKPOINT = "checkpoint.pt"


def adamw(
    parameters: Iterable[nn.Parameter], *, decay: float, scale: float = 1.0, exempt: Iterable[nn.Parameter] = ()
) -> list[dict[str, Any]]:
    """Return AdamW's parameter groups: matrices with weight decay, vectors and scalars without.

    Args:
        parameters: those that are trained.
        decay: weight decay of the matrices.
        scale: factor of the learning rate for these groups (see `Optimiser.step`).
        exempt: further parameters without weight decay, whatever their shape.
    """
    every = list(parameters)
    return [
        {"params": [p for p in every if p.ndim > 1], "scale": scale, "weight_decay": decay},
        {"params": [*[p for p in every if p.ndim <= 1], *exempt], "scale": scale, "weight_decay": 0.0},
    ]


class Optimiser:
    """AdamW with gradient clipping; the learning rate comes with each step."""

    def __init__(self, groups: list[dict[str, Any]], *, clip: float) -> None:
        self.adamw, self.clip = torch.optim.AdamW(groups, betas=(0.9, 0.98)), clip

    def step(self, loss: Tensor, rate: float) -> None:
        """Descend one step; each group's rate is `rate` times the group's `scale`."""
        for group in self.adamw.param_groups:
            group["lr"] = rate * group["scale"]
        self.adamw.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for group in self.adamw.param_groups for p in group["params"]], self.clip)
        self.adamw.step()


def cosine(step: int, steps: int, *, warm_up: int, least: float) -> float:
    """Return the share of the peak learning rate: a linear warm-up, then half a cosine, never below `least`.

    >>> [round(cosine(step, 100, warm_up=10, least=0.01), 2) for step in (0, 9, 50, 99)]
    [0.1, 0.98, 0.5, 0.01]
    """
    return max(min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps)), least)


def batches(rows: NDArray[np.int64] | int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield one epoch of shuffled batches of exactly `size` rows; the remainder is left out."""
    order = rng.permutation(rows)
    for start in range(0, len(order) - size + 1, size):
        yield order[start : start + size]


class WeightAverage:
    """Exponential moving average of a module's weights.

    Args:
        module: its weights now are the first average.
        decay: share of itself that the average keeps at each update.
        warm_up: keep less in the first updates, (1 + n) / (10 + n), so that the average soon leaves the first weights.
    """

    def __init__(self, module: nn.Module, decay: float, *, warm_up: bool) -> None:
        self.decay, self.warm_up, self.updates = decay, warm_up, 0
        self.weights = {name: value.clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module's weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.warm_up else self.decay
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1.0 - decay)
        self.updates += 1


class RunLog:
    """JSON lines beside a run, each with the minutes since this process began it."""

    def __init__(self, folder: Path) -> None:
        self._file, self._started = folder / "log.jsonl", time.monotonic()

    def write(self, **values: object) -> None:
        """Append one line."""
        minutes = round((time.monotonic() - self._started) / 60, 2)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**values, "minutes": minutes}) + "\n")


def rounded(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Return losses as numbers for the log."""
    return {name: round(value.item(), 3) for name, value in losses.items()}


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a run's checkpoint whole or not at all."""
    write_atomically(folder / CHECKPOINT, lambda file: torch.save(dict(state), file))


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Return a run's last checkpoint, on the CPU, or None where there is none."""
    file = folder / CHECKPOINT
    return dict(torch.load(file, weights_only=True, map_location="cpu")) if file.exists() else None
