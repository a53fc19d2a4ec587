"""A sheet of white paper, 300 by 400, on which outlines are filled with shaded cloth, leather or metal.

Coordinates are in pixels of the finished picture; everything is drawn at twice the size and
brought down at the end, which smooths every edge.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

WIDTH, HEIGHT = 300, 400
SCALE = 2
_STEPS = 10
"""Straight pieces between two points of a curve."""

Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[int, int, int]
Plane: TypeAlias = NDArray[np.float32]
"""(height, width) or (height, width, 3), at drawing size."""
Fabric: TypeAlias = Callable[[Plane, Plane], Plane]
"""Colour, 0 … 255, (height, width, 3), of every point x, y given as (height, width) planes."""


def curve(points: Sequence[Point], *, closed: bool = True) -> list[Point]:
    """Lead a smooth line through all points; a point given twice is a corner.

    Source:
        Catmull and Rom 1974, the uniform cubic form.
    """
    padded = [points[-1], *points, points[0], points[1]] if closed else [points[0], *points, points[-1]]
    line: list[Point] = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        if p1 == p2:
            continue
        for step in range(_STEPS):
            t = step / _STEPS
            line.append((_along(t, p0[0], p1[0], p2[0], p3[0]), _along(t, p0[1], p1[1], p2[1], p3[1])))
    return line if closed else [*line, points[-1]]


def corners(*points: Point) -> list[Point]:
    """Return each point twice, so that `curve` joins them by straight lines."""
    return [point for point in points for _ in range(2)]


def mirrored(half: Sequence[Point]) -> list[Point]:
    """Close a right half, given from the top centre to the bottom centre, with its mirror image."""
    return [*half, *((WIDTH - x, y) for x, y in reversed(half))]


def ellipse(centre: Point, radius_x: float, radius_y: float) -> list[Point]:
    """Return the outline of an ellipse."""
    turns = (2 * math.pi * i / 72 for i in range(72))
    return [(centre[0] + radius_x * math.cos(turn), centre[1] + radius_y * math.sin(turn)) for turn in turns]


def shade(colour: Colour, factor: float) -> Colour:
    """Darken (below 1) or lighten (above 1, towards white) a colour."""
    if factor <= 1:
        return (round(colour[0] * factor), round(colour[1] * factor), round(colour[2] * factor))
    return mix(colour, (255, 255, 255), factor - 1)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours; share is the other's, 0 … 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return (red, green, blue)


def plain(colour: Colour) -> Fabric:
    """Return cloth of one colour."""
    return lambda x, _y: np.broadcast_to(np.array(colour, np.float32), (*x.shape, 3))


class Canvas:
    """The picture being drawn; what is random in it comes from the numbers it is given."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        size = (WIDTH * SCALE, HEIGHT * SCALE)
        self._image = Image.new("RGB", size, "white")
        self._covered = Image.new("L", size, 0)
        columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        self._x = (columns / SCALE).astype(np.float32)
        self._y = (rows / SCALE).astype(np.float32)

    def fill(
        self, outline: Sequence[Point], fabric: Fabric, *, depth: float = 9, folds: float = 0.0, gloss: float = 0.0
    ) -> None:
        """Fill a closed outline, lit from the upper left.

        Args:
            outline: its points, as `curve` gives them.
            fabric: what it is made of.
            depth: how far, in pixels, the edge bends away from the light; 0 is flat.
            folds: strength of soft folds, 0 … 1.
            gloss: strength of a highlight, 0 … 1.
        """
        box = _box(outline, 3 * depth)
        mask = _mask(outline, box)
        rows, columns = slice(box[1], box[3]), slice(box[0], box[2])
        light = _light(mask, depth, gloss)
        if folds:
            light = light + np.float32(0.22 * folds) * self._folds(mask.size)
        pixels = np.clip(fabric(self._x[rows, columns], self._y[rows, columns]) * light[..., None], 0, 255)
        self._cover(Image.fromarray(pixels.astype(np.uint8)), mask, box)

    def line(
        self, points: Sequence[Point], colour: Colour, *, width: float = 1.2, alpha: float = 1.0, dash: float = 0
    ) -> None:
        """Draw an open line; dash, in pixels, breaks it into stitches."""
        box = _box(points, width)
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]), 0)
        draw = ImageDraw.Draw(mask)
        scaled = [(x * SCALE - box[0], y * SCALE - box[1]) for x, y in points]
        for piece in _dashes(scaled, dash * SCALE) if dash else [scaled]:
            draw.line(piece, fill=round(255 * alpha), width=max(1, round(width * SCALE)), joint="curve")
        self._cover(Image.new("RGB", mask.size, colour), mask, box)

    def shadow(self, outline: Sequence[Point], *, softness: float = 4, strength: float = 0.35) -> None:
        """Darken softly what lies under an outline, within what is drawn already."""
        self.tint(outline, (0, 0, 0), softness=softness, strength=strength)

    def tint(self, outline: Sequence[Point], colour: Colour, *, softness: float, strength: float) -> None:
        """Breathe a colour over what is drawn already, within an outline with soft edges."""
        box = _box(outline, 3 * softness)
        mask = _mask(outline, box).filter(ImageFilter.GaussianBlur(softness * SCALE))
        mask = ImageChops.multiply(mask, self._covered.crop(box)).point(lambda value: int(value * strength))
        self._image.paste(colour, box, mask)

    def finish(self, *, angle: float = 0.0) -> Image.Image:
        """Return the picture, turned by an angle in degrees, with a soft shadow, at its final size."""
        image, covered = self._image, self._covered
        if angle:
            image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor="white")
            covered = covered.rotate(angle, Image.Resampling.BICUBIC)
        fallen = ImageChops.offset(covered, SCALE, 3 * SCALE).filter(ImageFilter.GaussianBlur(3 * SCALE))
        paper = Image.new("RGB", image.size, "white")
        paper.paste((70, 70, 75), mask=fallen.point(lambda value: int(value * 0.30)))
        paper.paste(image, mask=covered)
        return paper.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)

    def _cover(self, patch: Image.Image, mask: Image.Image, box: tuple[int, int, int, int]) -> None:
        self._image.paste(patch, box, mask)
        self._covered.paste(ImageChops.lighter(self._covered.crop(box), mask), box)

    def _folds(self, size: tuple[int, int]) -> Plane:
        """Return soft, mostly upright unevenness, about -1 … 1."""
        seed = np.random.default_rng(self._rng.getrandbits(32))
        shape = (2 + size[1] // 200, 3 + size[0] // 70)
        noise = Image.fromarray(seed.uniform(0, 255, shape).astype(np.uint8))
        wide = noise.resize(size, Image.Resampling.BICUBIC).rotate(self._rng.uniform(-12, 12), fillcolor=128)
        return np.asarray(wide, np.float32) / 127.5 - 1


def _box(points: Sequence[Point], margin: float) -> tuple[int, int, int, int]:
    """Return the part of the drawing, (left, top, right, bottom), that points with a margin take."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, top = max(0, min(xs) - margin - 1), max(0, min(ys) - margin - 1)
    right, bottom = min(WIDTH, max(xs) + margin + 1), min(HEIGHT, max(ys) + margin + 1)
    return (int(left * SCALE), int(top * SCALE), math.ceil(right * SCALE), math.ceil(bottom * SCALE))


def _mask(outline: Sequence[Point], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]), 0)
    ImageDraw.Draw(mask).polygon([(x * SCALE - box[0], y * SCALE - box[1]) for x, y in outline], fill=255)
    return mask


def _light(mask: Image.Image, depth: float, gloss: float) -> Plane:
    """Return the light on each point of a shape; 1 shows the fabric's own colour."""
    if not depth:
        return np.ones((mask.height, mask.width), np.float32)
    inside = np.asarray(mask.filter(ImageFilter.GaussianBlur(depth * SCALE)), np.float32) / 255
    reach = max(1, round(depth * SCALE * 0.6))
    slope = np.roll(inside, (-reach, -reach), (0, 1)) - np.roll(inside, (reach, reach), (0, 1))
    light = 0.66 + 0.36 * np.clip(2 * inside - 1, 0, 1) ** 0.7 + 0.16 * slope
    return np.asarray(light + gloss * np.clip(slope, 0, 1) ** 2, np.float32)


def _along(t: float, a: float, b: float, c: float, d: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)


def _dashes(points: Sequence[Point], dash: float) -> list[list[Point]]:
    """Cut a line into pieces of one length with gaps of half of it."""
    pieces: list[list[Point]] = []
    walked = 0.0
    for start, end in pairwise(points):
        length = math.dist(start, end)
        steps = max(1, round(length))
        for step in range(steps):
            at = (start[0] + (end[0] - start[0]) * step / steps, start[1] + (end[1] - start[1]) * step / steps)
            if walked % (1.6 * dash) < dash:
                if not pieces or math.dist(pieces[-1][-1], at) > 2.5:
                    pieces.append([at])
                pieces[-1].append(at)
            walked += length / steps
    return pieces
