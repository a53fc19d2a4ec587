"""Garments for the upper body, dresses and skirts on an easel, each function one kind, in proportions that differ."""

from __future__ import annotations

from catalens.training.rendered.cloth import LONG, NONE, Cloth
from catalens.training.rendered.easel import Easel, Paint, Point, mirrored
from catalens.training.rendered.paints import Colour, apart, darker


def t_shirt(easel: Easel, of: Cloth) -> None:
    """Lay it flat: a round or pointed neck, wide or narrow sleeves, a print on the chest or all over."""
    on_chest = of.pattern == "Printed" and easel.yes(0.6)
    paint = of.colour if on_chest else of.paint
    neck, deep = easel.near(0.24), easel.chance.uniform(0.08, 0.42)
    wide, long = easel.near(0.62), easel.near(1.0, 0.12)
    _back(easel, of, neck, -0.9, deep)
    _arms(easel, of, paint, shoulder=wide, width=easel.near(0.28, 0.25))
    _trunk(easel, paint, neck=neck, deep=deep, shoulder=wide, hem=wide * easel.chance.uniform(0.88, 1.12), long=long)
    if on_chest:
        chest_print(easel, of.colour)
    rim = [(neck, -0.92), (neck * 0.7, -0.9 + deep * 0.8), (0, -0.9 + deep)]
    easel.both(rim, of.seam if easel.yes(0.7) else apart(easel.chance, of.colour), easel.chance.choice((0.015, 0.04)))


def shirt(easel: Easel, of: Cloth) -> None:
    """Button it up: a collar of two wings, a front edge, buttons, perhaps pockets."""
    wide, long = easel.near(0.6), easel.near(1.08, 0.1)
    _arms(easel, of, of.paint, shoulder=wide, width=easel.near(0.26, 0.2))
    _trunk(easel, of.paint, neck=0.2, deep=0.1, shoulder=wide, hem=wide * easel.near(0.98, 0.08), long=long)
    band, buttons = easel.near(0.06, 0.4), easel.chance.randrange(5, 9)
    if easel.yes(0.7):
        for x in (-band, band):
            easel.line([(x, -0.8), (x, long - 0.02)], of.seam, 0.012)
    else:
        easel.line([(0, -0.8), (0, long - 0.02)], of.seam, 0.02)
    tone = apart(easel.chance, of.colour) if easel.yes(0.6) else of.seam
    for at in range(buttons):
        easel.dot((0, -0.68 + at * (long + 0.55) / buttons), easel.near(0.022), tone)
    for side in ((1,), (1, -1), ())[easel.chance.randrange(3)]:
        box = easel.near(0.13)
        middle: Point = (side * wide * 0.52, -0.35)
        easel.line(_frame(middle, box, box * 1.1), of.seam, 0.014)
    spread, drop = easel.chance.uniform(0.24, 0.42), easel.chance.uniform(0.2, 0.34)
    easel.area(mirrored([(0, -1.0), (0.2, -1.02), (0.2, -0.88), (0, -0.82)]), darker(of.colour, 0.75))
    wing = [(0.01, -0.8), (0.18, -1.06), (0.27, -0.98), (spread, -0.96 + drop), (0.14, -0.86 + drop)]
    easel.pair(wing, of.paint, sharp=True)


def top(easel: Easel, of: Cloth) -> None:
    """Cut it for women: close at the waist, wide at the neck, straps or short sleeves, perhaps frills."""
    wide = easel.near(0.46)
    if of.sleeves == NONE:
        strap = easel.near(0.3)
        easel.both([(strap, -1.0), (strap, -0.5)], darker(of.colour, 0.9), easel.chance.choice((0.05, 0.09)))
    else:
        _arms(easel, of, of.paint, shoulder=wide, width=easel.near(0.24, 0.2))
    waist, hem = wide * easel.near(0.78, 0.1), wide * easel.near(1.1, 0.2)
    deep = easel.chance.uniform(0.15, 0.5)
    half = [(0, -0.9 + deep), (0.24, -0.86), (wide * 0.98, -0.9), (wide, -0.4), (waist, 0.1), (hem, easel.near(0.72))]
    easel.area(mirrored([*half, (0, 0.78)]), of.paint)
    if easel.yes(0.4):
        for at in range(-4, 5):
            easel.line([(at * 0.1 * wide, 0.1), (at * 0.2 * wide, 0.68)], of.seam, 0.012)
    if easel.yes(0.4):
        easel.line([(-waist, 0.1), (0, 0.14), (waist, 0.1)], of.seam, 0.04)


