"""Bags, belts and bottles on an easel, each function one kind."""

from __future__ import annotations

from catalens.training.rendered.easel import Easel, arc, box, mirrored, square
from catalens.training.rendered.paints import METALS, Colour, apart, darker, mixed


def handbag(easel: Easel, colour: Colour) -> None:
    """Draw a bag with one or two arched handles; its body is a box, a trapezium or round."""
    dark, top, high = darker(colour, 0.65), easel.near(0.75), easel.chance.uniform(0.5, 0.95)
    for lift in (0.0, 0.12)[: easel.chance.randrange(1, 3)]:
        easel.line(arc((0, -0.2), 0.45, high - lift, 180, 360), dark, easel.near(0.07, 0.4))
    low = top * easel.chance.uniform(0.8, 1.25)
    easel.area(mirrored([(0, -0.22), (top, -0.22), (low, 0.75), (low * 0.9, 0.82), (0, 0.84)]), colour)
    if easel.yes(0.4):
        easel.area(mirrored([(0, -0.2), (top * 0.95, -0.2), (top * 0.8, 0.2), (0, 0.32)]), darker(colour, 0.88))
    if easel.yes(0.6):
        easel.dot((0, easel.chance.uniform(0.0, 0.3)), 0.07, easel.chance.choice(METALS))
    if easel.yes(0.5):
        easel.line([(-top * 0.9, -0.08), (top * 0.9, -0.08)], dark, 0.03)
    for side in (-1, 1):
        easel.dot((side * 0.45, -0.14), 0.045, easel.chance.choice(METALS))


def clutch(easel: Easel, colour: Colour) -> None:
    """Draw a flat purse without handles, a flap over its front."""
    high = easel.chance.uniform(0.4, 0.6)
    easel.area(mirrored([(0, -high), (0.95, -high), (0.98, high), (0, high)]), colour)
    easel.area(
        mirrored([(0, -high), (0.94, -high), (0.9, 0.0), (0, easel.chance.uniform(0.05, 0.3))]),
        darker(colour, 0.86),
        sharp=easel.yes(0.5),
    )
    easel.dot((0, 0.08), easel.near(0.07), easel.chance.choice(METALS))


def backpack(easel: Easel, colour: Colour) -> None:
    """Draw it from the front: a rounded body, a loop above, a pocket below, zips."""
    dark, wide = darker(colour, 0.6), easel.near(0.68, 0.12)
    easel.line(arc((0, -0.95), 0.16, 0.2, 180, 360), dark, 0.07)
    if easel.yes(0.6):
        easel.both([(wide * 0.8, -0.7), (wide * 1.2, 0.0), (wide * 0.95, 0.8)], dark, 0.1)
    easel.area(
        mirrored([(0, -1.02), (wide * 0.7, -0.98), (wide, -0.5), (wide * 1.04, 0.85), (wide * 0.9, 1.0), (0, 1.02)]),
        colour,
    )
    other = apart(easel.chance, colour) if easel.yes(0.3) else darker(colour, 0.85)
    pocket = easel.chance.uniform(0.0, 0.3)
    easel.area(mirrored([(0, pocket), (wide * 0.75, pocket), (wide * 0.78, 0.9), (0, 0.92)]), other)
    easel.line([(-wide * 0.7, pocket + 0.12), (wide * 0.7, pocket + 0.12)], dark, 0.03)
    easel.line(arc((0, -0.2), wide * 0.8, 0.62, 190, 350), dark, easel.chance.choice((0.02, 0.05)))
    if easel.yes(0.5):
        easel.both([(wide * 0.98, 0.1), (wide * 0.7, 0.1)], dark, 0.05)


def duffel_bag(easel: Easel, colour: Colour) -> None:
    """Draw a lying cylinder with two straps."""
    dark = darker(colour, 0.6)
    easel.line(arc((0, -0.2), 0.4, 0.5, 180, 360), dark, 0.08)
    easel.area(mirrored([(0, -0.42), (0.85, -0.4), (1.0, 0.05), (0.9, 0.5), (0, 0.52)]), colour)
    for x in (-0.42, 0.42):
        easel.line([(x, -0.4), (x, 0.5)], dark, 0.08)
    easel.line([(-0.8, -0.3), (0.8, -0.3)], dark, 0.03)


