"""The everyday encoder's head over the frozen tower, and the features that it is trained on."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from catalens.training.recipes.everyday.features import Features


class ImageHead(nn.Module):
    """From frozen features to unit rows (n, 2 × half): one half for the teacher's classes, one for captions.

    Trained together in one space, captions cost the classes a sixth of their agreement with the teacher; each in a
    half of its own, a text decides how much of it lies in which.
    """

    def __init__(self, half: int = 256, *, queries: int = 8, width: int = 256) -> None:
        super().__init__()
        self.teacher = nn.Linear(1280, half)
        self.linear = nn.Linear(1280, half)
        self.norm = nn.LayerNorm(1280 + 96)
        self.up, self.down = nn.Linear(1280 + 96, 2 * width), nn.Linear(2 * width, half)
        self.cells, self.values = nn.LayerNorm(320), nn.Linear(320, width)
        self.look = nn.Linear(320, queries, bias=False)
        self.mix = nn.Linear(queries * width, half)
        self.drop = nn.Dropout(0.0)

    def forward(self, maps: Tensor, means: Tensor, tops: Tensor) -> Tensor:
        """Encode maps (n, 49, 320), means (n, 96) and pooled tops (n, 1280)."""
        classes = functional.normalize(self.teacher(tops).float(), dim=-1)
        words = functional.normalize(self.words(maps, means, tops).float(), dim=-1)
        return torch.cat([classes, words], dim=1) * math.sqrt(0.5)

    def words(self, maps: Tensor, means: Tensor, tops: Tensor) -> Tensor:
        """Return the captions' half (n, half): a linear path, a wide one, and eight looks at the cells."""
        rich = self.norm(torch.cat([tops, means], dim=1))
        rich = self.down(self.drop(functional.gelu(self.up(self.drop(rich)))))
        cells = self.cells(maps)
        share = self.look(cells).softmax(dim=1)  # (n, 49, queries)
        seen = torch.einsum("ncq,ncw->nqw", share, functional.gelu(self.values(cells))).flatten(1)
        half: Tensor = self.linear(self.drop(tops)) + rich + self.mix(self.drop(seen))
        return half


class EncodedImages:
    """Features of one set of pictures, with the pooled tops that the teacher reads."""

    def __init__(self, features: Features, tops: NDArray[np.float16]) -> None:
        self.features, self.tops = features, tops

    def __len__(self) -> int:
        return len(self.tops)

    def take(self, rows: NDArray[np.int64], views: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Return maps, means and tops of some pictures, each in one view."""
        parts = (self.features.maps, self.features.means, self.tops)
        maps, means, tops = (torch.from_numpy(part[rows, views].astype(np.float32)) for part in parts)
        return maps, means, tops

    def whole(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return every picture in its first view."""
        rows = np.arange(len(self))
        return self.take(rows, np.zeros_like(rows))
