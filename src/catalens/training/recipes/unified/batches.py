"""Features and labels as training batches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from catalens.tasks.schema import Group
from catalens.training.recipes.unified.features import PARTS, read_features
from catalens.training.recipes.unified.head import ImageFeatures

TEMPLATES = ("a photo of {}", "{}", "a picture of {}", "a close-up of {}", "this is {}")


class Views:
    """The features of one set in every view that is complete."""

    def __init__(self, run: Path, name: str) -> None:
        views: list[tuple[NDArray[np.float16], NDArray[np.float16], NDArray[np.float16]]] = []
        while (tops := read_features(run, name, len(views), PARTS[2])) is not None:
            maps, fine = (read_features(run, name, len(views), part) for part in PARTS[:2])
            assert maps is not None
            assert fine is not None
            views.append((maps, fine, tops))
        self.views = views

    def __len__(self) -> int:
        return len(self.views[0][0]) if self.views else 0

    def take(self, rows: NDArray[np.int64], rng: np.random.Generator) -> ImageFeatures:
        """Return the features of some images, each in a random view."""
        views = rng.integers(0, len(self.views), len(rows))
        parts = (np.stack([self.views[v][at][r] for r, v in zip(rows, views, strict=True)]) for at in range(3))
        return ImageFeatures(*(torch.from_numpy(each.astype(np.float32)) for each in parts))

    def whole(self) -> ImageFeatures:
        """Return every image as it is."""
        return ImageFeatures(*(torch.from_numpy(each.astype(np.float32)) for each in self.views[0]))


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of one kind: the wordings of each, and the templates they stand in."""

    words: Sequence[Sequence[str]]
    templates: Sequence[str] = TEMPLATES

    def texts(self, rng: random.Random) -> list[str]:
        """Word every label in one way."""
        template = rng.choice(self.templates)
        return [template.format(each[0] if rng.random() < 0.5 else rng.choice(each)) for each in self.words]

    def all_texts(self, templates: int | None = None) -> tuple[list[str], list[int]]:
        """Return every wording in every template, or in the first few, and the label of each."""
        texts: list[str] = []
        owner: list[int] = []
        for at, each in enumerate(self.words):
            some = [template.format(word) for template in self.templates[:templates] for word in each]
            texts, owner = texts + some, owner + [at] * len(some)
        return texts, owner


def of_group(group: Group) -> Labels:
    """Return the labels of a schema's group."""
    return Labels([label.wordings for label in group.labels], group.templates)
