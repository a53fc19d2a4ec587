"""The training loop of adapters: seeded batches of like length, checkpoints, early stopping, and a guard against NaN.

A run that was killed goes on from its checkpoint with the same next batch; on a processor in float32 the result is
that of an uninterrupted run, bit for bit.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.training.finetune.lora import adapter_state, set_adapter_state

CHECKPOINT = "checkpoint.pt"
_BUCKET = 50
"""Batches whose rows are sorted by length together."""


class Example(Protocol):
    """A row to train on."""

    @property
    def id(self) -> str:
        """For messages."""

    @property
    def length(self) -> int:
        """About how many tokens it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Hyperparameters.

    Attributes:
        epochs: most passes over the rows.
        batch_size: rows of a forward pass.
        accumulate: forward passes per step.
        rate: learning rate of AdamW; it rises over the first steps and falls to zero along a cosine.
        warmup: share of the steps in which it rises.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        patience: epochs without a better validation loss after which training stops.
        checkpoint_steps: steps between checkpoints.
        seed: of the order of rows and of dropout.
    """

    epochs: int = 3
    batch_size: int = 16
    accumulate: int = 1
    rate: float = 5e-4
    warmup: float = 0.05
    weight_decay: float = 0.0
    clip: float = 1.0
    patience: int = 2
    checkpoint_steps: int = 100
    seed: int = 0


@dataclass(slots=True)
class State:
    """How far a run is.

    Attributes:
        step: optimiser steps done.
        losses: mean loss per token of each step.
        val: mean loss per token on validation rows after each epoch.
        best: the least of them.
        best_adapter: the adapter that had it; None before the first.
        stopped: whether training has ended early.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    val: list[float] = field(default_factory=list)
    best: float = math.inf
    best_adapter: dict[str, Tensor] | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class StepNote:
    """What is told after each step."""

    step: int
    steps: int
    loss: float
    rows_per_s: float
    left_s: float


Loss = Callable[[Sequence[Any]], tuple[Tensor, int]]
"""Rows → summed negative log-likelihood of the tokens that count, and their number."""


def train(
    model: Any,
    loss_of: Loss,
    rows: Sequence[Example],
    val: Sequence[Example],
    recipe: Recipe,
    folder: Path,
    on_step: Callable[[StepNote], None] = lambda _: None,
) -> State:
    """Train the parameters of a model that are not frozen; the model ends with the best adapter.

    Args:
        model: with adapters.
        loss_of: of rows.
        rows: to train on.
        val: to stop by, and to choose the adapter by.
        recipe: hyperparameters.
        folder: of the checkpoint; a checkpoint in it is gone on from.
        on_step: told of each step.

    Raises:
        ModelError: a loss or gradient is not finite; the message names the batch, and the best adapter so far is in
            the checkpoint.
    """
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.weight_decay)
    per_step = recipe.batch_size * recipe.accumulate
    per_epoch = math.ceil(len(rows) / per_step)
    steps = per_epoch * recipe.epochs
    torch.manual_seed(recipe.seed)
    state = _load(model, optimiser, folder / CHECKPOINT)
    started_s, first = time.perf_counter(), state.step
    while state.step < steps and not state.stopped:
        epoch, at = divmod(state.step, per_epoch)
        batches = plan_batches(rows, per_step, seed=recipe.seed + epoch)[at:]
        for batch in batches:
            _set_rate(optimiser, recipe, state.step, steps)
            state.losses.append(_step(model, loss_of, batch, optimiser, recipe, parameters))
            state.step += 1
            if state.step % recipe.checkpoint_steps == 0 and state.step % per_epoch:
                _save(model, optimiser, state, folder / CHECKPOINT)
            elapsed_s = time.perf_counter() - started_s
            done = state.step - first
            rate = done * per_step / max(elapsed_s, 1e-9)
            on_step(StepNote(state.step, steps, state.losses[-1], rate, (steps - state.step) * elapsed_s / done))
        _judge(model, loss_of, val, recipe, state)
        _save(model, optimiser, state, folder / CHECKPOINT)
    if state.best_adapter is not None:
        set_adapter_state(model, state.best_adapter)
    model.eval()
    return state


def plan_batches(rows: Sequence[Example], size: int, *, seed: int) -> list[list[Example]]:
    """Return the batches of an epoch: a seeded order, in which rows of like length share a batch."""
    order = random.Random(seed)
    places = list(range(len(rows)))
    order.shuffle(places)
    batches: list[list[Example]] = []
    for start in range(0, len(places), size * _BUCKET):
        bucket = sorted(places[start : start + size * _BUCKET], key=lambda at: rows[at].length)
        batches += [[rows[at] for at in bucket[first : first + size]] for first in range(0, len(bucket), size)]
    order.shuffle(batches)
    return batches


def mean_loss(model: Any, loss_of: Loss, rows: Sequence[Example], batch_size: int) -> float:
    """Return the mean loss per token of rows, without dropout."""
    model.eval()
    total, tokens = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(rows), batch_size):
            loss, count = loss_of(rows[start : start + batch_size])
            total, tokens = total + float(loss), tokens + count
    return total / max(tokens, 1)


def _step(
    model: Any, loss_of: Loss, batch: Sequence[Example], optimiser: Any, recipe: Recipe, parameters: Sequence[Tensor]
) -> float:
    model.train()
    optimiser.zero_grad(set_to_none=True)
    total, tokens = 0.0, 0
    for start in range(0, len(batch), recipe.batch_size):
        loss, count = loss_of(batch[start : start + recipe.batch_size])
        loss.backward()
        total, tokens = total + float(loss.detach()), tokens + count
    for each in parameters:
        if each.grad is not None:
            each.grad.div_(max(tokens, 1))
    norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
    if not (math.isfinite(total) and bool(torch.isfinite(norm))):
        ids = ", ".join(each.id for each in batch[:4])
        raise ModelError(
            f"the loss ({total}) or the gradient ({float(norm)}) of the batch with {ids} is not finite; the last good "
            f"adapter is kept in {CHECKPOINT}; look at these rows, or lower the learning rate"
        )
    optimiser.step()
    return total / max(tokens, 1)


def _set_rate(optimiser: Any, recipe: Recipe, step: int, steps: int) -> None:
    rising = max(1, round(recipe.warmup * steps))
    share = (step + 1) / rising if step < rising else 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))
    for group in optimiser.param_groups:
        group["lr"] = recipe.rate * share


def _judge(model: Any, loss_of: Loss, val: Sequence[Example], recipe: Recipe, state: State) -> None:
    state.val.append(mean_loss(model, loss_of, val, recipe.batch_size) if val else state.losses[-1])
    if state.val[-1] < state.best:
        state.best, state.best_adapter = state.val[-1], adapter_state(model)
    since = len(state.val) - 1 - state.val.index(state.best)
    state.stopped = since >= recipe.patience


def _save(model: Any, optimiser: Any, state: State, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    content = {
        "adapter": adapter_state(model),
        "optimiser": optimiser.state_dict(),
        "random": torch.get_rng_state(),
        "state": {name: getattr(state, name) for name in State.__slots__},
    }
    torch.save(content, part)
    part.replace(file)


def _load(model: Any, optimiser: Any, file: Path) -> State:
    if not file.is_file():
        return State()
    try:
        content = torch.load(file, weights_only=True, map_location="cpu")
        set_adapter_state(model, content["adapter"])
        optimiser.load_state_dict(content["optimiser"])
        torch.set_rng_state(content["random"])
        return State(**content["state"])
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the checkpoint {file} cannot be gone on from: {error}; delete it to start anew") from error
