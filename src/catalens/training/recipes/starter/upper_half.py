"""A late stage of the starter: only the upper layers of its image tower are trained, against the frozen texts.

The others stay, so what they make of every view is computed once. A lesson says what is learned and what is kept; the
stage trains, saves, and evaluates.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import Field, asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from catalens.core.vectors import batched
from catalens.models.registry import load_encoder, shipped
from catalens.tasks.attributes import SchemaBank, build_schema_bank
from catalens.tasks.schema import load_schema
from catalens.training.fixed_norms import Part, with_fixed_norms
from catalens.training.loop import (
    Optimiser,
    RunLog,
    adamw,
    cosine,
    load_checkpoint,
    rounded,
    save_checkpoint,
)
from catalens.training.recipes.starter.low_views import LowFeatures, View, taken
from catalens.training.recipes.unified.export import read_image_tower
from catalens.training.towers import ImageTower

TYPE = "type"
SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Shares of the trained weights that are evaluated at the end."""


class UpperHalf(nn.Module):
    """The trained part of the image tower: from the lower features to unit rows, cells and pooled layers."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.coarse, self.norm, self.project = tower.coarse, tower.norm, tower.project
        self.eval()
        self._cells: Part = with_fixed_norms(tower.coarse[:-2])
        self._last: Part = with_fixed_norms(tower.coarse[-2:])

    def forward(self, features: LowFeatures) -> tuple[Tensor, Tensor, Tensor]:
        """Return unit rows (n, dim), the cells' map (n, 320, height, width) and the pooled layers (n, 1376)."""
        cells = self._cells(features.fine)
        top = self._last(cells).float().mean((2, 3))
        pooled = torch.cat([features.low, features.fine.mean((2, 3)), top], dim=1)
        return functional.normalize(self.project(self.norm(pooled)), dim=-1), cells.float(), pooled

    @torch.no_grad()
    def encode(self, view: View) -> Tensor:
        """Return unit rows of all pictures of a view."""
        pieces = (np.array(some) for some in batched(range(len(view[0])), 256))
        return torch.cat([self(taken([view], some, np.zeros_like(some)))[0] for some in pieces])


class Banks:
    """The frozen texts: a row for every label of every group, and how sharply the starter compares them."""

    def __init__(self, threads: int) -> None:
        self.encoder = load_encoder("starter", threads=threads)
        self.schema: SchemaBank = build_schema_bank(self.encoder, load_schema("fashion"))
        self.scale = self.schema.banks[TYPE].scale / 0.75
        self.groups = {
            name: torch.from_numpy(np.concatenate([bank.vectors, bank.unknown]).astype(np.float32))
            for name, bank in self.schema.banks.items()
        }

    def names(self, group: str) -> tuple[str, ...]:
        """Return the labels of a group."""
        return tuple(self.schema.schema.group(group).label_names)

    def log_shares(self, images: Tensor, bank: Tensor) -> Tensor:
        """Return log-probabilities (n, labels and "none of these")."""
        return (self.scale * images @ bank.T).log_softmax(1)

    def places(self, group: str, labels: list[str | None]) -> Tensor:
        """Return the row of each label in its group's bank, -1 for none."""
        at = {name: place for place, name in enumerate(self.names(group))}
        return torch.tensor([at.get(label or "", -1) for label in labels])

    def right(self, group: str, images: Tensor, truth: Tensor) -> Tensor:
        """Return which images with a label are nearest to it, of all labels of the group."""
        known = truth >= 0
        return (images[known] @ self.groups[group][:-1].T).argmax(1) == truth[known]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of every set.

    Attributes:
        rows: set → which of its pictures.
        features: set → their lower features.
    """

    rows: Mapping[str, NDArray[np.int64]]
    features: Mapping[str, LowFeatures]

    @classmethod
    def drawn(cls, sets: Mapping[str, list[View]], counts: Mapping[str, int], rng: np.random.Generator) -> Batch:
        """Draw so many pictures of each set, each in any of its views."""
        rows = {name: rng.integers(0, len(views[0][0]), counts[name]) for name, views in sets.items()}
        seen = {
            name: taken(sets[name], some, rng.integers(0, len(sets[name]), len(some))) for name, some in rows.items()
        }
        return cls(rows, seen)


def apart(rows: Tensor, wanted: Tensor) -> Tensor:
    """Return one minus the mean cosine."""
    return 1 - (rows * wanted).sum(1).mean()


def changed(values: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean squared change as a share of what varies."""
    return (values - wanted).square().mean() / wanted.var()


