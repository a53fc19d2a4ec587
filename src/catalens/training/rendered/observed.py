"""Pictures as instruments make them, for validation: other code, shapes and colours than `scientific` has."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps
from PIL.Image import Image as Picture

_RAMPS = (
    ((5, 5, 5), (140, 140, 140), (240, 240, 240)),
    ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
    ((0, 0, 0), (180, 0, 0), (255, 160, 0), (255, 255, 220)),
    ((20, 0, 70), (0, 120, 120), (200, 255, 255)),
)


def dark_shapes(chance: random.Random) -> Picture:
    """Discs, blobs or points on black."""
    wide, high = chance.choice(((256, 256), (320, 240), (240, 320)))
    out = Image.new("RGB", (wide, high), (chance.randrange(0, 25),) * 3)
    pen, is_grey = ImageDraw.Draw(out), chance.random() < 0.6
    size = chance.choice((2, 8, 25, 90))
    for _ in range(chance.randrange(1, 4) if size == 90 else chance.randrange(3, 70)):
        x, y, r = chance.uniform(0, wide), chance.uniform(0, high), size * chance.uniform(0.5, 1.3)
        level = chance.randrange(60, 256)
        colour = (level,) * 3 if is_grey else tuple(chance.randrange(30, 256) for _ in range(3))
        pen.ellipse((x - r, y - r * chance.uniform(0.6, 1), x + r, y + r), fill=colour)
    out = out.filter(ImageFilter.GaussianBlur(chance.choice((0, 1, 3, 6))))
    return _shaken(chance, out, chance.choice((0, 6, 18)))


def galaxy(chance: random.Random) -> Picture:
    """A spiral of stars around a bright middle."""
    rng = np.random.default_rng(chance.randrange(2**32))
    count, arms, wind = chance.randrange(4000, 30000), chance.randrange(2, 5), chance.uniform(1, 4)
    far = rng.exponential(0.16, count)
    turn = rng.integers(arms, size=count) * 2 * math.pi / arms + wind * np.sqrt(far) * 4 + rng.normal(0, 0.35, count)
    flat = chance.uniform(0.25, 1)
    x, y = 120 + 300 * far * np.cos(turn), 120 + 300 * flat * far * np.sin(turn)
    sky, _, _ = np.histogram2d(y, x, bins=240, range=[[0, 240], [0, 240]])
    sky[rng.integers(240, size=60), rng.integers(240, size=60)] += rng.exponential(6, 60)
    light = 255 * (1 - np.exp(-sky / chance.uniform(0.8, 4)))
    tint = np.array([chance.uniform(0.7, 1) for _ in range(3)])
    out = Image.fromarray((light[:, :, None] * tint).astype(np.uint8))
    return _shaken(chance, out.filter(ImageFilter.GaussianBlur(chance.uniform(0.4, 1.6))), chance.uniform(0, 6))


def eclipse(chance: random.Random) -> Picture:
    """A crescent or a ring of light in the dark."""
    out = Image.new("L", (260, 260), chance.randrange(0, 12))
    pen, r = ImageDraw.Draw(out), chance.uniform(30, 110)
    x, y = chance.uniform(90, 170), chance.uniform(90, 170)
    pen.ellipse((x - r, y - r, x + r, y + r), fill=chance.randrange(170, 256))
    away, turn = r * chance.uniform(0, 0.9), chance.uniform(0, 6.3)
    x, y, s = x + away * math.cos(turn), y + away * math.sin(turn), r * chance.uniform(0.9, 1)
    pen.ellipse((x - s, y - s, x + s, y + s), fill=chance.randrange(0, 40))
    glow = ImageChops.add(out.filter(ImageFilter.GaussianBlur(1)), out.filter(ImageFilter.GaussianBlur(18)))
    return _shaken(chance, ImageOps.colorize(glow, "black", chance.choice(("white", "#ffd890", "#ffb050"))), 4)


def chest(chance: random.Random) -> Picture:
    """An x-ray of a chest: two dark lungs, ribs across them, a spine between."""
    out = Image.new("L", (256, 300), chance.randrange(10, 60))
    pen = ImageDraw.Draw(out)
    pen.rounded_rectangle((15, 20, 241, 300), 70, fill=chance.randrange(120, 190))
    for left in (40, 140):
        pen.ellipse((left, 55 + chance.randrange(20), left + 76, 250), fill=chance.randrange(25, 70))
    pen.rectangle((118, 0, 140, 300), fill=chance.randrange(170, 230))
    ribs = Image.new("L", out.size, 0)
    for at in range(chance.randrange(6, 11)):
        for side in (0, 128):
            box = (25 + side - at, 40 + at * 22, 115 + side + at, 110 + at * 24)
            ImageDraw.Draw(ribs).arc(box, 180, 360, fill=chance.randrange(40, 80), width=chance.randrange(4, 9))
    out = ImageChops.add(out, ribs).filter(ImageFilter.GaussianBlur(chance.uniform(1.5, 5)))
    return _shaken(chance, out.convert("RGB"), chance.uniform(2, 10))


def fundus(chance: random.Random) -> Picture:
    """The back of an eye: vessels that branch on an orange or grey disc."""
    base = chance.choice(((200, 90, 40), (170, 60, 30), (220, 130, 70), (120, 120, 120)))
    out = Image.new("RGB", (256, 256), (4, 3, 3))
    pen = ImageDraw.Draw(out)
    pen.ellipse((12, 12, 244, 244), fill=base)
    start = (chance.choice((80.0, 176.0)), chance.uniform(110, 146))
    dark = tuple(int(each * 0.55) for each in base)
    for _ in range(chance.randrange(5, 9)):
        _branch(chance, pen, start, chance.uniform(0, 6.3), chance.uniform(3, 6), dark)
    x, y = start
    pen.ellipse((x - 18, y - 20, x + 18, y + 20), fill=tuple(min(255, each + 70) for each in base))
    round_field = Image.new("L", out.size, 0)
    ImageDraw.Draw(round_field).ellipse((14, 14, 242, 242), fill=255)
    out = Image.composite(
        out.filter(ImageFilter.GaussianBlur(chance.uniform(0.8, 2.5))), Image.new("RGB", out.size), round_field
    )
    return _shaken(chance, out, chance.uniform(1, 8))


def gel(chance: random.Random) -> Picture:
    """Bands in lanes, dark on light or light on dark."""
    out = Image.new("L", (280, 220), chance.randrange(0, 50))
    pen, lanes = ImageDraw.Draw(out), chance.randrange(4, 12)
    for lane in range(lanes):
        left, wide = 15 + lane * 250 / lanes, 250 / lanes * 0.7
        for _ in range(chance.randrange(1, 9)):
            y, h = chance.uniform(15, 200), chance.uniform(2, 8)
            pen.rounded_rectangle((left, y, left + wide, y + h), 3, fill=chance.randrange(90, 250))
    out = out.filter(ImageFilter.GaussianBlur(chance.uniform(1, 3)))
    return _shaken(
        chance, (ImageOps.invert(out) if chance.random() < 0.5 else out).convert("RGB"), chance.uniform(2, 10)
    )


def rings(chance: random.Random) -> Picture:
    """Waves that meet: rings around one or two middles."""
    y, x = np.mgrid[:240, :240].astype(np.float32)
    field = np.zeros_like(x)
    for _ in range(chance.randrange(1, 4)):
        far = np.hypot(x - chance.uniform(0, 240), y - chance.uniform(0, 240))
        field += np.cos(far / chance.uniform(1.5, 8)) * np.exp(-far / chance.uniform(40, 300))
    return _shaken(chance, _ramped(field, chance.choice(_RAMPS)), chance.uniform(1, 12))


def rods(chance: random.Random) -> Picture:
    """Bacteria or fibres, in light or in the dark."""
    is_dark = chance.random() < 0.6
    ground = chance.randrange(0, 40) if is_dark else chance.randrange(150, 230)
    out = Image.new("L", (300, 240), ground)
    pen, long, wide = ImageDraw.Draw(out), chance.uniform(8, 90), chance.randrange(3, 12)
    for _ in range(chance.randrange(5, 90)):
        x, y, turn = chance.uniform(0, 300), chance.uniform(0, 240), chance.uniform(0, 6.3)
        level = chance.randrange(100, 256) if is_dark else ground - chance.randrange(30, 120)
        pen.line((x, y, x + long * math.cos(turn), y + long * math.sin(turn)), fill=level, width=wide)
    out = out.filter(ImageFilter.GaussianBlur(chance.uniform(0.8, 3)))
    to = chance.choice(("white", "#60ff70", "#ff6050", "#c0d8ff"))
    return _shaken(chance, ImageOps.colorize(out, "black", to), chance.uniform(2, 14))


def echo(chance: random.Random) -> Picture:
    """Layers of earth or tissue in speckle, in a rectangle."""
    rng = np.random.default_rng(chance.randrange(2**32))
    y, x = np.mgrid[:220, :300].astype(np.float32)
    field = np.full((220, 300), 0.1, np.float32)
    for _ in range(chance.randrange(2, 8)):
        top = chance.uniform(10, 210) + chance.uniform(0, 25) * np.sin(
            x / chance.uniform(15, 90) + chance.uniform(0, 6)
        )
        field += chance.uniform(0.2, 1) * np.exp(-np.abs(y - top) / chance.uniform(2, 25))
    field *= rng.gamma(chance.uniform(0.8, 3), size=field.shape) * np.exp(-y / chance.uniform(80, 500))
    return _shaken(chance, _ramped(np.sqrt(field), chance.choice(_RAMPS)), 3)


def from_above(chance: random.Random) -> Picture:
    """Fields and woods from the air: cells of a colour each, with grain and a river."""
    rng = np.random.default_rng(chance.randrange(2**32))
    y, x = np.mgrid[:240, :240].astype(np.float32)
    seeds = rng.uniform(0, 240, (chance.randrange(5, 60), 2))
    owner = np.stack([np.abs(x - sx) + np.abs(y - sy) for sx, sy in seeds]).argmin(axis=0)
    soil = np.array([(90, 110, 60), (150, 140, 90), (60, 80, 45), (180, 160, 120), (110, 95, 70), (70, 90, 90)])
    colours = soil[rng.integers(len(soil), size=len(seeds))] + rng.normal(0, 12, (len(seeds), 3))
    out = colours[owner] + rng.normal(0, chance.uniform(4, 16), (240, 240, 1))
    river = np.abs(y - 120 - 60 * np.sin(x / chance.uniform(25, 90) + chance.uniform(0, 6))) < chance.uniform(0, 9)
    out[river] = (45, 65, 80)
    picture = Image.fromarray(np.clip(out, 0, 255).astype(np.uint8)).rotate(chance.uniform(0, 40), expand=False)
    return picture.crop((35, 35, 205, 205)).filter(ImageFilter.GaussianBlur(chance.uniform(0, 1.5)))


def night_vision(chance: random.Random, photograph: Picture) -> Picture:
    """A dark photograph in one colour, with grain."""
    grey = ImageOps.grayscale(photograph).point(lambda each: int(each * each / 255))
    out = ImageOps.colorize(grey, "black", chance.choice(("#80ff80", "#c0c0c0", "#7090ff")))
    return _shaken(chance, out.filter(ImageFilter.GaussianBlur(chance.uniform(0.5, 3))), chance.uniform(5, 30))


def negative(chance: random.Random, photograph: Picture) -> Picture:
    """A part of a photograph as a negative, blurred, without colour or not."""
    side = int(min(photograph.size) * chance.uniform(0.3, 0.9))
    left, top = (chance.randrange(0, each - side + 1) for each in photograph.size)
    out = ImageOps.invert(photograph.crop((left, top, left + side, top + side))).resize((224, 224))
    out = out if chance.random() < 0.3 else ImageOps.grayscale(out).convert("RGB")
    return _shaken(chance, out.filter(ImageFilter.GaussianBlur(chance.uniform(1, 6))), chance.uniform(1, 12))


def _branch(
    chance: random.Random,
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    turn: float,
    wide: float,
    colour: tuple[int, ...],
) -> None:
    while wide > 0.8:
        turn += chance.gauss(0, 0.25)
        to = at[0] + 9 * math.cos(turn), at[1] + 9 * math.sin(turn)
        pen.line((*at, *to), fill=colour, width=max(1, round(wide)))
        at, wide = to, wide * 0.95
        if chance.random() < 0.12:
            _branch(chance, pen, at, turn + chance.choice((-0.7, 0.7)), wide * 0.7, colour)


def _ramped(field: NDArray[np.floating], ramp: Sequence[tuple[int, int, int]]) -> Picture:
    share = (field - field.min()) / (np.ptp(field) + 1e-6)
    places = np.linspace(0, 1, len(ramp))
    parts = [np.interp(share, places, [colour[at] for colour in ramp]) for at in range(3)]
    return Image.fromarray(np.stack(parts, axis=-1).astype(np.uint8))


def _shaken(chance: random.Random, picture: Picture, noise: float) -> Picture:
    rng = np.random.default_rng(chance.randrange(2**32))
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    grain = rng.normal(0, noise, (*pixels.shape[:2], chance.choice((1, 3))))
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))