def kurta(easel: Easel, of: Cloth) -> None:
    """Let it hang to the knee: slits at the sides, a short row of buttons, a border at the hem."""
    wide = easel.near(0.44)
    _back(easel, of, 0.16, -1.08, 0.1)
    _arms(easel, of, of.paint, shoulder=wide, width=easel.near(0.2), top=-1.05)
    hem = wide * easel.near(1.25, 0.12)
    half = [(0, -1.0), (0.16, -1.1), (wide, -1.02), (wide * 0.95, -0.2), (hem, 1.15), (0, 1.17)]
    easel.area(mirrored(half), of.paint)
    easel.line([(0, -1.0), (0, -0.35)], of.seam, easel.chance.choice((0.015, 0.08)))
    border = apart(easel.chance, of.colour)
    if easel.yes(0.5):
        easel.line([(-hem * 0.96, 1.08), (hem * 0.96, 1.08)], border, easel.near(0.07, 0.5))
    if easel.yes(0.4):
        easel.area(mirrored([(0, -0.98), (0.16, -1.05), (0.13, -0.4), (0, -0.36)]), border)
    easel.both([(hem * 0.94, 0.45), (hem * 0.97, 1.14)], of.seam, 0.02)


def sweater(easel: Easel, of: Cloth) -> None:
    """Knit it: ribs at the neck, at the hem and at the cuffs, rows of loops."""
    wide, long = easel.near(0.64), easel.near(0.88, 0.12)
    _arms(easel, of, of.paint, shoulder=wide, width=easel.near(0.3, 0.2))
    _trunk(easel, of.paint, neck=0.24, deep=0.2, shoulder=wide, hem=wide, long=long)
    for at in range(10):
        y = -0.6 + at * (long + 0.5) / 10
        easel.line([(-wide * 0.9, y), (0, y + 0.02), (wide * 0.9, y)], of.seam, 0.008)
    rib: Paint = darker(of.colour, 0.82)
    easel.area(mirrored([(0, long - 0.12), (wide, long - 0.12), (wide * 0.9, long + 0.06), (0, long + 0.06)]), rib)
    for at in range(-7, 8):
        easel.line([(at * wide / 8, long - 0.1), (at * wide / 8.5, long + 0.04)], of.seam, 0.012)
    collar = [(0, -0.8), (0.22, -0.92), (0.24, -1.0 - easel.chance.choice((0.0, 0.2))), (0, -0.9)]
    easel.area(mirrored(collar), rib)


def sweatshirt(easel: Easel, of: Cloth) -> None:
    """Put a hood, cords and a pouch on it, or only a print."""
    wide, long = easel.near(0.64), easel.near(0.88, 0.12)
    hood = easel.yes(0.6)
    if hood:
        high = easel.near(1.22, 0.06)
        easel.area(mirrored([(0, -high), (0.28, -high + 0.06), (0.42, -0.86), (0.2, -0.66), (0, -0.6)]), of.colour)
        easel.area(mirrored([(0, -high + 0.16), (0.2, -high + 0.2), (0.22, -0.86), (0, -0.66)]), of.seam)
    _arms(easel, of, of.paint, shoulder=wide, width=easel.near(0.32, 0.2))
    _trunk(easel, of.paint, neck=0.24, deep=0.3 if hood else 0.14, shoulder=wide, hem=wide * 0.96, long=long)
    easel.line([(-wide * 0.94, long - 0.1), (wide * 0.94, long - 0.1)], of.seam, 0.02)
    if hood:
        easel.both([(0.12, -0.64), (0.13, -0.2)], apart(easel.chance, of.colour), 0.025)
    if easel.yes(0.6):
        pouch = [(0, 0.25), (0.28, 0.25), (0.42, 0.55), (0.42, long - 0.12), (0, long - 0.12)]
        easel.area(mirrored(pouch), darker(of.colour, 0.9), sharp=True)
    elif of.pattern == "Printed":
        chest_print(easel, of.colour)


