"""Colours as a shop names them, and cloth in the patterns that it names, each time a little other."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw
from PIL.Image import Image as Picture

Colour = tuple[int, int, int]

COLOURS: Mapping[str, tuple[Colour, ...]] = {
    "Black": ((12, 12, 12), (48, 46, 48), (26, 28, 36)),
    "White": ((255, 255, 255), (240, 240, 238), (236, 240, 246)),
    "Grey": ((120, 120, 122), (175, 176, 180), (96, 98, 104)),
    "Red": ((220, 20, 30), (170, 20, 28), (235, 50, 50)),
    "Navy Blue": ((18, 26, 66), (30, 44, 100), (22, 30, 80)),
    "Blue": ((30, 80, 200), (70, 130, 220), (20, 110, 190)),
    "Green": ((20, 110, 50), (60, 160, 80), (30, 140, 40)),
    "Yellow": ((255, 220, 30), (240, 200, 60), (250, 235, 90)),
    "Pink": ((250, 150, 190), (235, 90, 150), (250, 180, 200)),
    "Purple": ((90, 30, 120), (130, 70, 170), (80, 40, 110)),
    "Orange": ((250, 130, 20), (235, 100, 20), (255, 160, 60)),
    "Brown": ((90, 55, 30), (130, 85, 50), (75, 45, 30)),
    "Beige": ((222, 200, 165), (205, 185, 150), (230, 215, 185)),
    "Maroon": ((110, 15, 35), (90, 20, 30), (128, 20, 44)),
    "Olive": ((100, 105, 50), (85, 90, 45), (120, 120, 70)),
    "Teal": ((0, 120, 125), (10, 100, 110), (20, 135, 130)),
    "Turquoise Blue": ((50, 190, 210), (60, 200, 200), (40, 170, 200)),
    "Lavender": ((190, 170, 220), (205, 185, 230), (175, 160, 215)),
    "Peach": ((255, 200, 165), (250, 185, 155), (255, 210, 185)),
    "Cream": ((250, 240, 210), (245, 235, 200), (252, 244, 222)),
}
"""Some shades of each."""
METALS: tuple[Colour, ...] = ((200, 202, 208), (170, 172, 178), (212, 175, 90), (225, 200, 130))
"""Steel, silver, gold and brass."""


def some_shade(chance: random.Random, name: str) -> Colour:
    """Return a shade of a named colour."""
    one, other = chance.sample(COLOURS[name], 2)
    red, green, blue = (min(255, max(0, part + chance.randrange(-7, 8))) for part in mixed(one, other, chance.random()))
    return red, green, blue


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours; the share is the other's."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def darker(colour: Colour, share: float) -> Colour:
    """Darken a colour to a share of itself; what is nearly black becomes lighter instead."""
    return mixed(colour, (0, 0, 0), 1 - share) if sum(colour) > 170 else mixed(colour, (255, 255, 255), (1 - share) / 2)


def apart(chance: random.Random, colour: Colour) -> Colour:
    """Return a colour that is seen on another: white or black, or any that is far from it."""
    if chance.random() < 0.5:
        return (250, 250, 248) if sum(colour) < 480 else (30, 30, 40)
    others = [some_shade(chance, name) for name in COLOURS]
    return chance.choice([each for each in others if math.dist(each, colour) > 140])


def cloth(chance: random.Random, pattern: str, colour: Colour, size: tuple[int, int]) -> Picture:
    """Return cloth of a colour that covers a picture: "Solid", "Striped", "Checked" or "Printed"."""
    other = apart(chance, colour)
    if pattern == "Striped":
        return _striped(chance, colour, other, size)
    if pattern == "Checked":
        return _checked(chance, colour, other, size)
    if pattern == "Printed":
        return _printed(chance, colour, other, size)
    out = Image.new("RGB", size, colour)
    if chance.random() < 0.3:
        rng = np.random.default_rng(chance.randrange(2**32))
        grain = rng.normal(0, chance.uniform(2, 9), (size[1], size[0]))[..., None]
        out = Image.fromarray(np.clip(np.asarray(out, np.float32) + grain, 0, 255).astype(np.uint8))
    return out


def _striped(chance: random.Random, colour: Colour, other: Colour, size: tuple[int, int]) -> Picture:
    out = Image.new("RGB", (2 * max(size), 2 * max(size)), colour)
    pen, at, period = ImageDraw.Draw(out), 0.0, chance.uniform(12, 54)
    thick, third = period * chance.uniform(0.12, 0.6), chance.random() < 0.25
    extra = apart(chance, colour)
    while at < out.height:
        pen.rectangle((0, at, out.width, at + thick), fill=other)
        if third:
            pen.rectangle((0, at + thick * 1.3, out.width, at + thick * 1.3 + period * 0.1), fill=extra)
        at += period
    out = out.rotate(chance.choice((0, 0, 0, 90, 90, 45)) + chance.gauss(0, 3), fillcolor=colour)
    left, top = (out.width - size[0]) // 2, (out.height - size[1]) // 2
    return out.crop((left, top, left + size[0], top + size[1]))


def _checked(chance: random.Random, colour: Colour, other: Colour, size: tuple[int, int]) -> Picture:
    """Weave bands of another colour, and of a third, over each other."""
    period = chance.uniform(16, 60)
    bands = [(0.0, chance.uniform(0.15, 0.5), other, chance.uniform(0.4, 0.75))]
    if chance.random() < 0.6:
        bands.append((chance.uniform(0.55, 0.8), 0.08, apart(chance, colour), 0.7))
    x, y = np.arange(size[0]) % period / period, np.arange(size[1]) % period / period
    out = np.broadcast_to(np.array(colour, np.float32), (size[1], size[0], 3)).copy()
    for start, wide, tone, share in bands:
        for cover in (((x >= start) & (x < start + wide))[None, :], ((y >= start) & (y < start + wide))[:, None]):
            out += (np.broadcast_to(cover, out.shape[:2])[..., None] * share) * (np.array(tone, np.float32) - out)
    return Image.fromarray(out.astype(np.uint8)).rotate(chance.choice((0, 0, 0, 45)), fillcolor=colour)


def _printed(chance: random.Random, colour: Colour, other: Colour, size: tuple[int, int]) -> Picture:
    """Strew discs, leaves, blots, stars or rings of some colours."""
    out = Image.new("RGB", size, colour)
    pen, kind = ImageDraw.Draw(out), chance.randrange(5)
    inks = [other, apart(chance, colour), apart(chance, colour)][: chance.randrange(1, 4)]
    step = chance.uniform(18, 60)
    for row in range(int(size[1] / step) + 2):
        for column in range(int(size[0] / step) + 2):
            x = (column + row % 2 / 2) * step + chance.gauss(0, step / 8)
            y, radius = row * step + chance.gauss(0, step / 8), step * chance.uniform(0.2, 0.42)
            pen.polygon(_figure(chance, kind, (x, y), radius), fill=chance.choice(inks))
            if kind == 4:
                pen.ellipse((x - radius / 2, y - radius / 2, x + radius / 2, y + radius / 2), fill=colour)
    return out


def _figure(chance: random.Random, kind: int, at: tuple[float, float], radius: float) -> list[tuple[float, float]]:
    turn, points = chance.uniform(0, math.tau), []
    for step in range(30):
        angle = math.tau * step / 30
        reach = (
            radius
            * (
                1.0,
                abs(math.cos(angle)) * 0.8 + 0.2,
                chance.uniform(0.6, 1.2),
                0.55 + 0.45 * math.cos(5 * angle),
                1.0,
            )[kind]
        )
        points.append((at[0] + reach * math.cos(angle + turn), at[1] + reach * math.sin(angle + turn)))
    return points
