"""Training pictures as arrays of one size, decoded once and cached beside the run; and pictures without content."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

STORED_HW = (160, 120)
"""Height and width of a stored picture: the full input size."""


def decode(pictures: Sequence[bytes], *, pad: bool) -> NDArray[np.uint8]:
    """Decode to (n, 160, 120, 3): padded with white to 3:4, or stretched."""
    return np.stack([fitted(Image.open(io.BytesIO(data)).convert("RGB"), pad=pad) for data in pictures])


def fitted(picture: Image.Image, *, pad: bool) -> NDArray[np.uint8]:
    """Resize one RGB picture to (160, 120, 3): padded with white to 3:4, or stretched."""
    height, width = STORED_HW
    out = np.full((height, width, 3), 255, dtype=np.uint8)
    scale = min(width / picture.width, height / picture.height)
    fit = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    size = fit if pad else (width, height)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    out[top : top + size[1], left : left + size[0]] = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
    return out


def stored(file: Path, pictures: Sequence[bytes], *, pad: bool) -> NDArray[np.uint8]:
    """Decode once and keep the pixels beside the run."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, decode(pictures, pad=pad))
    pixels: NDArray[np.uint8] = np.load(file, mmap_mode="r")
    return pixels


def nonsense(n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Make pictures of nothing: blanks (half of them nearly white), noise, waves, page-like lines, scribbles."""
    kinds = (_blank, _noise, _waves, _page, _scribble)
    return np.stack([kinds[rng.integers(len(kinds))](rng) for _ in range(n)])


def _blank(rng: np.random.Generator) -> NDArray[np.uint8]:
    colour = rng.integers(0, 256, 3) if rng.random() < 0.5 else np.full(3, rng.integers(232, 256))
    return np.broadcast_to(colour.astype(np.uint8), (*STORED_HW, 3))


def _noise(rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = STORED_HW
    grain = int(rng.choice([1, 4, 10, 20]))
    coarse = rng.integers(0, 256, (height // grain + 1, width // grain + 1, 3)).astype(np.uint8)
    return coarse.repeat(grain, 0).repeat(grain, 1)[:height, :width]


def _waves(rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = STORED_HW
    down = np.linspace(0, rng.uniform(1, 40), height)[:, None, None]
    across = np.linspace(0, rng.uniform(0, 40), width)[None, :, None]
    return (127.5 + 127.5 * np.sin(down + across + rng.uniform(0, 6, 3))).astype(np.uint8)


def _page(rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = STORED_HW
    out = np.full((height, width, 3), rng.integers(225, 256), dtype=np.uint8)
    ink = rng.random(width) < 0.7
    ink[:8], ink[rng.integers(60, width) :] = False, False
    for y in range(int(rng.integers(4, 12)), height - 4, int(rng.integers(5, 11))):
        out[y : y + 2, ink] = rng.integers(0, 90)
    return out


def _scribble(rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = STORED_HW
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    for _ in range(rng.integers(2, 12)):
        points = [(int(x), int(y)) for x, y in rng.uniform((0, 0), (width, height), (rng.integers(2, 6), 2))]
        pen.line(points, fill=tuple(rng.integers(0, 200, 3).tolist()), width=int(rng.integers(1, 4)))
    return np.asarray(image)


def png(pixels_hwc: NDArray[np.uint8]) -> bytes:
    """Return a picture as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels_hwc).save(buffer, "PNG")
    return buffer.getvalue()


def tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(n, h, w, 3) bytes to (n, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def read_photographs(data: Path, split: str = "train") -> list[bytes]:
    """Return the everyday photographs of a split as JPEG bytes."""
    from pyarrow import parquet

    table = parquet.read_table(data / "everyday" / f"{split}.parquet", columns=["image"])
    return [row["image"]["bytes"] for row in table.to_pylist()]
