"""Features of the frozen ImageNet tower of the everyday bundle, computed once and cached beside the run.

Nothing of the tower is trained, so its features are facts of the pictures: a run reads them from disk, and an epoch
over six thousand pictures takes seconds.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from safetensors.torch import load_file
from torch import Tensor, nn

from catalens.training.backbones import mobilenet
from catalens.training.fashion import read_goods
from catalens.training.pixels import nonsense, png, read_photographs
from catalens.training.tracing import to_openvino

if TYPE_CHECKING:
    import openvino

SIDE = 224
"""Pixels of a side: the ImageNet tower's own size; pictures are squashed to a square."""
CELLS, CHANNELS, MIDDLE = 49, 320, 96


class FrozenTower(nn.Module):
    """MobileNetV2 up to its last 7 by 7 map, and the means of a finer one."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        net = mobilenet()
        net.load_state_dict(load_file(weights), strict=False)
        self.low = nn.Sequential(net.conv_stem, net.bn1, *net.blocks[:5])  # stride 16, 96 channels
        self.high = nn.Sequential(*net.blocks[5:])  # stride 32, 320 channels
        self.head = nn.Sequential(net.conv_head, net.bn2)  # 1280 channels
        self.requires_grad_(requires_grad=False).eval()

    def forward(self, pixels_nhwc: Tensor) -> tuple[Tensor, Tensor]:
        """Bytes (n, 224, 224, 3) to the map (n, 49, 320) and the means (n, 96)."""
        low = self.low(pixels_nhwc.permute(0, 3, 1, 2).float() / 127.5 - 1.0)
        return self.high(low).flatten(2).transpose(1, 2), low.mean((2, 3))


@dataclass(frozen=True, slots=True)
class Features:
    """Features of n pictures in `views` views each; view 0 is the whole picture.

    Attributes:
        maps: (n, views, 49, 320) float16.
        means: (n, views, 96) float16.
    """

    maps: NDArray[np.float16]
    means: NDArray[np.float16]


def view(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a random framing of a picture in other light, now and then mirrored."""
    width, height = image.size
    share = np.sqrt(rng.uniform(0.5, 1.0))
    w, h = width * share * rng.uniform(0.92, 1.08), height * share * rng.uniform(0.92, 1.08)
    w, h = min(w, width), min(h, height)
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    out = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=(left, top, left + w, top + h))
    if rng.random() < 0.5:
        out = out.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        out = change(out).enhance(rng.uniform(0.8, 1.2))
    return out


def _batches(pictures: Sequence[bytes], views: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Return (16 × views, 224, 224, 3) at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, len(pictures), 16):
        rows = []
        for data in pictures[start : start + 16]:
            image = Image.open(io.BytesIO(data)).convert("RGB")
            rows.append(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
            rows += [np.asarray(view(image, rng)) for _ in range(views - 1)]
        yield np.stack(rows)


@lru_cache(maxsize=1)
def compiled_tower(weights: Path) -> openvino.CompiledModel:
    """Return the frozen tower on OpenVINO. Tracing it takes seconds, so it is kept for the next set of pictures."""
    import openvino

    tower = to_openvino(FrozenTower(weights), torch.zeros(1, SIDE, SIDE, 3).byte())
    return openvino.Core().compile_model(tower, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def features(file: Path, pictures: Sequence[bytes], weights: Path, *, views: int = 1, seed: int = 0) -> Features:
    """Encode the pictures once and store the features in `file`.maps.npy and `file`.means.npy."""
    maps_file, means_file = file.with_suffix(".maps.npy"), file.with_suffix(".means.npy")
    if not means_file.exists():
        n = len(pictures)
        maps = np.lib.format.open_memmap(maps_file, "w+", np.float16, (n, views, CELLS, CHANNELS))
        means = np.empty((n, views, MIDDLE), np.float16)
        run, at = compiled_tower(weights), 0
        for batch in _batches(pictures, views, seed):
            seen = run(batch)
            k = len(batch) // views
            maps[at : at + k] = seen[0].reshape(k, views, CELLS, CHANNELS)
            means[at : at + k] = seen[1].reshape(k, views, MIDDLE)
            at += k
        maps.flush()
        np.save(means_file, means)
    return Features(np.load(maps_file, mmap_mode="r"), np.load(means_file))


def pooled(file: Path, features: Features, weights: Path) -> NDArray[np.float16]:
    """Return the means (n, views, 1280) of the last layer, which the teacher reads; cache them in `file`.tops.npy."""
    tops_file = file.with_suffix(".tops.npy")
    if not tops_file.exists():
        head, (n, views) = FrozenTower(weights).head, features.maps.shape[:2]
        tops = np.empty((n, views, 1280), np.float16)
        with torch.no_grad():
            for start in range(0, n, 32):
                maps = torch.from_numpy(
                    features.maps[start : start + 32].reshape(-1, CELLS, CHANNELS).astype(np.float32)
                )
                seen = head(maps.transpose(1, 2).reshape(-1, CHANNELS, 7, 7)).mean((2, 3))
                tops[start : start + 32] = seen.reshape(-1, views, 1280).numpy()
        np.save(tops_file, tops)
    found: NDArray[np.float16] = np.load(tops_file)
    return found


def main() -> None:
    """Encode every picture that the everyday models are trained and evaluated on."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/everyday"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    weights = options.data / "init" / "mobilenet_v2_imagenet.safetensors"
    made = [png(each) for each in nonsense(1500, np.random.default_rng(5))]
    products = [product.picture for product in read_goods(options.data)]
    sets = {split: (read_photographs(options.data, split), 1) for split in ("val", "test")}
    sets |= {"train": (read_photographs(options.data), 6), "products": (products, 1), "nonsense": (made, 1)}
    for seed, (name, (pictures, views)) in enumerate(sets.items()):
        file = options.out / name
        pooled(file, features(file, pictures, weights, views=views, seed=seed), weights)


if __name__ == "__main__":
    main()