def jacket(easel: Easel, of: Cloth) -> None:
    """Open or zip it at the front: a collar, pockets, seams across."""
    wide, long = easel.near(0.66), easel.near(0.9, 0.12)
    _arms(easel, of, of.paint, shoulder=wide, width=easel.near(0.32, 0.2))
    _trunk(easel, of.paint, neck=0.22, deep=0.08, shoulder=wide, hem=wide * easel.near(0.98), long=long)
    metal = easel.chance.choice(((190, 190, 195), (60, 60, 64), (200, 170, 90)))
    if easel.yes(0.3):
        easel.area(
            mirrored([(0, -0.9), (0.16, -0.9), (0.1, long - 0.02), (0, long - 0.02)]), apart(easel.chance, of.colour)
        )
    else:
        easel.line([(0, -0.9), (0, long)], metal, 0.035)
    stand = [(0.02, -0.84), (0.24, -1.12), (0.34, -0.98), (0.3, -0.62)]
    easel.pair(stand, darker(of.colour, 0.85), sharp=easel.yes(0.5))
    if easel.yes(0.4):
        for at in range(1, 7):
            y = -0.8 + at * (long + 0.8) / 7
            easel.line([(-wide * 0.96, y), (wide * 0.96, y)], of.seam, 0.02)
    easel.both([(wide * 0.4, 0.3), (wide * 0.62, 0.62)], of.seam, 0.035)
    easel.line([(-wide * 0.97, long - 0.1), (wide * 0.97, long - 0.1)], of.seam, 0.03)


def dress(easel: Easel, of: Cloth) -> None:
    """Let it fall from straps, a neck or sleeves over the waist to the knee or below."""
    shoulder, waist = easel.near(0.4), easel.near(0.3)
    straps = of.sleeves == NONE and easel.yes(0.5)
    if of.sleeves != NONE:
        _arms(easel, of, of.paint, shoulder=shoulder, width=easel.near(0.2), top=-1.05)
    if straps:
        easel.both([(0.22, -1.2), (0.22, -0.8)], darker(of.colour, 0.9), easel.chance.choice((0.03, 0.07)))
    top = -0.86 if straps else -1.1
    deep, at = easel.chance.uniform(0.1, 0.35), easel.chance.uniform(-0.35, 0.0)
    hem, end = easel.chance.uniform(0.42, 1.0), easel.chance.uniform(0.75, 1.2)
    half = [(0, top + deep), (0.2, top), (shoulder * 0.95, top + 0.04), (shoulder * 0.9, -0.7), (waist, at)]
    easel.area(mirrored([*half, ((waist + hem) / 2 + 0.05, (at + end) / 2), (hem, end), (0, end + 0.04)]), of.paint)
    for fold in range(easel.chance.choice((0, 0, 4, 7))):
        x = (fold - 3) / 4
        easel.line([(x * waist, at + 0.08), (x * hem, end - 0.04)], of.seam, 0.012)
    if easel.yes(0.5):
        belt = of.seam if easel.yes(0.6) else apart(easel.chance, of.colour)
        easel.line([(-waist, at), (0, at + 0.03), (waist, at)], belt, easel.near(0.06, 0.5))


def skirt(easel: Easel, of: Cloth) -> None:
    """Cut it straight, flared or pleated, from a band."""
    waist, hem, end = easel.near(0.42), easel.chance.uniform(0.48, 1.0), easel.chance.uniform(0.3, 1.0)
    easel.area(
        mirrored([(0, -0.6), (waist, -0.6), ((waist + hem) / 2 + 0.06, 0), (hem, end), (0, end + 0.05)]), of.paint
    )
    for fold in range(-4, 5) if easel.yes(0.6) else ():
        easel.line([(fold / 4.5 * waist, -0.5), (fold / 4.5 * hem, end)], of.seam, easel.chance.choice((0.01, 0.025)))
    easel.area(
        mirrored([(0, -0.68), (waist, -0.7), (waist * 1.04, -0.54), (0, -0.52)]), darker(of.colour, 0.85), sharp=True
    )


