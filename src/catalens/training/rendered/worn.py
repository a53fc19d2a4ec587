"""Ties, caps, watches, glasses and jewellery on an easel, each function one kind."""

from __future__ import annotations

import math

from catalens.training.rendered.easel import Easel, Point, arc, mirrored, square
from catalens.training.rendered.paints import METALS, Colour, apart, darker


def tie(easel: Easel, colour: Colour) -> None:
    """Draw it knotted, hanging straight or folded over."""
    wide, end = easel.near(0.26, 0.3), easel.near(1.05, 0.1)
    dark = darker(colour, 0.75)
    if easel.yes(0.4):
        easel.line(arc((0, -0.98), 0.3, 0.16, 150, 390), dark, 0.09)
    if easel.yes(0.5):
        easel.area([(0.02, -0.7), (0.14, -0.7), (wide * 0.95, end - 0.3), (wide * 0.6, end - 0.16)], dark, sharp=True)
    easel.area(mirrored([(0, -0.82), (0.1, -0.82), (wide, end - 0.26), (0, end)]), colour, sharp=True)
    for at in range(easel.chance.choice((0, 0, 5, 8))):
        y = -0.5 + at * 1.3 / 8
        reach = 0.1 + (wide - 0.1) * (y + 0.8) / 1.7
        easel.line([(-reach * 0.9, y + 0.08), (reach * 0.9, y - 0.08)], apart(easel.chance, colour), 0.045)
    easel.area(mirrored([(0, -1.06), (0.17, -1.04), (0.1, -0.78), (0, -0.77)]), dark, sharp=easel.yes(0.5))


def cap(easel: Easel, colour: Colour) -> None:
    """Draw a dome with a peak, from its side or from the front."""
    seam = darker(colour, 0.65)
    peak = apart(easel.chance, colour) if easel.yes(0.2) else darker(colour, 0.9)
    if easel.yes(0.35):
        easel.area(mirrored([(0, -0.6), (0.45, -0.52), (0.7, 0.0), (0.68, 0.25), (0, 0.2)]), colour)
        easel.both([(0, -0.58), (0.32, -0.2), (0.4, 0.2)], seam, 0.015)
        easel.area(mirrored([(0, 0.12), (0.55, 0.16), (0.82, 0.42), (0.4, 0.52), (0, 0.55)]), peak)
        return
    flip, high = easel.chance.choice((-1, 1)), easel.near(0.62)
    dome: list[Point] = [
        (-0.72, 0.22),
        (-0.74, -0.1),
        (-0.5, -high * 0.9),
        (-0.1, -high),
        (0.3, -high * 0.8),
        (0.5, -0.1),
        (0.52, 0.2),
    ]
    bill: list[Point] = [(0.05, 0.2), (0.48, 0.04), (0.9, 0.1), (1.1, 0.3), (0.7, 0.32), (0.3, 0.28)]
    easel.area([(x * flip, y) for x, y in dome], colour)
    easel.line([(flip * -0.1, -high), (flip * -0.02, 0.2)], seam, 0.016)
    easel.line([(flip * -0.1, -high), (flip * -0.45, -0.2), (flip * -0.5, 0.2)], seam, 0.016)
    easel.area([(x * flip, y) for x, y in bill], peak)
    easel.dot((flip * -0.1, -high - 0.01), 0.05, seam)


def watch(easel: Easel, colour: Colour) -> None:
    """Draw a dial with hands on a strap, upright or closed behind it."""
    metal, face = (
        easel.chance.choice(METALS),
        easel.chance.choice(((250, 250, 248), (20, 20, 24), (230, 225, 205), colour)),
    )
    wide, size = easel.near(0.24, 0.25), easel.near(0.5, 0.15)
    if easel.yes(0.75):
        easel.area(
            mirrored(
                [(0, -1.15), (wide * 0.8, -1.15), (wide * 1.2, -0.4), (wide * 1.2, 0.4), (wide * 0.8, 1.15), (0, 1.15)]
            ),
            colour,
        )
        for at in range(easel.chance.choice((0, 3, 5))):
            easel.dot((0, 0.65 + at * 0.09), 0.025, darker(colour, 0.4))
    else:
        easel.line(arc((0, -0.1), size * 0.9, 0.9, 200, 340), colour, wide)
        easel.line(arc((0, 0.1), size * 0.9, 0.9, 20, 160), colour, wide)
    easel.dot((size + 0.03, 0), 0.06, metal)
    if easel.yes(0.75):
        easel.dot((0, 0), size, metal)
        easel.dot((0, 0), size * easel.chance.uniform(0.75, 0.88), face)
    else:
        easel.area(square((0, 0), size * 0.9), metal)
        easel.area(square((0, 0), size * 0.72), face)
    hand = (20, 20, 20) if sum(face) > 380 else (245, 245, 245)
    for hour in range(0, 12, easel.chance.choice((1, 3))):
        turn = math.radians(hour * 30)
        easel.line([(size * r * math.sin(turn), size * r * math.cos(turn)) for r in (0.55, 0.68)], hand, 0.03)
    for reach in (0.35, 0.55):
        turn = easel.chance.uniform(0, math.tau)
        easel.line([(0, 0), (size * reach * math.sin(turn), size * reach * math.cos(turn))], hand, 0.03)


