"""Things that no fashion shop sells, on the easel that products are painted on."""

from __future__ import annotations

import math

from catalens.training.rendered.easel import Easel, Point, arc, box, mirrored
from catalens.training.rendered.paints import Colour, apart, darker, mixed


def fruit(easel: Easel, colour: Colour) -> None:
    """Draw an apple, a pear, a fig or a bunch of berries."""
    kind = easel.chance.randrange(3)
    if kind == 2:
        for _ in range(easel.chance.randrange(6, 14)):
            easel.dot((easel.chance.uniform(-0.5, 0.5), easel.chance.uniform(-0.5, 0.7)), 0.22, colour)
    else:
        top = 0.62 if kind == 0 else 0.3
        easel.area(mirrored([(0, -0.55), (top, -0.6), (0.78, 0.2), (0.4, 0.8), (0, 0.76)]), colour)
    easel.line([(0, -0.5), (0.08, -0.9)], (90, 60, 30), 0.06)
    easel.area([(0.08, -0.8), (0.4, -1.0), (0.6, -0.8), (0.3, -0.7)], (50, 140, 50))


def banana(easel: Easel, colour: Colour) -> None:
    """Draw a crescent."""
    bend = easel.chance.uniform(0.3, 0.6)
    easel.area([*arc((0, -0.3), 0.95, 0.9, 10, 170), *reversed(arc((0, -0.3), 0.9, bend, 10, 170))], colour)


def car(easel: Easel, colour: Colour) -> None:
    """Draw a car from its side."""
    roof = easel.chance.uniform(-0.7, -0.45)
    easel.area([(-0.6, -0.1), (-0.35, roof), (0.3, roof), (0.62, -0.1)], colour)
    easel.area([(-0.46, -0.12), (-0.28, roof + 0.1), (0.24, roof + 0.1), (0.46, -0.12)], (190, 215, 235))
    easel.area([(-1.05, -0.1), (0.9, -0.12), (1.05, 0.1), (1.04, 0.32), (-1.05, 0.32)], colour)
    for x in (-0.6, 0.6):
        easel.dot((x, 0.32), 0.22, (25, 25, 28))
        easel.dot((x, 0.32), 0.1, (180, 180, 185))


def cup(easel: Easel, colour: Colour) -> None:
    """Draw a cup or a pot with a handle."""
    low = easel.near(0.45)
    easel.line(arc((0.62, 0.0), 0.28, 0.32, -90, 90), darker(colour, 0.85), 0.1)
    easel.area(mirrored([(0, -0.5), (0.62, -0.5), (low, 0.6), (0, 0.64)]), colour)
    easel.area(arc((0, -0.5), 0.62, 0.12), darker(colour, 0.5))


def house(easel: Easel, colour: Colour) -> None:
    """Draw walls, a roof, a door and windows."""
    easel.area(box((0, 0.35), 0.75, 0.55), colour, sharp=True)
    easel.area([(-0.95, -0.2), (0, easel.near(-0.85)), (0.95, -0.2)], apart(easel.chance, colour), sharp=True)
    easel.area(box((0, 0.6), 0.15, 0.3), darker(colour, 0.4), sharp=True)
    for x in (-0.45, 0.45):
        easel.area(box((x, 0.2), 0.15, 0.15), (180, 215, 240), sharp=True)


def tree(easel: Easel, colour: Colour) -> None:
    """Draw a round or a pointed crown on a trunk."""
    easel.area(box((0, 0.7), 0.1, 0.4), (100, 70, 40), sharp=True)
    if easel.yes(0.5):
        for at in range(3):
            easel.area([(-0.6, 0.4 - at * 0.4), (0, -0.5 - at * 0.3), (0.6, 0.4 - at * 0.4)], colour, sharp=True)
    else:
        for _ in range(5):
            easel.dot((easel.chance.uniform(-0.4, 0.4), easel.chance.uniform(-0.6, 0.2)), 0.42, colour)


def fish(easel: Easel, colour: Colour) -> None:
    """Draw a body with a tail and fins."""
    easel.area([(0.6, 0), (1.05, -0.35), (0.95, 0), (1.05, 0.35)], darker(colour, 0.8), sharp=True)
    easel.area(arc((-0.1, 0), 0.8, easel.near(0.4, 0.4)), colour)
    easel.area([(-0.1, -0.3), (0.2, -0.65), (0.35, -0.2)], darker(colour, 0.8))
    easel.dot((-0.6, -0.08), 0.06, (20, 20, 20))


def animal(easel: Easel, colour: Colour) -> None:
    """Draw four legs, a body, a head with ears and a tail."""
    for x in (-0.5, -0.25, 0.3, 0.55):
        easel.line([(x, 0.2), (x + easel.chance.uniform(-0.1, 0.1), 0.85)], darker(colour, 0.85), easel.near(0.13, 0.3))
    easel.line([(-0.65, 0.0), (-1.0, easel.chance.uniform(-0.6, 0.3))], colour, 0.08)
    easel.area(arc((0, 0.1), 0.72, easel.near(0.35, 0.3)), colour)
    easel.area(arc((0.75, -0.4), 0.32, 0.28), colour)
    for x in (0.6, 0.88):
        easel.area([(x - 0.1, -0.55), (x, easel.near(-0.95)), (x + 0.1, -0.55)], darker(colour, 0.8))
    easel.dot((0.84, -0.45), 0.04, (15, 15, 15))


