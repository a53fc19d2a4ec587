"""Shoes and socks on an easel, each function one kind."""

from __future__ import annotations

from catalens.training.rendered.easel import Easel, Point, arc
from catalens.training.rendered.paints import METALS, Colour, apart, darker, mixed

_RUBBER: tuple[Colour, ...] = ((245, 245, 242), (230, 225, 210), (40, 40, 42), (150, 95, 50))


def casual_shoe(easel: Easel, colour: Colour) -> None:
    """Draw a low shoe from its side, with or without laces."""
    heel, toe = easel.near(-0.95, 0.08), easel.near(0.98, 0.08)
    high = easel.chance.uniform(0.28, 0.5)
    easel.area([(heel + 0.02, -high), (-0.3, -high + 0.02), (-0.2, -0.1), (heel + 0.05, -0.05)], darker(colour, 0.5))
    upper: list[Point] = [(heel, -high), (heel + 0.1, -high + 0.04), (-0.5, -high + 0.14), (-0.26, -high + 0.02)]
    upper += [(0.1, -0.16), (0.55, -0.06), (toe, 0.06), (toe, 0.24), (heel, 0.24)]
    easel.area(upper, colour)
    if easel.yes(0.45):
        easel.area([(0.6, -0.05), (toe, 0.05), (toe, 0.24), (0.58, 0.24)], easel.chance.choice(_RUBBER))
    _sole(easel, heel, toe, easel.chance.choice(_RUBBER), easel.near(0.13, 0.4))
    seam = darker(colour, 0.6)
    easel.line([(-0.28, -high + 0.06), (-0.16, 0.0), (-0.1, 0.22)], seam, 0.02)
    if easel.yes(0.7):
        lace = apart(easel.chance, colour)
        for at in range(easel.chance.randrange(3, 6)):
            x, y = -0.24 + at * 0.12, -high + 0.06 + at * 0.07
            easel.line([(x - 0.06, y + 0.1), (x + 0.1, y - 0.02)], lace, 0.035)


def sports_shoe(easel: Easel, colour: Colour) -> None:
    """Draw a running shoe from its side: a thick wavy sole, bands, a pulled up heel."""
    heel, toe, high = easel.near(-0.95, 0.08), easel.near(0.98, 0.08), easel.chance.uniform(0.4, 0.55)
    other = apart(easel.chance, colour)
    upper: list[Point] = [(heel, -high), (heel + 0.1, -high - 0.06), (heel + 0.2, -high + 0.12), (-0.4, -high + 0.06)]
    upper += [(-0.22, -high - 0.04), (0.1, -0.28), (0.5, -0.12), (toe, 0.06), (toe + 0.02, 0.22), (heel, 0.22)]
    easel.area(upper, colour)
    for at in range(easel.chance.randrange(1, 4)):
        x = -0.5 + at * 0.22
        easel.line([(x + 0.3, -0.25 + at * 0.05), (x, 0.2)], other, easel.near(0.07, 0.4))
    easel.area([(heel, -0.3), (heel + 0.26, -0.2), (heel + 0.3, 0.22), (heel, 0.22)], darker(colour, 0.8))
    sole: list[Point] = [(heel - 0.06, 0.14), (-0.4, 0.2), (0.2, 0.16), (toe + 0.06, 0.1), (toe + 0.02, 0.36)]
    easel.area([*sole, (0.2, 0.34), (-0.1, 0.4), (heel - 0.02, 0.42)], (246, 246, 246))
    easel.line([(heel, 0.38), (0, 0.38), (toe, 0.34)], other, 0.05)
    for at in range(4):
        x, y = -0.2 + at * 0.13, -high + 0.08 + at * 0.08
        easel.line([(x - 0.04, y + 0.08), (x + 0.12, y - 0.04)], other, 0.03)


def formal_shoe(easel: Easel, colour: Colour) -> None:
    """Draw a leather shoe from its side: a thin sole, a small heel, a long toe."""
    high = easel.chance.uniform(0.3, 0.42)
    upper: list[Point] = [(-0.95, -high), (-0.6, -high + 0.12), (-0.34, -high - 0.02), (0.0, -0.2), (0.6, -0.04)]
    easel.area([*upper, (1.02, 0.1), (1.0, 0.2), (-0.92, 0.2)], colour)
    easel.area(
        [(-0.94, 0.18), (1.02, 0.18), (1.0, 0.26), (-0.3, 0.25), (-0.42, 0.4), (-0.94, 0.4)], (30, 24, 22), sharp=True
    )
    easel.line([(0.32, -0.1), (0.38, 0.06), (0.36, 0.18)], darker(colour, 0.6), 0.02)
    for at in range(easel.chance.choice((0, 3, 4))):
        easel.line(
            [(-0.3 + at * 0.12, -high + 0.12 + at * 0.05), (-0.2 + at * 0.12, -high + 0.04 + at * 0.06)],
            darker(colour, 0.4),
            0.03,
        )