def chest_print(easel: Easel, colour: Colour) -> None:
    """Print a figure and lines of letters on a chest."""
    ink, other = apart(easel.chance, colour), apart(easel.chance, colour)
    size, y = easel.near(0.26, 0.3), easel.chance.uniform(-0.35, -0.1)
    kind = easel.chance.randrange(4)
    if kind == 0:
        easel.area(_frame((0, y), size, size * easel.near(0.9, 0.3)), ink, sharp=True)
        easel.dot((0, y), size * 0.5, other)
    elif kind == 1:
        easel.dot((0, y), size, ink)
        easel.area(
            [(-size * 0.6, y + size * 0.5), (0, y - size * 0.7), (size * 0.6, y + size * 0.5)], other, sharp=True
        )
    elif kind == 2:
        for at in range(easel.chance.randrange(2, 5)):
            _letters(easel, (-size * 1.1, y + at * 0.15), size * 2.2, ink)
    else:
        for _ in range(easel.chance.randrange(3, 9)):
            spot: Point = (easel.chance.uniform(-size, size), y + easel.chance.uniform(-size, size))
            easel.dot(spot, easel.chance.uniform(0.04, 0.12), easel.chance.choice((ink, other)))
    if easel.yes(0.4):
        _letters(easel, (-size, y + size + 0.12), size * 2, ink)


def _letters(easel: Easel, at: Point, wide: float, ink: Colour) -> None:
    x, tall = at[0], easel.near(0.08)
    while x < at[0] + wide:
        step = easel.chance.uniform(0.03, 0.08)
        easel.line([(x, at[1]), (x + step * easel.chance.uniform(-0.3, 0.6), at[1] + tall)], ink, 0.025)
        x += step + 0.03


def _frame(middle: Point, wide: float, high: float) -> list[Point]:
    x, y = middle
    return [
        (x - wide, y - high),
        (x + wide, y - high),
        (x + wide, y + high),
        (x - wide, y + high),
        (x - wide, y - high),
    ]


def _back(easel: Easel, of: Cloth, neck: float, y: float, deep: float) -> None:
    """Show the inside of the back in the neck."""
    easel.area(mirrored([(0, y + 0.04), (neck, y - 0.03), (neck * 0.8, y + deep), (0, y + deep + 0.05)]), of.seam)


def _trunk(easel: Easel, paint: Paint, *, neck: float, deep: float, shoulder: float, hem: float, long: float) -> None:
    half = [
        (0, -0.9 + deep),
        (neck * 0.7, -0.9 + deep * 0.8),
        (neck, -0.94),
        (shoulder, -0.8),
        (shoulder * 0.98, -0.45),
    ]
    easel.area(mirrored([*half, (easel.near(shoulder * 0.94, 0.06), 0.2), (hem, long), (0, long + 0.03)]), paint)


def _arms(easel: Easel, of: Cloth, paint: Paint, *, shoulder: float, width: float, top: float = -0.9) -> None:
    """Hang sleeves from the shoulders, spread out or close to the body."""
    if of.sleeves == NONE:
        return
    out = easel.chance.uniform(0.1, 0.6)
    down = easel.near(1.35, 0.1) if of.sleeves == LONG else easel.near(0.5, 0.25)
    reach = out * (1.0 if of.sleeves == LONG else 0.6)
    end: Point = (shoulder + reach, top + 0.1 + down)
    half = [(shoulder - 0.15, top), (shoulder + 0.06, top + 0.1), (end[0] + width * 0.3, end[1] - width * 0.2)]
    half += [(end[0] - width * 0.55, end[1] + width * 0.15), (shoulder - 0.08, top + 0.1 + width * 1.5)]
    easel.pair(half, paint)
    cuff = [(end[0] + width * 0.2, end[1] - width * 0.3), (end[0] - width * 0.5, end[1] + width * 0.02)]
    easel.both(cuff, of.seam, easel.chance.choice((0.012, 0.05)))