def wallet(easel: Easel, colour: Colour) -> None:
    """Draw it closed, or open with its slots."""
    stitch = mixed(darker(colour, 0.7), (255, 255, 255), 0.3)
    high = easel.chance.uniform(0.5, 0.72)
    if easel.yes(0.3):
        for side in (-1, 1):
            easel.area([(0, -high), (side * 0.98, -high), (side * 0.98, high), (0, high)], darker(colour, 0.9))
            for at in range(3):
                y = -high * 0.5 + at * 0.22
                easel.line([(side * 0.12, y), (side * 0.88, y)], darker(colour, 0.55), 0.03)
        easel.line([(0, -high), (0, high)], darker(colour, 0.5), 0.03)
        return
    wide = easel.near(0.85)
    easel.area(
        mirrored([(0, -high - 0.04), (wide + 0.05, -high - 0.04), (wide + 0.05, high), (0, high)]), darker(colour, 0.65)
    )
    easel.area(mirrored([(0, -high), (wide, -high), (wide, high), (0, high)]), colour)
    frame = [
        (-wide + 0.08, -high + 0.08),
        (wide - 0.08, -high + 0.08),
        (wide - 0.08, high - 0.08),
        (-wide + 0.08, high - 0.08),
    ]
    easel.line([*frame, frame[0]], stitch, 0.014)
    if easel.yes(0.5):
        easel.line([(-0.18, high * 0.5), (0.18, high * 0.5)], stitch, 0.04)
    if easel.yes(0.35):
        easel.area(
            [(wide * 0.5, -0.12), (wide + 0.04, -0.12), (wide + 0.04, 0.12), (wide * 0.5, 0.12)], darker(colour, 0.8)
        )
        easel.dot((wide * 0.6, 0.0), 0.04, easel.chance.choice(METALS))


def belt(easel: Easel, colour: Colour) -> None:
    """Draw it rolled up, lying straight, or bent to a loop; a buckle at its end."""
    metal, thick = easel.chance.choice(METALS), easel.near(0.16, 0.3)
    kind = easel.chance.randrange(3)
    if kind == 0:
        for turn in range(3):
            easel.line(
                arc((0, 0), 0.75 - turn * thick * 1.2, 0.7 - turn * thick * 1.2, 0, 350),
                mixed(colour, (0, 0, 0), 0.12 * (turn % 2)),
                thick,
            )
        easel.line(square((0.75, 0.1), 0.16), metal, 0.05)
        return
    if kind == 1:
        slope = easel.chance.uniform(-0.5, 0.5)
        easel.line([(-1.0, slope), (1.0, -slope)], colour, thick * 1.3)
        for at in range(4):
            easel.dot((0.55 + at * 0.11, -slope * (0.55 + at * 0.11)), 0.022, darker(colour, 0.3))
        easel.line(square((-1.0, slope), thick), metal, 0.05)
        return
    flat = easel.chance.uniform(0.3, 0.6)
    easel.line(arc((0, 0), 0.85, flat, 180, 360), darker(colour, 0.6), thick * 1.2)
    easel.line(arc((0, 0), 0.85, flat, 0, 180), colour, thick * 1.3)
    easel.line(square((0, flat), thick * 1.1), metal, 0.06)
    easel.line([(0, flat), (thick * 1.1, flat)], metal, 0.04)


def perfume(easel: Easel, colour: Colour) -> None:
    """Draw a bottle with a cap, filled with something coloured."""
    wide, high = easel.near(0.45, 0.3), easel.near(0.7, 0.2)
    easel.area(box((0, -high - 0.25), wide * 0.45, 0.2), easel.chance.choice((*METALS, (20, 20, 20))), sharp=True)
    easel.area(mirrored([(0, -high), (wide, -high), (wide, high), (0, high)]), colour)
    easel.area(box((0, 0.1), wide * 0.6, high * 0.3), mixed(colour, (255, 255, 255), 0.7), sharp=True)
    for at in range(2):
        easel.line([(-wide * 0.4, 0.05 + at * 0.12), (wide * 0.4, 0.05 + at * 0.12)], darker(colour, 0.5), 0.03)


def lipstick(easel: Easel, colour: Colour) -> None:
    """Draw a slanted stick in a tube, its cap beside it or off."""
    tube, metal = easel.chance.choice(((20, 20, 22), (120, 20, 40), (230, 225, 220))), easel.chance.choice(METALS)
    easel.area([(-0.16, -0.9), (0.16, -0.6), (0.16, -0.1), (-0.16, -0.1)], colour, sharp=easel.yes(0.5))
    easel.area(box((0, 0.1), 0.2, 0.24), metal, sharp=True)
    easel.area(box((0, 0.65), 0.25, 0.36), tube, sharp=True)
    if easel.yes(0.4):
        easel.area(box((0.65, 0.6), 0.24, 0.42), tube, sharp=True)


def nail_polish(easel: Easel, colour: Colour) -> None:
    """Draw a small bottle of varnish under a long cap."""
    easel.area(
        box((0, -0.5), 0.17, 0.5), easel.chance.choice(((20, 20, 22), (240, 240, 240), (180, 180, 185))), sharp=True
    )
    if easel.yes(0.5):
        easel.area(arc((0, 0.45), easel.near(0.44), easel.near(0.48)), colour)
    else:
        easel.area(box((0, 0.45), easel.near(0.36), 0.46), colour)
