"""An easel on which products and other things are painted from outlines, each time in another style.

Points are (x, y), y downwards, of a thing that is about two wide and 2.4 high around (0, 0); where it lies in the
picture, how large, turned and stretched it is, and how it is lit and inked, is chance.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from PIL.Image import Image as Picture

from catalens.training.rendered.paints import Colour, darker, mixed

Point = tuple[float, float]
Paint = Picture | Colour
"""A cloth that covers the whole picture, or one colour."""

SIZE = (360, 480)
"""Width and height of what is painted; half of it is kept."""
UNIT = 150.0
"""Pixels of one unit."""


def rounded(points: Sequence[Point], times: int) -> list[Point]:
    """Cut the corners of a closed outline so many times.

    Source:
        Chaikin 1974, An algorithm for high-speed curve generation.
    """
    out = list(points)
    for _ in range(times):
        ends = zip(out, [*out[1:], out[0]], strict=True)
        out = [(a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])) for a, b in ends for share in (0.25, 0.75)]
    return out


def mirrored(half: Sequence[Point]) -> list[Point]:
    """Close a right half, from the top to the bottom, with its mirror image."""
    return [*half, *((-x, y) for x, y in reversed(half))]


def arc(middle: Point, wide: float, high: float, start: float = 0.0, end: float = 360.0) -> list[Point]:
    """Return points on an ellipse between two angles in degrees, clockwise from the right."""
    turns = (math.radians(start + (end - start) * at / 36) for at in range(36 if end - start == 360 else 37))
    return [(middle[0] + wide * math.cos(turn), middle[1] + high * math.sin(turn)) for turn in turns]


def box(middle: Point, wide: float, high: float) -> list[Point]:
    """Return the corners of a rectangle, given half its width and half its height."""
    x, y = middle
    return [(x - wide, y - high), (x + wide, y - high), (x + wide, y + high), (x - wide, y + high)]


def square(middle: Point, side: float) -> list[Point]:
    """Return a square as a line that closes."""
    corners = box(middle, side, side)
    return [*corners, corners[0]]


class Easel:
    """A picture in the making, in a style of its own."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._angle = math.radians(chance.gauss(0, 5))
        size = chance.uniform(0.65, 1.15)
        self._stretch = size * chance.uniform(0.85, 1.15), size * chance.uniform(0.88, 1.12)
        room = max(0.0, 1.1 - size)
        self._middle = (
            SIZE[0] * (0.5 + 0.3 * chance.uniform(-room, room)),
            SIZE[1] * (0.5 + 0.3 * chance.uniform(-room, room)),
        )
        self._shaky = chance.choice((0.0, 0.008, 0.02))
        self._corners = chance.choice((1, 2, 2, 3))
        self._inked = chance.choice((0, 0, 1, 2, 3, 5))
        self._ink: Colour = chance.choice(((20, 20, 24), (60, 50, 50), (90, 90, 110)))
        self._own_ink = chance.random() < 0.4
        self._bevel = chance.choice((0, 0, 0.25, 0.5))
        self._light = self._lit()
        self._image = Image.new("RGB", SIZE, (255, 255, 255))
        self._covered = Image.new("L", SIZE, 0)

    def yes(self, share: float) -> bool:
        """Return whether something is there that so many have."""
        return self.chance.random() < share

    def near(self, value: float, spread: float = 0.15) -> float:
        """Return a value, up to a share of it larger or smaller."""
        return value * self.chance.uniform(1 - spread, 1 + spread)

    def area(self, points: Sequence[Point], paint: Paint, *, sharp: bool = False, inked: bool = True) -> None:
        """Fill a closed outline; a sharp one keeps its corners."""
        outline = self._placed(points if sharp else rounded(points, self._corners))
        box = _box(outline)
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]), 0)
        moved = [(x - box[0], y - box[1]) for x, y in outline]
        ImageDraw.Draw(mask).polygon(moved, fill=255)
        patch = paint.crop(box) if isinstance(paint, Image.Image) else Image.new("RGB", mask.size, paint)
        if self._light is not None:
            patch = ImageChops.multiply(patch, self._light.crop(box))
        if self._bevel:
            inside = mask.filter(ImageFilter.GaussianBlur(max(3, min(mask.size) / 10)))
            low = 1 - self._bevel
            patch = ImageChops.multiply(
                patch,
                inside.point(lambda v: int(255 * min(1, low + self._bevel * 1.6 * max(0, v / 255 - 0.4)))).convert(
                    "RGB"
                ),
            )
        self._image.paste(patch, box, mask)
        self._covered.paste(255, box, mask)
        if inked and self._inked:
            colour = self._edge(paint)
            ImageDraw.Draw(self._image).line([*outline, outline[0]], fill=colour, width=self._inked, joint="curve")
            ImageDraw.Draw(self._covered).line([*outline, outline[0]], fill=255, width=self._inked)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 0.015) -> None:
        """Draw an open line; its width is in units."""
        placed, pixels = self._placed(points), max(1, round(width * UNIT * self._stretch[0]))
        for target, ink in ((self._image, colour), (self._covered, 255)):
            pen = ImageDraw.Draw(target)
            pen.line(placed, fill=ink, width=pixels, joint="curve")
            if pixels > 4:
                for x, y in (placed[0], placed[-1]):
                    pen.ellipse((x - pixels / 2, y - pixels / 2, x + pixels / 2, y + pixels / 2), fill=ink)

    def both(self, points: Sequence[Point], colour: Colour, width: float = 0.015) -> None:
        """Draw a line and its mirror image."""
        self.line(points, colour, width)
        self.line([(-x, y) for x, y in points], colour, width)

    def pair(self, points: Sequence[Point], paint: Paint, *, sharp: bool = False) -> None:
        """Fill an outline and its mirror image."""
        self.area(points, paint, sharp=sharp)
        self.area([(-x, y) for x, y in points], paint, sharp=sharp)

    def dot(self, middle: Point, radius: float, paint: Paint) -> None:
        """Fill a small disc."""
        self.area(arc(middle, radius, radius), paint, sharp=True)

    def finished(self) -> Picture:
        """Return the picture, before what is behind it."""
        chance = self.chance
        paper = self._paper()
        if chance.random() < 0.5:
            far, soft = chance.uniform(0, 14), chance.uniform(2, 12)
            fallen = ImageChops.offset(self._covered, int(far * chance.uniform(-1, 1)), int(far))
            dark = chance.uniform(0.1, 0.45)
            paper.paste((50, 50, 60), mask=fallen.filter(ImageFilter.GaussianBlur(soft)).point(lambda v: int(v * dark)))
        paper.paste(self._image, mask=self._covered)
        return paper.resize((SIZE[0] // 2, SIZE[1] // 2), Image.Resampling.BOX)

    def _placed(self, points: Sequence[Point]) -> list[Point]:
        chance, cos, sin = self.chance, math.cos(self._angle), math.sin(self._angle)
        out = []
        for x, y in points:
            across = (x + chance.gauss(0, self._shaky)) * self._stretch[0] * UNIT
            down = (y + chance.gauss(0, self._shaky)) * self._stretch[1] * UNIT
            out.append((self._middle[0] + across * cos - down * sin, self._middle[1] + across * sin + down * cos))
        return out

    def _edge(self, paint: Paint) -> Colour:
        return darker(paint, 0.55) if self._own_ink and not isinstance(paint, Image.Image) else self._ink

    def _lit(self) -> Picture | None:
        """Return how light every place is: even, falling off to a side, or in soft folds."""
        kind, rng = self.chance.randrange(4), np.random.default_rng(self.chance.randrange(2**32))
        if kind == 0:
            return None
        if kind == 1:
            low = self.chance.uniform(0.55, 0.9)
            ramp = Image.linear_gradient("L").rotate(self.chance.choice((0, 90, 180, 270)))
            field = ramp.resize(SIZE).point(lambda v: int(255 * (low + (1 - low) * v / 255)))
        else:
            shape = (3, 6) if kind == 2 else (7, 5)
            low = self.chance.uniform(0.6, 0.88)
            coarse = Image.fromarray(rng.uniform(255 * low, 255, shape).astype(np.uint8))
            field = coarse.resize(SIZE, Image.Resampling.BICUBIC).rotate(self.chance.uniform(-25, 25), fillcolor=235)
        return field.convert("RGB")

    def _paper(self) -> Picture:
        """Return what is behind: mostly white or nearly so, else a pale colour, a wall that darkens, or a floor."""
        chance, kind = self.chance, self.chance.random()
        if kind < 0.5:
            return Image.new("RGB", SIZE, (255, 255, 255))
        tint: Colour = (chance.randrange(150, 256), chance.randrange(150, 256), chance.randrange(150, 256))
        pale = mixed(tint, (250, 250, 250), chance.uniform(0.3, 0.95))
        paper = Image.new("RGB", SIZE, pale)
        if kind < 0.7:
            return paper
        if kind < 0.85:
            wall = Image.linear_gradient("L").resize(SIZE)
            paper.paste(darker(pale, 0.75), mask=wall)
            return paper
        ImageDraw.Draw(paper).rectangle((0, SIZE[1] * chance.uniform(0.6, 0.9), *SIZE), fill=darker(pale, 0.85))
        return paper


def _box(points: Sequence[Point]) -> tuple[int, int, int, int]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, top = int(min(xs)) - 1, int(min(ys)) - 1
    return left, top, max(left + 2, math.ceil(max(xs)) + 1), max(top + 2, math.ceil(max(ys)) + 1)
