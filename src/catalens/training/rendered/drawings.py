"""Drawings composed of shapes: scenes, outlines, logos, icons and sketches for training; others for validation."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

from PIL.Image import Image

from catalens.training.rendered.sheet import Colour, Sheet, Split

Points = list[tuple[float, float]]
_SIZES = ((400, 400), (480, 360), (360, 480))


def blob(chance: random.Random, middle: tuple[float, float], radius: float, *, rough: float = 0.35) -> Points:
    """Return the outline of a smooth closed shape."""
    waves = [(chance.uniform(0, rough) / k, chance.uniform(0, 6.3), k) for k in range(1, 6)]
    stretch, out = chance.uniform(0.5, 1.4), []
    for at in range(72):
        angle = at / 72 * math.tau
        far = radius * (1 + sum(size * math.cos(k * angle + shift) for size, shift, k in waves))
        out.append((middle[0] + far * math.cos(angle), middle[1] + far * stretch * math.sin(angle)))
    return out


def polygon(middle: tuple[float, float], radius: float, corners: int, *, turn: float = 0, inner: float = 1) -> Points:
    """Return a regular polygon; a star where `inner` is below 1."""
    count = corners * (2 if inner < 1 else 1)
    far = [radius * (inner if inner < 1 and at % 2 else 1) for at in range(count)]
    angles = [turn + at / count * math.tau for at in range(count)]
    return [(middle[0] + r * math.cos(a), middle[1] + r * math.sin(a)) for r, a in zip(far, angles, strict=True)]


def wobbly(chance: random.Random, points: Sequence[tuple[float, float]], jitter: float) -> Points:
    """Return a line that a hand might have drawn: closed, divided, shaken."""
    out: Points = []
    for (x, y), (to_x, to_y) in zip(points, [*points[1:], points[0]], strict=True):
        for at in range(6):
            share = at / 6
            out.append(
                (x + (to_x - x) * share + chance.gauss(0, jitter), y + (to_y - y) * share + chance.gauss(0, jitter))
            )
    return [*out, out[0]]


def _creature(sheet: Sheet, x: float, y: float, size: float) -> list[Points]:
    """Return the parts of an animal: legs, body, tail, head, ears, eye."""
    chance = sheet.chance
    legs = [[(x + dx * size, y), (x + dx * size, y + size * 0.9), (x + dx * size + size * 0.12, y + size * 0.9)]
            for dx in (-0.6, -0.35, 0.35, 0.6)]  # fmt: skip
    head = (x + size * 0.95, y - size * chance.uniform(0.3, 0.8))
    ears = [polygon((head[0] + dx * size, head[1] - size * 0.38), size * 0.2, 3, turn=-1.57) for dx in (-0.2, 0.2)]
    tail = [(x - size * 0.9, y), (x - size * 1.3, y - size * 0.5), (x - size * 1.25, y - size * 0.55)]
    body = blob(chance, (x, y), size * 0.85, rough=0.1)
    return [*legs, tail, body, *ears, blob(chance, head, size * 0.4, rough=0.1), polygon(head, size * 0.06, 8)]


def _house(sheet: Sheet, x: float, y: float, size: float) -> list[Points]:
    """Return walls, roof, door and windows."""
    walls = [(x - size, y - size), (x + size, y - size), (x + size, y + size), (x - size, y + size)]
    roof = [(x - size * 1.2, y - size), (x, y - size * sheet.chance.uniform(1.6, 2.4)), (x + size * 1.2, y - size)]
    door = [(x - size * 0.2, y), (x + size * 0.25, y), (x + size * 0.25, y + size), (x - size * 0.2, y + size)]
    panes = [polygon((x + dx * size, y - size * 0.4), size * 0.28, 4, turn=0.785) for dx in (-0.6, 0.6)]
    return [walls, roof, door, *panes]


def _plant(sheet: Sheet, x: float, y: float, size: float) -> list[Points]:
    """Return a stem and a crown, or a flower's petals."""
    stem = [
        (x - size * 0.1, y - size * 0.2),
        (x + size * 0.1, y - size * 0.2),
        (x + size * 0.1, y + size),
        (x, y + size),
    ]
    if sheet.chance.random() < 0.5:
        return [stem, blob(sheet.chance, (x, y - size * 0.7), size * 0.75)]
    around = polygon((x, y - size * 0.7), size * 0.4, sheet.between(5, 8))
    return [stem, *(blob(sheet.chance, each, size * 0.24, rough=0.1) for each in around),
            polygon((x, y - size * 0.7), size * 0.25, 12)]  # fmt: skip


