"""The trained head of the image tower: from EfficientNet-Lite0 features to a vector of two halves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from catalens.training.recipes.unified.lite import CHANNELS, MIDDLE, TOP


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """Features of n images.

    Attributes:
        maps: (n, cells, 320), the last map but one.
        fine: (n, 152), pooled finer maps.
        tops: (n, 1280), the pooled last map.
    """

    maps: Tensor
    fine: Tensor
    tops: Tensor

    def __len__(self) -> int:
        return len(self.tops)

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """The three arrays, in the order in which the head takes them."""
        return self.maps, self.fine, self.tops

    @staticmethod
    def join(parts: list[ImageFeatures]) -> ImageFeatures:
        """Put batches one after the other."""
        return ImageFeatures(*(torch.cat([getattr(each, name) for each in parts]) for name in ("maps", "fine", "tops")))


class ImageHead(nn.Module):
    """Features to rows (n, 2 × half) of unit length: a half for kinds of things, and a half for what captions say."""

    def __init__(self, half: int = 256, *, queries: int = 8, width: int = 256) -> None:
        super().__init__()
        wide = TOP + MIDDLE
        self.norm = nn.LayerNorm(wide)
        self.kinds = nn.Linear(TOP, half)
        self.kinds_up, self.kinds_down = nn.Linear(wide, 2 * width), nn.Linear(2 * width, half)
        self.words = nn.Linear(TOP, half)
        self.words_up, self.words_down = nn.Linear(wide, 2 * width), nn.Linear(2 * width, half)
        self.cells, self.values = nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, width)
        self.look = nn.Linear(CHANNELS, queries, bias=False)
        self.mix = nn.Linear(queries * width, half)
        self.drop = nn.Dropout(0.2)

    def forward(self, maps: Tensor, fine: Tensor, tops: Tensor) -> Tensor:
        """Encode a batch of features."""
        rich = self.drop(self.norm(torch.cat([tops, fine], dim=1)))
        kinds = self._kinds(rich, tops)
        words = self.words(self.drop(tops)) + self.words_down(self.drop(functional.gelu(self.words_up(rich))))
        cells = self.cells(maps)
        share = self.look(cells).softmax(dim=1)  # (n, cells, queries)
        looked = torch.einsum("ncq,ncw->nqw", share, functional.gelu(self.values(cells))).flatten(1)
        words = words + self.mix(self.drop(looked))
        halves = [functional.normalize(each, dim=-1) for each in (kinds, words)]
        return torch.cat(halves, dim=1) * math.sqrt(0.5)

    def kinds_of(self, fine: Tensor, tops: Tensor) -> Tensor:
        """Return the half for kinds of things alone, (n, half) of unit length."""
        return functional.normalize(self._kinds(self.drop(self.norm(torch.cat([tops, fine], dim=1))), tops), dim=-1)

    def _kinds(self, rich: Tensor, tops: Tensor) -> Tensor:
        kinds: Tensor = self.kinds(tops) + self.kinds_down(self.drop(functional.gelu(self.kinds_up(rich))))
        return kinds

    @torch.no_grad()
    def start(self, classifier: tuple[Tensor, Tensor], names: Tensor, seen: ImageFeatures, said: Tensor) -> None:
        """Set the two linear maps by least squares, so that training starts near the end.

        The half for kinds of things is to rank the classes' names as the tower's own classifier does; the half for
        captions is to lie where an image's captions do.

        Args:
            classifier: weight (classes, 1280) and bias (classes,).
            names: (classes, 2 × half), unit rows of the classes' names.
            seen: features of n images.
            said: (n, 2 × half), the mean of each image's captions.
        """
        weight, bias = classifier
        half, middle = self.kinds.out_features, seen.tops.mean(0)
        named = functional.normalize(names[:, :half], dim=1)
        logits = weight - weight.mean(0)
        wanted = torch.cat([logits, (bias - bias.mean())[:, None]], dim=1)
        kinds = ridge(named - named.mean(0), wanted, 0.03)
        self.kinds.weight.copy_(kinds[:, :-1])
        self.kinds.bias.copy_(kinds[:, -1])
        told = said[:, half:]
        words = ridge(seen.tops - middle, functional.normalize(told, dim=1) - told.mean(0), 0.03)
        self.words.weight.copy_(words.T)
        self.words.bias.copy_(-words.T @ middle)
        for last in (self.kinds_down, self.words_down, self.mix):
            last.weight.mul_(0.1)
            last.bias.zero_()


def ridge(inputs: Tensor, targets: Tensor, decay: float) -> Tensor:
    """Return least squares (a, b) from inputs (n, a) to targets (n, b).

    Args:
        inputs: rows.
        targets: rows.
        decay: pull towards 0, as a share of the inputs' mean squared length per number.
    """
    square = inputs.T @ inputs
    square += decay * square.diagonal().mean() * torch.eye(len(square))
    found: Tensor = torch.linalg.solve(square, inputs.T @ targets)
    return found
