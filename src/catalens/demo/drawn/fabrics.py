"""What drawn products are made of: colours by name, and cloth with patterns."""

from __future__ import annotations

import math
import random
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from catalens.demo.drawn.canvas import HEIGHT, SCALE, WIDTH, Colour, Fabric, Plane, mix, plain

COLOURS: Final[dict[str, Colour]] = {
    "Black": (34, 34, 38),
    "White": (246, 246, 247),
    "Grey": (142, 145, 150),
    "Red": (198, 26, 38),
    "Navy Blue": (28, 38, 86),
    "Blue": (38, 98, 190),
    "Green": (30, 128, 66),
    "Yellow": (246, 206, 40),
    "Pink": (240, 122, 170),
    "Purple": (104, 48, 136),
    "Orange": (240, 120, 28),
    "Brown": (112, 68, 40),
    "Beige": (212, 190, 152),
}


def contrast(colour: Colour) -> Colour:
    """Return white on dark and mid tones, navy on light ones."""
    return (248, 248, 248) if sum(colour) < 500 else (40, 52, 104)


def cloth(pattern: str, colour: Colour, rng: random.Random, *, lean: float = 0.0) -> Fabric:
    """Return cloth of a colour in a pattern: Solid, Striped, Checked or Printed.

    Args:
        pattern: as the catalogue names it.
        colour: of the ground.
        rng: for the size of the pattern.
        lean: angle of stripes in degrees; 0 lies flat, 90 stands.
    """
    if pattern == "Striped":
        return _striped(colour, contrast(colour), period=rng.uniform(19, 26), lean=lean)
    if pattern == "Checked":
        return _checked(colour, contrast(colour), period=rng.uniform(26, 34))
    if pattern == "Printed":
        return _flowered(colour, rng)
    return plain(colour)


def twill(colour: Colour) -> Fabric:
    """Return denim: fine diagonal ribs, and threads that took the dye unevenly."""

    def fabric(x: Plane, y: Plane) -> Plane:
        ribs = np.sin((x + 0.6 * y) * np.float32(2.9))
        threads = np.sin(x * np.float32(12.9898) + y * np.float32(78.233)) * np.float32(43758.547)
        uneven = (threads - np.floor(threads) - 0.5) * 0.28
        return blend(colour, mix(colour, (226, 232, 242), 0.75), np.clip(0.10 + 0.07 * ribs + uneven, 0, 1))

    return fabric


def _striped(colour: Colour, other: Colour, *, period: float, lean: float) -> Fabric:
    across, up = math.sin(math.radians(lean)), math.cos(math.radians(lean))

    def fabric(x: Plane, y: Plane) -> Plane:
        height = x * np.float32(across) + y * np.float32(up) + 3 * np.cos((x - 150) / 60)
        return blend(colour, other, (height % period) < period * 0.4)

    return fabric


def _checked(colour: Colour, other: Colour, *, period: float) -> Fabric:
    def fabric(x: Plane, y: Plane) -> Plane:
        broad = 0.5 * ((x % period) < period * 0.45) + 0.5 * ((y % period) < period * 0.45)
        fine = ((x % period) > period * 0.68) & ((x % period) < period * 0.76)
        fine |= ((y % period) > period * 0.68) & ((y % period) < period * 0.76)
        return blend(colour, other, np.clip(0.85 * broad + 0.55 * fine, 0, 1))

    return fabric


def _flowered(colour: Colour, rng: random.Random) -> Fabric:
    """Scatter five-petalled flowers in up to three colours on a loose grid."""
    petals = [other for other in (contrast(colour), (250, 214, 70), (236, 92, 140)) if math.dist(other, colour) > 120]
    cloth_image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), colour)
    draw = ImageDraw.Draw(cloth_image)
    cell = rng.uniform(30, 36)
    for row in range(-1, 15):
        for column in range(-1, 11):
            x = ((column + (row % 2) / 2) * cell + rng.uniform(-4, 4)) * SCALE
            y = (row * cell * 0.87 + rng.uniform(-4, 4)) * SCALE
            radius, turn = rng.uniform(9, 13) * SCALE, rng.uniform(0, 2 * math.pi)
            draw.polygon(_petals(x, y, radius, turn), fill=petals[(row + column) % len(petals)])
            heart = radius * 0.24
            draw.ellipse((x - heart, y - heart, x + heart, y + heart), fill=mix(colour, (120, 60, 20), 0.5))
    pixels = np.asarray(cloth_image, np.float32)

    def fabric(x: Plane, y: Plane) -> Plane:
        top, left = round(float(y[0, 0]) * SCALE), round(float(x[0, 0]) * SCALE)
        return pixels[top : top + x.shape[0], left : left + x.shape[1]]

    return fabric


def _petals(x: float, y: float, radius: float, turn: float) -> list[tuple[float, float]]:
    outline = []
    for degree in range(0, 360, 6):
        angle = math.radians(degree)
        reach = radius * (0.72 + 0.28 * math.cos(5 * angle))
        outline.append((x + reach * math.cos(angle + turn), y + reach * math.sin(angle + turn)))
    return outline


def blend(one: Colour, other: Colour, share: NDArray[np.bool_ | np.float32]) -> Plane:
    """Blend two colours point by point; share, (height, width), is the other's, 0 … 1."""
    weight = share.astype(np.float32)[..., None]
    return np.array(one, np.float32) * (1 - weight) + np.array(other, np.float32) * weight
