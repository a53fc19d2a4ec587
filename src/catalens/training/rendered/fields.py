"""Helpers of scientific pictures: grids, smooth noise, soft shapes, colour ramps, and what an instrument adds."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from PIL.Image import Image as Picture

Field = NDArray[np.float32]
Ramp = Sequence[tuple[int, int, int]]


class Scope:
    """A field of view in the making: its size, and chance for numbers and for arrays.

    Args:
        chance: of everything that is in it.
        side: height and width in pixels.
    """

    def __init__(self, chance: random.Random, side: int = 224) -> None:
        self.chance, self.side = chance, side
        self.rng = np.random.default_rng(chance.randrange(2**32))
        self.y, self.x = np.mgrid[:side, :side].astype(np.float32) / side

    def disc(
        self, at: tuple[float, float], radius: float, edge: float, *, stretch: float = 1, turn: float = 0
    ) -> Field:
        """Return an ellipse from 0 to 1 with an edge of a width; all in shares of the side."""
        across, down = self.x - at[0], self.y - at[1]
        cos, sin = math.cos(turn), math.sin(turn)
        far = np.hypot((across * cos + down * sin) / stretch, down * cos - across * sin)
        soft: Field = 1 / (1 + np.exp(np.clip((far - radius) / max(edge, 1e-3), -30, 30)))
        return soft

    def spot(self, at: tuple[float, float], size: float) -> Field:
        """Return a point of light, spread as by a lens."""
        glow: Field = np.exp(-((self.x - at[0]) ** 2 + (self.y - at[1]) ** 2) / (2 * size**2))
        return glow

    def place(self, margin: float = 0.0) -> tuple[float, float]:
        """Return a place in the picture."""
        return self.chance.uniform(margin, 1 - margin), self.chance.uniform(margin, 1 - margin)

    def rough(self, steep: float) -> Field:
        """Return noise from 0 to 1 whose power falls with its frequency: 0 is white, 1 rock, 2 clouds."""
        pace = np.hypot(np.fft.fftfreq(self.side)[:, None], np.fft.rfftfreq(self.side)[None, :])
        pace[0, 0] = 1
        waves = np.fft.rfft2(self.rng.normal(size=(self.side, self.side))) / pace**steep
        return stretched(np.fft.irfft2(waves, (self.side, self.side)).astype(np.float32))

    def speckle(self, size: float) -> Field:
        """Return grains as of waves that meet by chance, 1 on average."""
        return 4 * blurred(self.rng.exponential(0.25, (self.side, self.side)).astype(np.float32), size)


def stretched(field: Field) -> Field:
    """Return a field from 0 to 1."""
    low, high = float(field.min()), float(field.max())
    return (field - low) / max(high - low, 1e-6)


def blurred(field: Field, size: float) -> Field:
    """Blur values in [0, 1] by a radius in pixels."""
    levels = Image.fromarray((np.clip(field, 0, 1) * 255).astype(np.uint8))
    out: Field = np.asarray(levels.filter(ImageFilter.BoxBlur(size)), np.float32) / np.float32(255)
    return out


def coloured(field: Field, ramp: Ramp) -> NDArray[np.float32]:
    """Return (h, w, 3) bytes as floats: 0 to 1 along a ramp of colours."""
    places, rows = np.linspace(0, 1, len(ramp)), np.array(ramp, np.float32)
    clipped = np.clip(field, 0, 1)
    return np.stack([np.interp(clipped, places, rows[:, at]) for at in range(3)], axis=-1).astype(np.float32)


def taken(scope: Scope, pixels: NDArray[np.floating], *, noise: float) -> Picture:
    """Return (h, w, 3) bytes as a picture with an instrument's blur and noise."""
    if scope.chance.random() < 0.5:  # grain of the light, else of the sensor
        pixels = pixels + scope.rng.normal(0, noise, pixels.shape[:2])[:, :, None]
    else:
        pixels = pixels + scope.rng.normal(0, noise, pixels.shape)
    out = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return out.filter(ImageFilter.GaussianBlur(scope.chance.choice((0, 0, 0.6, 1.2, 2.5))))
