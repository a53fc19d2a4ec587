"""What the frozen layers of the starter's image tower make of every training picture, in several views.

The views are computed once and kept beside the run; a stopped run goes on with the first that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image as Picture
from torch import Tensor, nn

from catalens.core.files import write_atomically
from catalens.core.vectors import batched
from catalens.training.pixels import STORED_HW, fitted
from catalens.training.recipes.unified.views import opened, pasted, varied
from catalens.training.towers import ImageTower
from catalens.training.tracing import to_openvino

Rng = np.random.Generator
View = tuple[NDArray[np.float16], ...]
"""What the frozen layers give of n pictures, an array for each of their outputs."""


@dataclass(frozen=True, slots=True)
class LowFeatures:
    """Lower features of n pictures.

    Attributes:
        low: (n, 32), the pooled map at stride 8.
        fine: (n, 64, 10, 8), the map at stride 16.
    """

    low: Tensor
    fine: Tensor

    def __len__(self) -> int:
        return len(self.low)

    @staticmethod
    def join(parts: Sequence[LowFeatures]) -> LowFeatures:
        """Put batches one after the other."""
        fine = torch.cat([each.fine for each in parts]).contiguous(memory_format=torch.channels_last)
        return LowFeatures(torch.cat([each.low for each in parts]), fine)


class LowerHalf(nn.Module):
    """Bytes (n, height, width, 3) to the lower features."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.stem, self.fine = tower.stem, tower.fine

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pooled map at stride 8 and the map at stride 16."""
        low = self.stem(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0)
        return low.mean((2, 3)), self.fine(low)


def plain(picture: Picture, rng: Rng) -> Picture:
    """Return the picture as it is."""
    del rng
    return picture


def onto(backgrounds: Sequence[bytes]) -> Callable[[Picture, Rng], Picture]:
    """Return a view of products before everyday pictures; one whose own background is not found is varied alone."""

    def view(picture: Picture, rng: Rng) -> Picture:
        scene = pasted(picture, opened(backgrounds[int(rng.integers(len(backgrounds)))]), rng)
        return varied(picture, rng) if scene is None else varied(scene, rng, least_area=0.75)

    return view


class Views:
    """Computes what frozen layers make of sets of pictures, and keeps it."""

    def __init__(self, layers: nn.Module, folder: Path, threads: int) -> None:
        import openvino

        core = openvino.Core()
        core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"})
        height, width = STORED_HW
        example = torch.zeros(1, height, width, 3, dtype=torch.uint8)
        self._run = core.compile_model(to_openvino(layers, example), "CPU")
        self._folder = folder

    def get(
        self, name: str, number: int, pictures: Sequence[bytes], change: Callable[[Picture, Rng], Picture] = plain
    ) -> View:
        """Return a view of a set, computed now if it is not there."""
        file = self._folder / f"{name}.{number}.npz"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([number, sum(name.encode())])
            found: list[list[NDArray[np.float16]]] = []
            for some in batched(pictures, 32):
                pixels = np.stack([fitted(change(opened(each), rng), pad=True) for each in some])
                out: Any = self._run(pixels)
                found.append([np.asarray(out[at]).astype(np.float16) for at in range(len(out))])
            arrays = [np.concatenate(parts) for parts in zip(*found, strict=True)]
            write_atomically(file, lambda stream: np.savez(stream, *arrays))
        stored = np.load(file)
        return tuple(stored[name] for name in stored.files)


def taken(views: Sequence[View], rows: NDArray[np.int64], which: NDArray[np.int64]) -> LowFeatures:
    """Return some rows of a set, each in the view that `which` names."""
    low, fine = (
        np.stack([views[view][at][row] for row, view in zip(rows, which, strict=True)]).astype(np.float32)
        for at in range(2)
    )
    return LowFeatures(torch.from_numpy(low), torch.from_numpy(fine).contiguous(memory_format=torch.channels_last))
