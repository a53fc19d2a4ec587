"""Photographs made into drawings: lines, pencil, few colours for training; cartoons, hatching, dots for validation."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageOps
from PIL.Image import Image as Picture

Pixels = NDArray[np.floating]


def lines(chance: random.Random, photograph: Picture) -> Picture:
    """Keep the edges: dark lines on white, or light ones on dark."""
    grey = ImageOps.grayscale(photograph).filter(ImageFilter.GaussianBlur(chance.uniform(0.5, 1.8)))
    pixels = np.asarray(grey, np.float32)
    steep = np.hypot(*np.gradient(pixels))
    drawn = np.clip(steep / (np.quantile(steep, chance.uniform(0.9, 0.98)) + 1e-3), 0, 1) ** chance.uniform(0.8, 2)
    if chance.random() < 0.4:
        drawn = (drawn > 0.6).astype(np.float32)
    out = drawn if chance.random() < 0.1 else 1 - drawn
    return _grey(out)


def pencil(chance: random.Random, photograph: Picture) -> Picture:
    """Shade as a pencil does: the picture divided by a blurred copy."""
    grey = ImageOps.grayscale(photograph)
    blurred = grey.filter(ImageFilter.GaussianBlur(chance.uniform(2, 9)))
    out = np.clip((np.asarray(grey, np.float32) + 2) / (np.asarray(blurred, np.float32) + 2), 0, 1)
    grain = np.random.default_rng(chance.randrange(2**32)).normal(0, chance.uniform(0, 0.05), out.shape)
    return _grey(np.clip(out ** chance.uniform(1.5, 5) + grain, 0, 1))


def few_colours(chance: random.Random, photograph: Picture) -> Picture:
    """Fill areas with few flat colours, most of them with dark edges between."""
    smooth = photograph.filter(ImageFilter.MedianFilter(chance.choice((5, 7, 9))))
    flat = smooth.quantize(chance.randrange(3, 9), dither=Image.Dither.NONE).convert("RGB")
    flat = flat.filter(ImageFilter.ModeFilter(chance.choice((5, 7))))
    if chance.random() < 0.8:
        edges = ImageOps.grayscale(flat).filter(ImageFilter.FIND_EDGES).point(lambda each: 0 if each > 10 else 255)
        flat = ImageChops.multiply(flat, edges.convert("RGB"))
    return flat


def cartoon(chance: random.Random, photograph: Picture) -> Picture:
    """Brighten colours, level them, and ink the differences between two blurs."""
    smooth = photograph.filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.MedianFilter(7))
    step = chance.choice((48, 64, 85))
    levels = smooth.point(lambda each: min(255, each // step * step + step // 2))
    grey = ImageOps.grayscale(photograph)
    near, far = (np.asarray(grey.filter(ImageFilter.GaussianBlur(size)), np.float32) for size in (1.0, 2.2))
    ink = (near - 0.98 * far > -1.0).astype(np.uint8) * 255
    return ImageChops.multiply(levels, Image.fromarray(ink).convert("RGB"))


def hatched(chance: random.Random, photograph: Picture) -> Picture:
    """Lay strokes over one another where it is dark."""
    grey = np.asarray(ImageOps.autocontrast(ImageOps.grayscale(photograph)), np.float32) / 255
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]]
    out, step = np.ones_like(grey), chance.choice((4, 5, 6))
    for level, along in ((0.75, x + y), (0.5, x - y), (0.3, y), (0.15, x)):
        out[(grey < level) & (along % step == 0)] = 0.1
    return _grey(out)


def dots(chance: random.Random, photograph: Picture) -> Picture:
    """Print in dots, the larger the darker."""
    grey = np.asarray(ImageOps.autocontrast(ImageOps.grayscale(photograph)), np.float32) / 255
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]]
    step = chance.choice((4, 5, 6))
    screen = (np.cos(x * 2 * np.pi / step) + np.cos(y * 2 * np.pi / step) + 2) / 4
    return _grey((grey > screen).astype(np.float32))


def painted(chance: random.Random, photograph: Picture) -> Picture:
    """Smear colours as a brush does."""
    out = photograph.filter(ImageFilter.ModeFilter(chance.choice((5, 7, 9))))
    return ImageOps.posterize(out, chance.choice((4, 5))).filter(ImageFilter.SMOOTH)


def _grey(shares: Pixels) -> Picture:
    return Image.fromarray((shares * 255).astype(np.uint8)).convert("RGB")