def bird(easel: Easel, colour: Colour) -> None:
    """Draw a body, a wing, a beak and two thin legs."""
    easel.area([(-1.0, -0.1), (-0.4, -0.3), (0.3, -0.3), (0.5, 0.2), (0, 0.5), (-0.5, 0.3)], colour)
    easel.dot((0.5, -0.4), 0.26, colour)
    easel.area([(0.7, -0.45), (1.05, -0.36), (0.7, -0.28)], (240, 170, 40), sharp=True)
    easel.area([(-0.6, 0.0), (0.2, -0.15), (0.1, 0.3)], darker(colour, 0.75))
    for x in (-0.05, 0.15):
        easel.line([(x, 0.45), (x, 0.9)], (200, 130, 40), 0.04)


def chair(easel: Easel, colour: Colour) -> None:
    """Draw a chair or a table from the front."""
    seat, back = easel.near(0.1, 0.5), easel.yes(0.6)
    for x in (-0.55, 0.55):
        easel.line([(x, -1.0 if back else seat), (x, 1.0)], darker(colour, 0.8), 0.1)
    for at in range(3 if back else 0):
        easel.line([(-0.55, -0.9 + at * 0.25), (0.55, -0.9 + at * 0.25)], colour, 0.09)
    easel.area([(-0.7, seat), (0.7, seat), (0.8, seat + 0.2), (-0.8, seat + 0.2)], colour, sharp=True)


def lamp(easel: Easel, colour: Colour) -> None:
    """Draw a shade on a stand."""
    easel.line([(0, -0.2), (0, 0.9)], (90, 90, 95), 0.07)
    easel.area(arc((0, 0.95), 0.4, 0.08), (90, 90, 95))
    easel.area(mirrored([(0, -0.95), (easel.near(0.3, 0.4), -0.95), (0.6, -0.1), (0, -0.08)]), colour, sharp=True)


def phone(easel: Easel, colour: Colour) -> None:
    """Draw a telephone, a screen or a box with knobs."""
    wide, high = easel.chance.choice(((0.45, 0.9), (0.95, 0.6), (0.8, 0.8)))
    easel.area(box((0, 0), wide, high), colour, sharp=easel.yes(0.4))
    easel.area(
        box((0, -high * 0.12), wide * 0.85, high * 0.7),
        easel.chance.choice(((30, 40, 60), (170, 200, 230))),
        sharp=True,
    )
    for at in range(easel.chance.randrange(1, 5)):
        easel.dot((-wide * 0.6 + at * wide * 0.4, high * 0.8), 0.05, apart(easel.chance, colour))


def ball(easel: Easel, colour: Colour) -> None:
    """Draw a balloon, a ball with seams or a planet."""
    easel.dot((0, 0), 0.8, colour)
    for _ in range(easel.chance.randrange(0, 4)):
        turn = easel.chance.uniform(0, math.tau)
        easel.line(
            [(0.8 * math.cos(turn + each), 0.8 * math.sin(turn + each)) for each in (0, 2.4)], darker(colour, 0.5), 0.04
        )
    if easel.yes(0.3):
        easel.line([(0, 0.8), (0.1, 1.2)], (60, 60, 60), 0.02)


def flower(easel: Easel, colour: Colour) -> None:
    """Draw petals on a stem."""
    easel.line([(0, 0), (easel.chance.uniform(-0.2, 0.2), 1.1)], (50, 130, 50), 0.07)
    petals = easel.chance.randrange(4, 9)
    for at in range(petals):
        turn = math.tau * at / petals
        easel.dot((0.38 * math.cos(turn), -0.4 + 0.38 * math.sin(turn)), 0.24, colour)
    easel.dot((0, -0.4), 0.2, (245, 205, 60))


def guitar(easel: Easel, colour: Colour) -> None:
    """Draw a guitar or a violin."""
    easel.line([(0, -1.1), (0, 0)], darker(colour, 0.6), 0.1)
    for y, wide in ((0.15, 0.38), (0.65, 0.5)):
        easel.area(arc((0, y), wide, 0.4), colour, inked=False)
    easel.dot((0, 0.3), 0.14, (30, 25, 20))
    easel.line([(-0.15, 0.75), (0.15, 0.75)], (30, 25, 20), 0.05)


def tool(easel: Easel, colour: Colour) -> None:
    """Draw a hammer, a spade or a knife: a handle and a head."""
    easel.line([(0, -0.5), (0, 1.0)], colour, easel.near(0.13, 0.3))
    grey = mixed((150, 152, 158), colour, 0.1)
    kind = easel.chance.randrange(3)
    shapes: tuple[list[Point], ...] = (
        box((0.1, -0.7), 0.5, 0.17),
        [(-0.3, -0.4), (-0.32, -0.8), (0, -1.15), (0.32, -0.8), (0.3, -0.4)],
        [(-0.1, -0.4), (-0.12, -1.15), (0.16, -0.9), (0.14, -0.4)],
    )
    easel.area(shapes[kind], grey)


def boat(easel: Easel, colour: Colour) -> None:
    """Draw a hull, a mast and sails, or a plane."""
    if easel.yes(0.4):
        easel.area([(-1.0, 0.0), (0.7, -0.18), (1.0, 0.0), (0.7, 0.16)], colour)
        for side in (-1, 1):
            easel.area(
                [(0.1, 0), (-0.4, side * 0.75), (-0.6, side * 0.75), (-0.3, 0)], darker(colour, 0.85), sharp=True
            )
        easel.area([(-0.9, 0), (-1.05, -0.4), (-0.8, -0.4), (-0.6, 0)], darker(colour, 0.85), sharp=True)
        return
    easel.line([(0, -1.1), (0, 0.4)], (90, 60, 40), 0.06)
    easel.area([(0.06, -1.0), (0.06, 0.2), (0.8, 0.2)], (245, 245, 240), sharp=True)
    easel.area([(-0.9, 0.35), (0.95, 0.35), (0.6, 0.85), (-0.6, 0.85)], colour, sharp=True)
