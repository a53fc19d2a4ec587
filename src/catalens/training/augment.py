"""Augmentations of product pictures: framing, lighting, background, resolution."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

PALE = 238
"""Channel value from which a shop's background counts as white."""


def framed(pixels: Tensor, size_hw: tuple[int, int], generator: torch.Generator, *, strength: float) -> Tensor:
    """Zoom, shift, stretch and mirror a batch, white beyond the edge.

    Args:
        pixels: (n, 3, height, width) in [-1, 1].
        size_hw: size of the result.
        generator: where chance comes from.
        strength: 0 only resizes; 1 zooms between 0.7 and 1.2 times and shifts by up to an eighth.
    """
    n = len(pixels)
    draw = torch.rand(6, n, generator=generator)
    zoom = torch.exp(strength * (draw[0] * 0.54 - 0.36))  # 0.70 … 1.20
    stretch = torch.exp(strength * 0.2 * (draw[1] - 0.5))
    flip = torch.where(draw[2] < 0.5, -1.0, 1.0) if strength > 0 else torch.ones(n)
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0] = flip / (zoom * stretch)
    matrix[:, 1, 1] = stretch / zoom
    angle = strength * 0.14 * (draw[5] - 0.5)  # ± 4 degrees
    matrix[:, 0, 1], matrix[:, 1, 0] = -angle, angle
    matrix[:, 0, 2] = strength * 0.25 * (draw[3] - 0.5)
    matrix[:, 1, 2] = strength * 0.25 * (draw[4] - 0.5)
    grid = functional.affine_grid(matrix, [n, 3, *size_hw], align_corners=False)
    # White is 1: shift so that the zeros that grid_sample puts beyond the edge become white.
    return functional.grid_sample(pixels - 1.0, grid, mode="bilinear", align_corners=False) + 1.0


def lit(pixels: Tensor, generator: torch.Generator, *, strength: float) -> Tensor:
    """Change brightness and contrast a little, and lose resolution on a fifth of the batch."""
    n, _, height, width = pixels.shape
    draw = torch.rand(3, n, 1, 1, 1, generator=generator)
    bright = strength * 0.16 * (draw[0] - 0.5)
    contrast = 1.0 + strength * 0.3 * (draw[1] - 0.5)
    out = ((pixels - 1.0) * contrast + 1.0 + bright).clamp(-1.0, 1.0)
    small = torch.nonzero(draw[2].flatten() < 0.2 * strength).flatten()
    if len(small):
        factor = 0.4 + 0.4 * torch.rand(1, generator=generator).item()
        low = functional.interpolate(out[small], scale_factor=factor, mode="bilinear", antialias=True)
        out[small] = functional.interpolate(low, size=(height, width), mode="bilinear")
    return out


def overlaid(
    pixels: Tensor, alpha: float, generator: torch.Generator, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Lay every picture (n, 3, height, width) over another one of the batch (mixup, Zhang et al. 2018).

    Args:
        pixels: the batch.
        alpha: shares are drawn from Beta(alpha, alpha): the smaller, the nearer to one picture alone.
        generator: where the pairs come from.
        rng: where the shares come from.

    Returns:
        The pictures, and (n, n) shares of each old one in each new one.
    """
    n = len(pixels)
    share = torch.from_numpy(rng.beta(alpha, alpha, n).astype(np.float32))
    share = torch.maximum(share, 1.0 - share)
    other = torch.randperm(n, generator=generator)
    mixed = torch.lerp(pixels[other], pixels, share[:, None, None, None])
    return mixed, torch.diag(share) + (1.0 - share)[:, None] * functional.one_hot(other, n)


def background(picture_hwc: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Find the white background connected to the edge, or None where it cannot be distinguished from the product."""
    pale = picture_hwc.min(axis=2) >= PALE
    regions, _ = ndimage.label(pale)
    edge = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    mask = np.isin(regions, edge[edge > 0])
    share = float(mask.mean())
    return np.asarray(mask) if 0.25 <= share <= 0.8 else None


def onto_backgrounds(
    pictures: NDArray[np.uint8], others: NDArray[np.uint8], rng: np.random.Generator, share: float
) -> NDArray[np.uint8]:
    """Put a share of the products before another picture or a plain colour.

    Args:
        pictures: (n, height, width, 3) products on white.
        others: (m, height, width, 3) pictures to stand behind them.
        rng: where chance comes from.
        share: of the batch, in [0, 1].
    """
    out = pictures.copy()
    for i in np.flatnonzero(rng.random(len(pictures)) < share):
        mask = background(pictures[i])
        if mask is None:
            continue
        if rng.random() < 0.5:
            behind = others[rng.integers(len(others))].astype(np.float32)
        else:
            behind = np.broadcast_to(rng.uniform(40, 255, 3).astype(np.float32), pictures[i].shape)
        soft = ndimage.uniform_filter(mask.astype(np.float32), 3)[..., None]
        out[i] = (soft * behind + (1 - soft) * pictures[i]).astype(np.uint8)
    return out