def heels(easel: Easel, colour: Colour) -> None:
    """Draw a shoe on a high heel from its side."""
    tall, thin = easel.chance.uniform(0.5, 0.95), easel.chance.uniform(0.05, 0.2)
    top = 0.5 - tall
    easel.area(
        [
            (-0.78, top),
            (-0.5, top + 0.12),
            (-0.1, 0.2),
            (0.4, 0.3),
            (0.85, 0.34),
            (0.9, 0.44),
            (0.4, 0.46),
            (-0.1, 0.4),
            (-0.5, top + 0.42),
            (-0.76, top + 0.34),
        ],
        colour,
    )
    easel.area(
        [(-0.78, top + 0.2), (-0.52, top + 0.34), (-0.66 + thin, 0.52), (-0.7, 0.52)], darker(colour, 0.85), sharp=True
    )
    if easel.yes(0.4):
        easel.line([(-0.72, top - 0.14), (-0.4, top - 0.16), (-0.3, top + 0.22)], colour, 0.05)


def flats(easel: Easel, colour: Colour) -> None:
    """Draw a pair of ballet flats from above or one from its side."""
    if easel.yes(0.5):
        easel.area([(-0.9, 0.0), (-0.6, 0.14), (-0.1, 0.12), (0.3, 0.0), (0.86, 0.12), (0.9, 0.3), (-0.9, 0.3)], colour)
        easel.line([(-0.88, 0.31), (0.88, 0.31)], darker(colour, 0.5), 0.05)
        return
    for side in (-1, 1):
        x = side * 0.36
        easel.area(arc((x, 0), 0.28, 0.82), colour, sharp=True)
        easel.area(arc((x, 0.18), 0.19, 0.55), mixed(colour, (235, 215, 190), 0.75), sharp=True)
        if easel.yes(0.5):
            easel.dot((x, -0.46), 0.07, darker(colour, 0.7))


def sandals(easel: Easel, colour: Colour) -> None:
    """Draw straps over a sole, from the side."""
    easel.area([(-0.9, 0.16), (0, 0.2), (0.9, 0.14), (0.92, 0.28), (-0.9, 0.34)], easel.chance.choice(_RUBBER))
    for start, end in ((-0.85, -0.5), (-0.2, 0.1), (0.35, 0.6))[: easel.chance.randrange(2, 4)]:
        easel.line([(start, 0.18), ((start + end) / 2, -0.3), (end, 0.18)], colour, easel.near(0.1, 0.4))
    easel.line([(-0.86, 0.16), (-0.84, -0.4), (-0.4, -0.42)], colour, 0.08)
    easel.dot((-0.5, -0.42), 0.05, easel.chance.choice(METALS))


def flip_flops(easel: Easel, colour: Colour) -> None:
    """Draw a pair of soles from above, a forked strap on each."""
    strap = apart(easel.chance, colour) if easel.yes(0.6) else darker(colour, 0.7)
    for side in (-1, 1):
        x = side * easel.near(0.4, 0.1)
        easel.area(
            [(x - 0.24, -0.8), (x + 0.24, -0.8), (x + 0.3, -0.2), (x + 0.2, 0.85), (x - 0.2, 0.85), (x - 0.28, -0.2)],
            colour,
        )
        for away in (-0.25, 0.25):
            easel.line([(x, -0.5), (x + away * 0.8, -0.2), (x + away, 0.15)], strap, 0.07)


def sock(easel: Easel, colour: Colour) -> None:
    """Draw one sock or a pair: a leg, a bent foot, ribs at the top, perhaps bands, heel and toe of another colour."""
    other = apart(easel.chance, colour) if easel.yes(0.5) else darker(colour, 0.8)
    long, bands = easel.chance.uniform(0.3, 1.0), easel.chance.choice((0, 0, 2, 4))
    for shift in (0.45, -0.2)[easel.chance.randrange(2) :]:
        leg: list[Point] = [
            (-0.3, -long),
            (0.16, -long),
            (0.18, 0.3),
            (0.7, 0.62),
            (0.72, 0.9),
            (0.4, 0.98),
            (-0.2, 0.72),
            (-0.32, 0.4),
        ]
        easel.area([(x + shift, y - shift * 0.3) for x, y in leg], colour)
        toe: list[Point] = [(0.5, 0.52), (0.72, 0.64), (0.72, 0.9), (0.4, 0.97)]
        heel: list[Point] = [(-0.32, 0.42), (-0.05, 0.5), (-0.1, 0.74), (-0.24, 0.68)]
        for part in (toe, heel):
            easel.area([(x + shift, y - shift * 0.3) for x, y in part], other)
        for at in range(bands):
            y = -long + 0.25 + at * 0.16 - shift * 0.3
            easel.line([(-0.29 + shift, y), (0.16 + shift, y)], other, 0.06)
        for at in range(6):
            x = -0.26 + at * 0.08 + shift
            easel.line([(x, -long - shift * 0.3 + 0.02), (x, -long - shift * 0.3 + 0.16)], darker(colour, 0.7), 0.014)


def _sole(easel: Easel, heel: float, toe: float, paint: Colour, thick: float) -> None:
    easel.area(
        [(heel - 0.04, 0.2), (0, 0.23), (toe + 0.04, 0.18), (toe + 0.02, 0.22 + thick), (heel, 0.24 + thick)], paint
    )