class Pace(Protocol):
    """How long and how fast a stage learns; a dataclass with whatever else its lesson needs."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def steps(self) -> int:
        """Return how many."""

    @property
    def rate(self) -> float:
        """Return the highest learning rate."""

    @property
    def decay(self) -> float:
        """Return the weight decay."""

    @property
    def seed(self) -> int:
        """Return what chance starts from."""


P = TypeVar("P", bound=Pace)


class Lesson(Protocol):
    """What is learned, and what is kept."""

    def losses(self, student: UpperHalf, teacher: UpperHalf, rng: np.random.Generator) -> dict[str, Tensor]:
        """Run one batch through the losses."""

    def evaluate(self, student: UpperHalf) -> Mapping[str, float]:
        """Return shares of right labels on validation rows."""


class Stage:
    """Trains the upper half of the shipped image tower by a lesson.

    Args:
        pace: how long and how fast.
        lesson: what is learned.
        out: folder of the run.
    """

    def __init__(self, pace: Pace, lesson: Lesson, out: Path) -> None:
        self.pace, self.lesson, self.out, self.log = pace, lesson, out, RunLog(out)
        torch.manual_seed(pace.seed)
        self.rng = np.random.default_rng(pace.seed)
        tower = read_image_tower(shipped("starter"))
        self.teacher = UpperHalf(copy.deepcopy(tower)).requires_grad_(requires_grad=False)
        self.student = UpperHalf(tower).requires_grad_()
        self.optimiser = Optimiser(adamw(self.student.parameters(), decay=pace.decay), clip=2.0)
        self.step = 0

    def run(self) -> None:
        """Train to the end; evaluate and save every fifty steps, and at the end what lies before it."""
        if self.step == 0:
            self.log.write(step=0, val=self.lesson.evaluate(self.student))
        while self.step < self.pace.steps:
            losses = self.lesson.losses(self.student, self.teacher, self.rng)
            share = cosine(self.step, self.pace.steps, warm_up=30, least=0.005)
            self.optimiser.step(torch.stack(list(losses.values())).sum(), share * self.pace.rate)
            self.step += 1
            if self.step % 50 == 0 or self.step == self.pace.steps:
                self.save()
                self.log.write(step=self.step, **rounded(losses), val=self.lesson.evaluate(self.student))
        for share in SHARES[:-1]:
            with self.between(share) as student:
                self.log.write(step=self.step, share=share, val=self.lesson.evaluate(student))

    @contextmanager
    def between(self, share: float) -> Iterator[UpperHalf]:
        """Lend the student with only a share of what it learned."""
        learned = {name: value.clone() for name, value in self.student.state_dict().items()}
        self.student.load_state_dict(interpolated(self.teacher.state_dict(), learned, share))
        try:
            yield self.student
        finally:
            self.student.load_state_dict(learned)

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "step": self.step,
            "student": self.student.state_dict(),
            "optimiser": self.optimiser.adamw.state_dict(),
            "recipe": asdict(self.pace),
        }
        save_checkpoint(self.out, state)

    def resume(self) -> bool:
        """Go on from the last checkpoint, if there is one."""
        state = load_checkpoint(self.out)
        if state is None:
            return False
        self.student.load_state_dict(state["student"])
        self.optimiser.adamw.load_state_dict(state["optimiser"])
        self.step = int(state["step"])
        self.rng = np.random.default_rng([self.pace.seed, self.step])
        return True


def interpolated(old: Mapping[str, Tensor], new: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return weights between two sets of them: a share of the new, the rest old.

    What was not trained is not among the new, and stays.

    Source:
        Wortsman et al. 2022, Robust fine-tuning of zero-shot models.
    """
    pairs = {name: (value, new.get(name, value)) for name, value in old.items()}
    return {name: torch.lerp(a, b, share) if a.is_floating_point() else b for name, (a, b) in pairs.items()}


def run_stage(about: str | None, out: Path, recipe: P, make: Callable[[P, Path, Path, int], Stage]) -> None:
    """Train a stage by the command line's options to its end, or go on with a stopped run.

    Args:
        about: the command's description.
        out: default folder of the run.
        recipe: the defaults of the options.
        make: makes the stage from a recipe, the data's folder, the run's folder and threads.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--threads", type=int, default=2)
    for name, value in asdict(recipe).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    options = vars(parser.parse_args())
    data, out, threads = options.pop("data"), options.pop("out"), options.pop("threads")
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    stage = make(replace(recipe, **options), data, out, threads)
    stage.resume()
    stage.run()