def sunglasses(easel: Easel, colour: Colour) -> None:
    """Draw two dark lenses in a frame from the front, its temples folded, spread or behind."""
    glass = easel.chance.choice(((30, 30, 34), (70, 55, 50), (60, 70, 85), (90, 75, 40)))
    wide, high, gap = easel.near(0.38, 0.12), easel.chance.uniform(0.24, 0.42), 0.1
    if easel.yes(0.6):
        easel.both(
            [(gap + 2 * wide, -high * 0.4), (1.1, -high * 0.5 - 0.1), (0.98, 0.1 + easel.chance.random() * 0.4)],
            darker(colour, 0.75),
            0.06,
        )
    shape = easel.chance.randrange(3)
    for share, paint in ((1.0, colour), (easel.chance.uniform(0.8, 0.92), glass)):
        middle = gap + wide
        if shape == 0:
            lens = arc((middle, 0), wide * share, high * share)
        elif shape == 1:
            lens = [
                (middle + x * wide * share, y * high * share)
                for x, y in ((-1, -0.9), (1, -1), (1.02, 0.5), (0.7, 1), (-0.6, 1), (-0.95, 0.4))
            ]
        else:
            lens = [
                (middle + x * wide * share, y * high * share)
                for x, y in ((-0.9, -0.9), (0.8, -0.95), (1.1, -0.4), (0.7, 1.2), (-0.2, 1.2), (-0.8, 0.3))
            ]
        easel.pair(lens, paint, sharp=shape == 0)
    easel.line([(-gap * 1.3, -high * 0.3), (0, -high * 0.5), (gap * 1.3, -high * 0.3)], colour, 0.06)
    if easel.yes(0.5):
        easel.both([(gap + wide * 0.5, -high * 0.5), (gap + wide * 1.0, -high * 0.1)], (210, 215, 225), 0.03)


def scarf(easel: Easel, colour: Colour) -> None:
    """Draw it looped, both ends hanging with fringes."""
    other = apart(easel.chance, colour)
    for side in (-1, 1):
        x = side * easel.near(0.3)
        easel.area([(x - 0.2, -0.6), (x + 0.2, -0.6), (x + 0.26, 0.9), (x - 0.22, 0.9)], colour)
        for at in range(6):
            easel.line([(x - 0.2 + at * 0.085, 0.88), (x - 0.2 + at * 0.085, 1.06)], darker(colour, 0.8), 0.02)
        if easel.yes(0.5):
            easel.line([(x - 0.2, 0.6), (x + 0.22, 0.6)], other, 0.08)
    easel.area(arc((0, -0.7), 0.6, 0.34), darker(colour, 0.9))
    easel.area(arc((0, -0.78), 0.3, 0.12), darker(colour, 0.55))


def earrings(easel: Easel, colour: Colour) -> None:
    """Draw a pair: hooks, drops, hoops or studs."""
    metal, kind = easel.chance.choice(METALS), easel.chance.randrange(3)
    for side in (-0.4, 0.4):
        if kind == 0:
            easel.line(arc((side, 0), 0.26, 0.3), metal, 0.05)
        else:
            easel.line(arc((side, -0.6), 0.08, 0.14, 120, 400), metal, 0.03)
            easel.line([(side, -0.46), (side, -0.2)], metal, 0.03)
            easel.area(arc((side, 0.1), 0.16, 0.3) if kind == 1 else square((side, 0.05), 0.18), colour)
            easel.dot((side, -0.2), 0.06, metal)


def necklace(easel: Easel, colour: Colour) -> None:
    """Hang a chain with a pendant."""
    metal, deep = easel.chance.choice(METALS), easel.near(0.9)
    easel.line(arc((0, -0.8), 0.6, deep + 0.6, 0, 180), metal, easel.near(0.03, 0.5))
    easel.dot((0, deep - 0.1), 0.16, metal)
    easel.dot((0, deep - 0.1), 0.1, colour)


def ring(easel: Easel, colour: Colour) -> None:
    """Draw a band with a stone."""
    metal, flat = easel.chance.choice(METALS), easel.chance.uniform(0.4, 0.65)
    easel.line(arc((0, 0.1), 0.6, flat), metal, easel.near(0.12, 0.4))
    easel.area(
        [(0, 0.12 - flat), (0.22, -0.06 - flat), (0.12, -0.24 - flat), (-0.12, -0.24 - flat), (-0.22, -0.06 - flat)],
        colour,
        sharp=True,
    )