def _fruit(sheet: Sheet, x: float, y: float, size: float) -> list[Points]:
    """Return a rounded thing with a stalk and a leaf."""
    stalk = [(x, y - size * 0.6), (x + size * 0.1, y - size * 1.2), (x + size * 0.2, y - size * 1.2)]
    leaf = blob(sheet.chance, (x + size * 0.4, y - size), size * 0.25, rough=0.1)
    return [stalk, leaf, blob(sheet.chance, (x, y), size * 0.8, rough=0.12)]


_THINGS = (_creature, _house, _plant, _fruit)


def scene(chance: random.Random, split: Split) -> Image:
    """Draw a flat-coloured picture: sky, hills, a sun, things."""
    sheet = Sheet(chance, split, chance.choice(_SIZES))
    wide, high = sheet.width, sheet.height
    sheet.pen.rectangle((0, 0, wide, high), fill=_light(sheet))
    ground = high * chance.uniform(0.5, 0.85)
    if chance.random() < 0.7:
        top = [(x, ground + 30 * math.sin(x / wide * chance.uniform(2, 9))) for x in range(0, wide + 20, 20)]
        sheet.pen.polygon([*top, (wide, high), (0, high)], fill=sheet.vivid())
    if chance.random() < 0.6:
        sheet.pen.polygon(polygon((wide * 0.8, high * 0.2), high * 0.1, chance.choice((12, 24))), fill=(250, 210, 60))
    edge = sheet.ink if chance.random() < 0.5 else None
    for _ in range(sheet.between(1, 6)):
        x, y, size = chance.uniform(0.1, 0.9) * wide, chance.uniform(0.35, 0.8) * high, chance.uniform(20, 110)
        colours = [sheet.vivid() for _ in range(3)]
        for at, part in enumerate(chance.choice(_THINGS)(sheet, x, y, size)):
            sheet.pen.polygon(part, fill=colours[at % 3], outline=edge, width=sheet.between(1, 4))
    return sheet.image


def outlines(chance: random.Random, split: Split) -> Image:
    """Draw things in lines on paper, as in a book to colour."""
    sheet = Sheet(chance, split, chance.choice(_SIZES))
    width = sheet.between(1, 6)
    for _ in range(sheet.between(1, 3)):
        x, y = chance.uniform(0.25, 0.75) * sheet.width, chance.uniform(0.4, 0.7) * sheet.height
        for part in chance.choice(_THINGS)(sheet, x, y, chance.uniform(50, 140)):
            sheet.pen.polygon(part, fill=sheet.paper)
            sheet.pen.line([*part, part[0]], fill=sheet.ink, width=width, joint="curve")
    return sheet.image


def sketch(chance: random.Random, split: Split) -> Image:
    """Draw things with a shaking hand, line over line, some shaded by strokes."""
    sheet = Sheet(chance, split, chance.choice(_SIZES))
    ink = chance.choice((sheet.shade(20, 120), (40, 50, 130), (120, 60, 30)))
    for _ in range(sheet.between(1, 3)):
        x, y, size = (chance.uniform(0.25, 0.75) * each for each in (sheet.width, sheet.height, 220))
        for part in chance.choice(_THINGS)(sheet, x, y, 30 + size * 0.6):
            for _ in range(sheet.between(1, 4)):
                sheet.pen.line(wobbly(chance, part, chance.uniform(0.4, 2.2)), fill=ink, width=sheet.between(1, 2))
        for at in range(sheet.between(0, 40)):
            left = x + at * 3 - 60
            sheet.pen.line((left, y, left + 25, y - 30 + chance.gauss(0, 4)), fill=ink)
    return sheet.image


