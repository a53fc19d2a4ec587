"""The training loop of adapters: seeded batches of similar rows, checkpoints, early stopping, and a NaN guard.

A run that was killed goes on from its checkpoint with the same next batch; on a processor in float32 the result is
that of an uninterrupted run, bit for bit. Several processes share each batch and add up their gradients, so that two
of them do what one does with batches of twice the size.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from catalens.core.errors import ModelError
from catalens.core.files import write_atomically
from catalens.training.finetune.processes import ALONE, Processes
from catalens.training.finetune.run_mark import run_mark

CHECKPOINT = "checkpoint.pt"
_BUCKET = 50
"""Batches whose rows are sorted together."""


class Example(Protocol):
    """A row to train on."""

    @property
    def id(self) -> str:
        """For messages."""

    @property
    def bucket(self) -> int:
        """Rows of like numbers share a batch, such as rows with about as many tokens."""

    @property
    def group(self) -> Hashable:
        """What rows may be side by side for, such as the image that they are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Hyperparameters.

    Attributes:
        epochs: most passes over the rows.
        batch_size: rows of a forward pass of one process.
        accumulate: forward passes per step.
        rate: learning rate of AdamW; it rises over the first steps and falls to zero along a cosine.
        warmup: share of the steps in which it rises.
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        patience: epochs without a better validation loss after which training stops.
        checkpoint_steps: steps between checkpoints.
        seed: of the order of rows and of dropout.
        grouped: have rows of one group side by side in a batch. A run that was killed goes on as it began.
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
    grouped: bool = False