def logo(chance: random.Random, split: Split) -> Image:
    """Draw a sign and a name, or the sign alone."""
    sheet = Sheet(chance, split, chance.choice(((400, 400), (500, 300))), dark=True)
    if chance.random() < 0.3:
        sheet.pen.rectangle((0, 0, sheet.width, sheet.height), fill=sheet.vivid())
    middle, size = (sheet.width * 0.5, sheet.height * 0.4), sheet.height * chance.uniform(0.18, 0.32)
    for _ in range(sheet.between(1, 3)):
        inner = chance.choice((1, 1, 0.4, 0.7))
        corners, turn = chance.choice((3, 4, 5, 6, 40)), chance.uniform(0, 3)
        sheet.pen.polygon(polygon(middle, size, corners, turn=turn, inner=inner), fill=sheet.vivid())
        size *= chance.uniform(0.4, 0.8)
    if chance.random() < 0.75:
        said = sheet.words(sheet.between(1, 2))
        sheet.text((sheet.width * 0.5 - 11 * len(said), sheet.height * 0.76), said, 38, sheet.accent, sheet.bold)
    return sheet.image


def icon(chance: random.Random, split: Split) -> Image:
    """Draw one flat thing in one colour, or a silhouette."""
    sheet = Sheet(chance, split, (300, 300))
    if chance.random() < 0.4:
        sheet.pen.rounded_rectangle((20, 20, 280, 280), sheet.between(0, 120), fill=sheet.vivid())
    colour = chance.choice((sheet.ink, sheet.accent, sheet.paper, (255, 255, 255), (0, 0, 0)))
    for part in chance.choice(_THINGS)(sheet, 145, 155, chance.uniform(50, 85)):
        sheet.pen.polygon(part, fill=colour)
    return sheet.image


def flow(chance: random.Random, split: Split) -> Image:
    """Draw boxes with words, joined by arrows."""
    sheet = Sheet(chance, split, (560, 420), dark=True)
    places = [(x, y) for x in (90, 270, 450) for y in (60, 170, 280, 370)]
    chance.shuffle(places)
    places = places[: sheet.between(4, 9)]
    for (x, y), (to_x, to_y) in pairwise(places):
        sheet.pen.line((x, y, to_x, y, to_x, to_y), fill=sheet.ink, width=2)
        sheet.pen.polygon(polygon((to_x, to_y - 28), 7, 3, turn=1.57), fill=sheet.ink)
    for x, y in places:
        fill = sheet.paper if chance.random() < 0.5 else _light(sheet)
        sheet.pen.rounded_rectangle(
            (x - 65, y - 24, x + 65, y + 24), sheet.between(0, 22), fill=fill, outline=sheet.ink
        )
        sheet.text((x - 52, y - 8), sheet.words(2)[:14], 13, (20, 20, 20) if fill != sheet.paper else None)
    return sheet.image


def network(chance: random.Random, split: Split) -> Image:
    """Draw circles with letters, joined by lines."""
    sheet = Sheet(chance, split, (480, 480), dark=True)
    points = [(chance.uniform(50, 430), chance.uniform(50, 430)) for _ in range(sheet.between(6, 14))]
    for at, (x, y) in enumerate(points[1:]):
        sheet.pen.line((x, y, *points[chance.randrange(at + 1)]), fill=sheet.ink, width=2)
    for x, y in points:
        sheet.pen.ellipse((x - 18, y - 18, x + 18, y + 18), fill=_light(sheet), outline=sheet.ink)
        sheet.text((x - 7, y - 9), sheet.word()[:2], 15, (20, 20, 20))
    return sheet.image


def stick_figures(chance: random.Random, split: Split) -> Image:
    """Draw people of lines, as a child does, with a crayon."""
    sheet = Sheet(chance, split, chance.choice(_SIZES))
    colours = [sheet.vivid() for _ in range(3)] if chance.random() < 0.5 else [sheet.ink]
    for _ in range(sheet.between(1, 4)):
        x, y, size = chance.uniform(60, sheet.width - 60), chance.uniform(90, 200), chance.uniform(18, 40)
        parts = [polygon((x, y), size * 0.7, 20)]
        for dx, dy, from_y in ((0, 3, 0.7), (-1.3, 2.4, 1.3), (1.3, 2.4, 1.3), (-1, 5, 3), (1, 5, 3)):
            parts.append([(x, y + size * from_y), (x + dx * size, y + dy * size)])
        for part in parts:
            line = wobbly(chance, part, chance.uniform(0.5, 1.6))
            sheet.pen.line(line, fill=chance.choice(colours), width=sheet.between(2, 6))
    if chance.random() < 0.5:
        for at in range(18):
            sheet.pen.line(
                wobbly(chance, [(at * 28, sheet.height - 60), (at * 28 + 9, sheet.height - 10)], 2),
                fill=(60, 150, 60),
                width=3,
            )
    return sheet.image