@dataclass(slots=True)
class State:
    """How far a run is.

    Attributes:
        step: optimiser steps done.
        losses: mean loss of each step, per token or whatever a loss counts.
        val: mean loss on validation rows after each epoch; empty where there are no such rows.
        best: the least of them.
        best_weights: the trained weights that had it; None before the first.
        stopped: whether training has ended early.
        grouped: whether rows of one group are side by side in a batch.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    val: list[float] = field(default_factory=list)
    best: float = math.inf
    best_weights: dict[str, Tensor] | None = None
    stopped: bool = False
    grouped: bool = False

    @property
    def chosen(self) -> str:
        """Which weights a run ends with, for people."""
        return f"best validation loss {self.best:.4g}" if self.val else "no validation rows, so the last weights"


@dataclass(frozen=True, slots=True)
class StepNote:
    """What is reported after each step.

    Attributes:
        step: steps done.
        steps: of the whole run.
        loss: mean loss of the step.
        rows_per_s: of all processes.
        left_s: estimated time until the last step.
        val_loss: at the last step of an epoch, the loss on validation rows; else None.
    """

    step: int
    steps: int
    loss: float
    rows_per_s: float
    left_s: float
    val_loss: float | None = None


Loss = Callable[[Sequence[Any]], tuple[Tensor, int]]
"""Rows → summed negative log-likelihood of the tokens that count, and their number."""


def train(
    model: Any,
    loss_of: Loss,
    rows: Mapping[str, Sequence[Example]],
    recipe: Recipe,
    folder: Path,
    on_step: Callable[[StepNote], None] = lambda _: None,
    *,
    processes: Processes = ALONE,
) -> State:
    """Train the parameters of a model that are not frozen; the model ends with the best of their weights.

    Args:
        model: with adapters, or with whole parts that are trained.
        loss_of: of rows.
        rows: "train", to train on, and "val", to stop by and to choose the weights by.
        recipe: hyperparameters.
        folder: of the checkpoint; a checkpoint in it is gone on from.
        on_step: called after each step, in the first process.
        processes: that train together, each with the same rows.

    Raises:
        ModelError: a loss or gradient is not finite; the message names the batch, and the last good weights are in the
            checkpoint. Or the checkpoint is of another run.
    """
    mark = run_mark(model, rows, (recipe.batch_size, recipe.accumulate, recipe.seed))
    run = _Run(model, loss_of, recipe, processes, folder / CHECKPOINT, mark)
    per_step = recipe.batch_size * recipe.accumulate * processes.count
    per_epoch = math.ceil(len(rows["train"]) / per_step)
    steps = per_epoch * recipe.epochs
    torch.manual_seed(recipe.seed + processes.rank)
    state = run.load(State(grouped=recipe.grouped))
    started_s, first = time.perf_counter(), state.step
    while state.step < steps and not state.stopped:
        epoch, at = divmod(state.step, per_epoch)
        for batch in plan_batches(rows["train"], per_step, seed=recipe.seed + epoch, grouped=state.grouped)[at:]:
            run.set_rate(state.step, steps)
            state.losses.append(run.step(batch, state))
            state.step += 1
            ends = state.step % per_epoch == 0
            if ends:
                run.judge(rows["val"], state)
            if ends or state.step % recipe.checkpoint_steps == 0:
                run.save(state)
            elapsed_s, done = time.perf_counter() - started_s, state.step - first
            left_s = (steps - state.step) * elapsed_s / done
            speed = done * per_step / max(elapsed_s, 1e-9)
            judged = state.val[-1] if ends and state.val else None
            note = StepNote(state.step, steps, state.losses[-1], speed, left_s, judged)
            if processes.first:
                on_step(note)
    if state.best_weights is not None:
        set_trained_weights(model, state.best_weights)
    model.eval()
    return state


def trained_weights(model: Any) -> dict[str, Tensor]:
    """Return a copy of the parameters that are not frozen, by name."""
    return {name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad}


def set_trained_weights(model: Any, weights: dict[str, Tensor]) -> None:
    """Put weights back that `trained_weights` returned.

    Raises:
        KeyError: the model trains a parameter that they lack.
    """
    with torch.no_grad():
        for name, each in model.named_parameters():
            if each.requires_grad:
                each.copy_(weights[name])


def plan_batches(rows: Sequence[Example], size: int, *, seed: int, grouped: bool = False) -> list[list[Example]]:
    """Return the batches of an epoch: a seeded order, in which rows of like buckets share a batch.

    Rows of one group are shuffled as one where asked for, and only the borders of batches part them.
    """
    order = random.Random(seed)
    groups: dict[object, list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(row.group if grouped else at, []).append(at)
    shuffled = list(groups.values())
    order.shuffle(shuffled)
    lengths = {at: sum(rows[each].bucket for each in group) for group in shuffled for at in group}
    places = [at for group in shuffled for at in group]
    batches: list[list[Example]] = []
    for start in range(0, len(places), size * _BUCKET):
        bucket = sorted(places[start : start + size * _BUCKET], key=lengths.__getitem__)
        batches += [[rows[at] for at in bucket[first : first + size]] for first in range(0, len(bucket), size)]
    order.shuffle(batches)
    return batches


def mean_loss(
    model: Any,
    loss_of: Loss,
    rows: Sequence[Example],
    batch_size: int,
    processes: Processes = ALONE,
    *,
    grouped: bool = False,
) -> float:
    """Return the mean loss per token of rows, without dropout."""
    model.eval()
    total, tokens = 0.0, 0
    mine = processes.piece(sorted(rows, key=lambda row: str(row.group))) if grouped else processes.share(rows)
    with torch.inference_mode():
        for start in range(0, len(mine), batch_size):
            loss, count = loss_of(mine[start : start + batch_size])
            total, tokens = total + float(loss), tokens + count
    total, tokens = processes.total(torch.tensor([total, tokens], dtype=torch.float64)).tolist()
    mean: float = total / max(tokens, 1)
    return mean


class _Run:
    """A model, its optimiser, and the steps of training."""

    def __init__(self, model: Any, loss_of: Loss, recipe: Recipe, processes: Processes, file: Path, mark: str) -> None:
        self._model, self._loss_of, self._recipe, self._processes = model, loss_of, recipe, processes
        self._file, self._mark = file, mark
        self._parameters = [each for each in model.parameters() if each.requires_grad]
        self._optimiser = torch.optim.AdamW(self._parameters, lr=recipe.rate, weight_decay=recipe.weight_decay)

    def step(self, batch: Sequence[Example], state: State) -> float:
        """Descend one step, and return the mean loss of the batch; all processes see alike whether it is finite."""
        self._model.train()
        self._optimiser.zero_grad(set_to_none=True)
        total, tokens = 0.0, 0
        mine = self._processes.piece(batch) if state.grouped else self._processes.share(batch)
        for start in range(0, len(mine), self._recipe.batch_size):
            loss, count = self._loss_of(mine[start : start + self._recipe.batch_size])
            loss.backward()
            total, tokens = total + float(loss.detach()), tokens + count
        total, tokens = self._add_up(total, tokens)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip)
        if not (math.isfinite(total) and bool(torch.isfinite(norm))):
            ids = ", ".join(each.id for each in batch[:4])
            if state.step:
                self.save(state)
            kept = f"the last good weights are kept in {CHECKPOINT}" if state.step else "nothing is learned yet"
            raise ModelError(
                f"the loss ({total}) or the gradient ({float(norm)}) of the batch with {ids} is not finite; {kept}; "
                "look at these rows, or lower the learning rate"
            )
        self._optimiser.step()
        return total / max(tokens, 1)

    def _add_up(self, total: float, tokens: int) -> tuple[float, int]:
        """Make gradients those of the mean loss over the tokens of all processes; return the sums of both."""
        grads = [torch.zeros_like(each) if each.grad is None else each.grad for each in self._parameters]
        if self._processes.count > 1:
            sums = torch.tensor([total, tokens], dtype=torch.float32, device=grads[0].device)
            flat = self._processes.total(torch.cat([*(each.float().flatten() for each in grads), sums]))
            total, tokens = float(flat[-2]), int(flat[-1])
            sizes = [each.numel() for each in grads]
            parts = flat[:-2].split(sizes)
            grads = [part.view_as(each).to(each.dtype) for part, each in zip(parts, grads, strict=True)]
        for each, grad in zip(self._parameters, grads, strict=True):
            each.grad = grad.div_(max(tokens, 1))
        return total, tokens

    def set_rate(self, step: int, steps: int) -> None:
        """Set the learning rate of a step: a linear rise, then half a cosine down to zero."""
        rising = max(1, round(self._recipe.warmup * steps))
        falling = 0.5 * (1 + math.cos(math.pi * (step - rising) / max(steps - rising, 1)))
        for group in self._optimiser.param_groups:
            group["lr"] = self._recipe.rate * ((step + 1) / rising if step < rising else falling)

    def judge(self, val: Sequence[Example], state: State) -> None:
        """Note the validation loss of an epoch, keep the weights if it is the best, and stop if it has not been."""
        if not val:  # the last weights are kept: the loss of one training step says little of any
            return
        losses, batch_size = state.val, self._recipe.batch_size
        found = mean_loss(self._model, self._loss_of, val, batch_size, self._processes, grouped=state.grouped)
        if not math.isfinite(found):
            raise ModelError(f"the loss on the val rows ({found}) is not finite; look at them, or try --dtype float32")
        losses.append(found)
        if found < state.best:
            state.best, state.best_weights = found, trained_weights(self._model)
        state.stopped = len(losses) - 1 - losses.index(state.best) >= self._recipe.patience

    def save(self, state: State) -> None:
        """Write the checkpoint whole or not at all, in the first process."""
        random_states = self._processes.gather([torch.get_rng_state()])
        if self._processes.first:
            content = {
                "of": self._mark,
                "weights": trained_weights(self._model),
                "optimiser": self._optimiser.state_dict(),
                "random": random_states,
                "state": {name: getattr(state, name) for name in State.__slots__},
            }
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, lambda part: torch.save(content, part))
        self._processes.wait()

    def load(self, new: State) -> State:
        """Return the state of a checkpoint, or the new one where there is none."""
        file = self._file
        if not file.is_file():
            return new
        try:
            content = torch.load(file, weights_only=True, map_location="cpu")
            if content.get("of") != self._mark:
                raise ModelError(
                    f"the checkpoint {file} is of other rows, or of another model, adapter, batch size or seed; name "
                    "another folder to write, or delete the checkpoint to start anew"
                )
            set_trained_weights(self._model, content["weights"])
            self._optimiser.load_state_dict(content["optimiser"])
            torch.set_rng_state(content["random"][self._processes.rank])
            return State(**content["state"])
        except (OSError, RuntimeError, LookupError, TypeError, ValueError) as error:
            raise ModelError(
                f"the checkpoint {file} cannot be gone on from: {error}; it may be of another recipe or number of "
                "processes; delete it to start anew"
            ) from error