def vehicle(chance: random.Random, split: Split) -> Image:
    """Draw a car, a boat or a rocket of flat shapes."""
    sheet = Sheet(chance, split, chance.choice(_SIZES))
    if chance.random() < 0.5:
        sheet.pen.rectangle((0, 0, sheet.width, sheet.height), fill=_light(sheet))
    x, y, s = sheet.width * 0.5, sheet.height * 0.55, chance.uniform(60, 120)
    edge, kind = (sheet.ink if chance.random() < 0.6 else None), chance.randrange(3)
    if kind == 0:
        hull = [(x - 1.4 * s, y), (x - 1.2 * s, y - 0.4 * s), (x - 0.6 * s, y - 0.9 * s), (x + 0.5 * s, y - 0.9 * s),
                (x + s, y - 0.35 * s), (x + 1.5 * s, y - 0.25 * s), (x + 1.5 * s, y)]  # fmt: skip
        sheet.pen.polygon(hull, fill=sheet.accent, outline=edge, width=3)
        for dx in (-0.8, 0.8):
            for radius, colour in ((0.32, (30, 30, 30)), (0.14, sheet.paper)):
                sheet.pen.polygon(polygon((x + dx * s, y), radius * s, 24), fill=colour)
        sheet.pen.polygon(
            [(x - 0.5 * s, y - 0.8 * s), (x, y - 0.8 * s), (x, y - 0.45 * s), (x - 0.8 * s, y - 0.45 * s)],
            fill=_light(sheet),
            outline=edge,
        )
    elif kind == 1:
        sheet.pen.polygon(
            [(x - 1.3 * s, y), (x + 1.3 * s, y), (x + 0.8 * s, y + 0.6 * s), (x - 0.8 * s, y + 0.6 * s)],
            fill=sheet.accent,
            outline=edge,
        )
        sheet.pen.polygon([(x, y - 1.5 * s), (x, y - 0.1 * s), (x + s, y - 0.1 * s)], fill=sheet.vivid(), outline=edge)
        sheet.pen.line((x, y, x, y - 1.6 * s), fill=sheet.ink, width=5)
    else:
        sheet.pen.ellipse(
            (x - 0.4 * s, y - 1.3 * s, x + 0.4 * s, y + 0.9 * s), fill=sheet.accent, outline=edge, width=3
        )
        sheet.pen.ellipse((x - 0.2 * s, y - 0.7 * s, x + 0.2 * s, y - 0.3 * s), fill=_light(sheet), outline=edge)
        for side in (-1, 1):
            sheet.pen.polygon(
                [(x + side * 0.35 * s, y), (x + side * 0.9 * s, y + s), (x + side * 0.2 * s, y + 0.8 * s)],
                fill=sheet.vivid(),
                outline=edge,
            )
    return sheet.image


def emblem(chance: random.Random, split: Split) -> Image:
    """Draw a badge: rings, a star or letters, a ribbon."""
    sheet = Sheet(chance, split, (400, 400), dark=True)
    x, y, s = 200, 190, chance.uniform(110, 160)
    for share in (1, 0.92, 0.7):
        sheet.pen.ellipse((x - s * share, y - s * share, x + s * share, y + s * share), fill=sheet.vivid())
    if chance.random() < 0.5:
        sheet.pen.polygon(polygon((x, y), s * 0.55, chance.choice((4, 5, 7)), turn=-1.57, inner=0.45), fill=sheet.paper)
    else:
        sheet.text((x - s * 0.35, y - s * 0.4), sheet.word()[:2].upper(), s * 0.65, (255, 255, 255), sheet.bold)
    if chance.random() < 0.6:
        sheet.pen.rectangle((x - s * 1.1, y + s * 0.55, x + s * 1.1, y + s * 0.95), fill=sheet.accent)
        sheet.text((x - s * 0.6, y + s * 0.6), sheet.words(1), s * 0.25, (255, 255, 255), sheet.bold)
    return sheet.image


def _light(sheet: Sheet) -> Colour:
    red, green, blue = sheet.vivid()
    return (red + 510) // 3, (green + 510) // 3, (blue + 510) // 3
