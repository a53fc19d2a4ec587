"""Draws clothes on a canvas: each function one garment, seen from the front."""

from __future__ import annotations

from dataclasses import dataclass, replace

from catalens.demo.drawn.canvas import (
    Canvas,
    Colour,
    Fabric,
    Point,
    corners,
    curve,
    ellipse,
    mirrored,
    mix,
    plain,
    shade,
)
from catalens.demo.drawn.fabrics import contrast, twill


@dataclass(frozen=True, slots=True)
class Cloth:
    """What a garment is made of, and where its sleeves end (None: it has none to speak of)."""

    colour: Colour
    fabric: Fabric
    pattern: str = "Solid"
    sleeves: str | None = None

    @property
    def seam(self) -> Colour:
        """A colour for seams that shows on this cloth."""
        return shade(self.colour, 0.62) if sum(self.colour) > 200 else mix(self.colour, (255, 255, 255), 0.24)


def t_shirt(canvas: Canvas, cloth: Cloth) -> None:
    """A round neck, a straight body, and a print on the chest if the pattern says so."""
    base = plain(cloth.colour) if cloth.pattern == "Printed" else cloth.fabric
    _back_of_neck(canvas, cloth, 70)
    _sleeves(canvas, cloth, base)
    body = [(150, 98), (172, 90), *corners((187, 60)), *corners((234, 78)), (226, 110)]
    body += [*corners((226, 146)), (223, 240), *corners((228, 352)), (190, 359), (150, 361)]
    canvas.fill(curve(mirrored(body)), base, folds=1)
    if cloth.pattern == "Printed":
        _chest_print(canvas, cloth.colour)
    _both(canvas, [(187, 60), (176, 86), (150, 98)], cloth.seam, width=1.6)
    _both(canvas, [(193, 62), (181, 93), (150, 106)], cloth.seam, width=0.9, alpha=0.8)
    _both(canvas, [(226, 347), (190, 353), (150, 355)], cloth.seam, width=0.9, alpha=0.8)


def shirt(canvas: Canvas, cloth: Cloth) -> None:
    """A collar with two points, a row of buttons, a pocket and a rounded hem."""
    _back_of_neck(canvas, cloth, 56)
    _sleeves(canvas, cloth, cloth.fabric)
    body = [(150, 92), (168, 74), *corners((182, 52)), *corners((234, 76)), (226, 110), *corners((225, 146))]
    body += [(221, 240), (226, 330), (214, 348), (184, 366), (150, 372)]
    canvas.fill(curve(mirrored(body)), cloth.fabric, folds=1)
    placket = corners((141, 92), (159, 92), (159, 371), (141, 371))
    canvas.tint(curve([(x + 5, y) for x, y in placket]), (0, 0, 0), softness=3, strength=0.3)
    canvas.fill(curve(placket), cloth.fabric, depth=2)
    for x in (141, 159):
        canvas.line([(x, 92), (x, 371)], cloth.seam, width=1.2)
    _both(canvas, [(194, 66), (206, 86), (231, 92)], cloth.seam, width=1.1, alpha=0.8)
    _cuffs(canvas, cloth)
    for height in range(104, 366, 42):
        canvas.fill(ellipse((150, height), 3.4, 3.4), plain((236, 236, 232)), depth=2)
        canvas.line(ellipse((150, height), 3.4, 3.4), (110, 110, 110), width=0.6)
    pocket = corners((176, 150), (210, 150), (210, 182), (193, 191), (176, 182))
    canvas.line(curve([*pocket, *pocket[:2]], closed=False), cloth.seam, width=1.1)
    canvas.fill(
        curve(mirrored([(150, 50), (168, 44), *corners((183, 42)), (172, 60), (150, 66)])), cloth.fabric, depth=4
    )
    for side in (1, -1):
        wing = [(151, 90), (170, 58), (185, 38), (203, 66), (186, 120)]
        outline = [(150 + side * (x - 150), y) for x, y in wing]
        canvas.tint(outline, (0, 0, 0), softness=5, strength=0.7)
        canvas.fill(curve(corners(*outline)), cloth.fabric, depth=4)
        canvas.line(curve(corners(*outline, outline[0]), closed=False), cloth.seam, width=1.6)
        inner = [(150 + side * (x - 150), y) for x, y in ((157, 90), (184, 113), (199, 68))]
        canvas.line(inner, cloth.seam, width=0.9, dash=3)


def _cuffs(canvas: Canvas, cloth: Cloth) -> None:
    """Draw a buttoned cuff at the end of each long sleeve, or a turned hem at that of a short one."""
    ends = ((286, 312), (288, 338), (258, 344), (255, 320))
    if cloth.sleeves != "Long Sleeves":
        _both(canvas, [(280, 143), (253, 164)], cloth.seam, width=1.1)
        return
    for side in (1, -1):
        cuff = [(150 + side * (x - 150), y) for x, y in ends]
        canvas.shadow(cuff, softness=3, strength=0.4)
        canvas.fill(curve(corners(*cuff)), cloth.fabric, depth=3)
        canvas.line(curve(corners(*cuff, cuff[0]), closed=False), cloth.seam, width=1.1)
        canvas.fill(ellipse((150 + side * 116, 329), 3, 3), plain((236, 236, 232)), depth=1)


def dress(canvas: Canvas, cloth: Cloth) -> None:
    """A fitted bodice, a narrow waist with a band and a wide skirt in folds."""
    if cloth.sleeves != "Sleeveless":
        _sleeves(canvas, cloth, cloth.fabric, shoulder=(206, 46), armpit=(198, 96), scale=0.78)
    else:
        canvas.fill(curve(mirrored([(150, 44), *corners((178, 22)), (172, 52), (150, 62)])), plain(cloth.seam), depth=3)
    outer: list[Point] = [(202, 34), (196, 64)] if cloth.sleeves == "Sleeveless" else [(208, 38), (204, 64)]
    bodice = [(150, 76), (170, 62), *corners((178, 22)), *corners(outer[0]), outer[1], *corners((200, 92))]
    canvas.fill(curve(mirrored([*bodice, (192, 130), *corners((184, 168)), (150, 170)])), cloth.fabric, folds=0.6)
    skirt_half = [*corners((150, 164)), *corners((184, 164)), (212, 240), (240, 330), *corners((252, 376))]
    hem = [(236, 388), (214, 380), (192, 392), (170, 384), (150, 392)]
    canvas.fill(curve(mirrored([*skirt_half, *hem])), cloth.fabric, folds=0.8)
    for top, bottom in ((156, 160), (164, 186), (172, 212), (180, 238)):
        _both(canvas, [(top, 178), ((top + bottom) / 2 + 1, 270), (bottom, 384)], cloth.seam, width=2.4, alpha=0.35)
    canvas.fill(curve(corners((115, 160), (185, 160), (186, 174), (114, 174))), plain(cloth.seam), depth=4)
    _both(canvas, [(178, 22), (170, 62), (150, 76)], cloth.seam, width=1.6)


def skirt(canvas: Canvas, cloth: Cloth) -> None:
    """A flared skirt to the knee, in soft folds that open towards the hem, on a band with a button."""
    half = [*corners((150, 92)), *corners((194, 90)), (210, 140), (226, 216), *corners((240, 316))]
    half += [(226, 324), (206, 322), (190, 330), (170, 326), (150, 331)]
    canvas.fill(curve([(107, 84), (150, 78), (193, 84), (150, 96)]), plain(shade(cloth.colour, 0.5)), depth=2)
    canvas.fill(curve(mirrored(half)), cloth.fabric, folds=0.8, depth=11)
    for top, bottom, hem in ((158, 170, 326), (168, 190, 330), (180, 206, 322), (188, 226, 324)):
        for side in (1, -1):
            fold = [(150 + side * (x - 150), y) for x, y in ((top, 112), (bottom - 5, hem), (bottom + 5, hem))]
            canvas.tint(fold, (0, 0, 0), softness=3, strength=0.3)
            lit = [(150 + side * (x - 150), y) for x, y in ((top + 3, 130), (bottom + 6, hem), (bottom + 11, hem))]
            canvas.tint(lit, (255, 255, 255), softness=3, strength=0.16)
    band = [*corners((106, 84)), (150, 92), *corners((194, 84)), *corners((197, 104)), (150, 112), *corners((103, 104))]
    canvas.shadow(curve(band), softness=3, strength=0.4)
    canvas.fill(curve(band), cloth.fabric, depth=4)
    canvas.line(curve([(103, 104), (150, 112), (197, 104)], closed=False), cloth.seam, width=1.2)
    canvas.fill(ellipse((150, 101), 3.6, 3.6), plain((236, 236, 232)), depth=2)
    canvas.line(
        curve([(62, 308), (110, 319), (150, 322), (190, 319), (238, 308)], closed=False),
        cloth.seam,
        width=0.8,
        alpha=0.6,
    )


def jeans(canvas: Canvas, cloth: Cloth) -> None:
    """Denim: twill, faded thighs, orange double stitches, scooped pockets with rivets, belt loops, turned hems."""
    is_grey = max(cloth.colour) - min(cloth.colour) < 12
    denim = replace(cloth, fabric=twill(cloth.colour if is_grey else mix(cloth.colour, (96, 108, 130), 0.12)))
    faded = mix(cloth.colour, (226, 234, 246), 0.6 if is_grey else 0.95)
    half = [
        *corners((150, 32)),
        *corners((206, 28)),
        (211, 70),
        (217, 112),
        (214, 200),
        (210, 290),
        *corners((208, 386)),
    ]
    half += [(186, 389), *corners((162, 386)), (158, 290), (154, 200), *corners((150, 126))]
    _legs(canvas, denim, half)
    stitch = (206, 140, 62)
    for side in (1, -1):
        thigh = [(150 + side * x, y) for x, y in ((38, 96), (54, 150), (48, 230), (42, 300), (32, 230), (26, 150))]
        canvas.tint(curve(thigh), faded, softness=9, strength=0.34 if sum(cloth.colour) > 200 else 0.14)
        for top in (124, 134, 144):
            whisker = [(150 + side * x, y) for x, y in ((10, top), (32, top - 8), (56, top - 2))]
            canvas.line(curve(whisker, closed=False), faded, width=2.4, alpha=0.16)
        pocket = [(150 + side * x, y) for x, y in ((28, 54), (31, 70), (43, 83), (59, 85))]
        lining = [*curve(pocket, closed=False), (150 + side * 54, 54)]
        canvas.fill(lining, denim.fabric, depth=3)
        for shift in (0, 4):
            line = [(x - side * shift, y + shift) for x, y in pocket]
            canvas.line(curve(line, closed=False), stitch, width=1.2, dash=3)
        for x, y in (pocket[0], pocket[-1]):
            canvas.fill(ellipse((x, y), 2.4, 2.4), plain((190, 150, 84)), depth=1, gloss=0.5)
    _both(canvas, [(211, 106), (209, 210), (203, 378)], stitch, width=1.0, dash=3, alpha=0.8)
    for height in (372, 376):
        _both(canvas, [(163, height), (186, height + 3), (207, height)], stitch, width=1.1, dash=3)
    for shift in (0, 4):
        fly = [(164 + shift, 54), (164 + shift, 88), (152, 106 + shift)]
        canvas.line(curve(fly, closed=False), stitch, width=1.2, dash=3)
    _waistband(canvas, denim, stitch, (190, 150, 84))


def trousers(canvas: Canvas, cloth: Cloth) -> None:
    """Plain cloth pressed to a soft crease, slanted pockets, belt loops and a hooked waistband."""
    half = [*corners((150, 32)), *corners((206, 28)), (212, 70), (218, 116), (218, 240), *corners((216, 388))]
    half += [*corners((160, 388)), (157, 290), (154, 200), *corners((150, 126))]
    _legs(canvas, cloth, half)
    for side in (1, -1):
        crease = [(150 + side * x, y) for x, y in ((33, 64), (37, 150), (38, 270), (38, 386))]
        canvas.tint(curve([*crease, (150 + side * 46, 270)]), (0, 0, 0), softness=5, strength=0.18)
        canvas.line(curve(crease, closed=False), shade(cloth.colour, 0.72), width=1.2, alpha=0.55)
    _both(canvas, [(192, 56), (208, 100)], cloth.seam, width=1.8)
    canvas.line(curve([(160, 54), (160, 92), (150, 108)], closed=False), cloth.seam, width=1.0, alpha=0.8)
    _waistband(canvas, cloth, cloth.seam, shade(cloth.colour, 0.6))


def shorts(canvas: Canvas, cloth: Cloth) -> None:
    """A drawstring waist and two wide legs that end above the knee."""
    half = [*corners((150, 88)), *corners((212, 84)), (226, 150), (238, 220), *corners((248, 292)), (206, 302)]
    half += [*corners((163, 296)), (156, 240), *corners((150, 186))]
    canvas.fill(curve(mirrored(half)), cloth.fabric, folds=0.9)
    canvas.fill(curve(corners((88, 80), (212, 80), (214, 106), (86, 106))), cloth.fabric, depth=6)
    for x in range(92, 212, 7):
        canvas.line([(x, 83), (x, 103)], cloth.seam, width=1.2, alpha=0.6)
    _both(canvas, [(207, 108), (222, 150)], cloth.seam, width=1.6)
    _both(canvas, [(164, 287), (206, 293), (246, 283)], cloth.seam, width=1.0)
    canvas.line([(150, 106), (150, 186)], cloth.seam, width=1.4)
    for x in (141, 160):
        cord = curve([(150, 98), (x, 120), (x - 3, 142)], closed=False)
        canvas.line(cord, contrast(cloth.colour), width=2.6)


def tie(canvas: Canvas, cloth: Cloth) -> None:
    """A loop at the top, a knot, and a blade that widens to a point; the tail lies behind it."""
    canvas.fill(curve([(150, 44), (118, 30), (132, 10), (150, 6), (168, 10), (182, 30)]), plain(cloth.seam), depth=4)
    canvas.fill(
        curve([(150, 40), (128, 28), (138, 17), (150, 14), (162, 17), (172, 28)]), plain((250, 250, 250)), depth=0
    )
    tail = corners((152, 60), (166, 60), (186, 330), (173, 346), (160, 330))
    canvas.fill(curve(tail), cloth.fabric, depth=5)
    blade = corners((136, 62), (164, 62), (184, 352), (150, 392), (116, 352))
    canvas.shadow(blade, softness=3)
    canvas.fill(curve(blade), cloth.fabric, depth=7, folds=0.3, gloss=0.2)
    knot = corners((126, 30), (174, 30), (163, 68), (137, 68))
    canvas.shadow(knot, softness=3)
    canvas.fill(curve(knot), cloth.fabric, depth=6, gloss=0.2)
    canvas.line([(141, 33), (152, 66)], cloth.seam, width=1.2, alpha=0.7)


def socks(canvas: Canvas, cloth: Cloth) -> None:
    """A pair, one half behind the other, with ribbed cuffs, heel and toe in another colour."""
    other = contrast(cloth.colour) if cloth.pattern == "Striped" else shade(cloth.colour, 0.72)
    for shift_x, shift_y in ((44, -14), (0, 0)):

        def at(*points: Point, dx: float = shift_x, dy: float = shift_y) -> list[Point]:
            return [(x + dx, y + dy) for x, y in points]

        foot = at((64, 60), (64, 60), (134, 56), (134, 56), (138, 150), (146, 226), (176, 268), (208, 312), (208, 352))
        foot += at((172, 366), (134, 344), (104, 304), (76, 268), (66, 226), (66, 140))
        canvas.shadow(foot, softness=6, strength=0.5)
        canvas.fill(curve(foot), cloth.fabric, depth=10, folds=0.4)
        toe = at((174, 364), (208, 354), (210, 318), (196, 294), (176, 310), (160, 332), (158, 358))
        canvas.fill(curve(toe), plain(other), depth=8)
        heel = at((68, 232), (78, 270), (102, 302), (118, 286), (110, 250), (92, 230))
        canvas.fill(curve(heel), plain(other), depth=6)
        cuff = curve(at(*corners((62, 54), (135, 50), (136, 88), (64, 92))))
        canvas.fill(cuff, plain(cloth.colour), depth=6)
        for x in range(67, 134, 6):
            canvas.line(at((x, 55), (x + 1, 89)), shade(cloth.colour, 0.7), width=1.1, alpha=0.7)


def _legs(canvas: Canvas, cloth: Cloth, half: list[Point]) -> None:
    """Fill two legs, given by the right one, and shade where they meet."""
    canvas.fill(curve(mirrored(half)), cloth.fabric, folds=0.7, depth=10)
    canvas.line([(150, 52), (150, 126)], cloth.seam, width=1.3)
    for end in ((178, 136), (176, 150)):
        _both(canvas, [(151, 124), ((151 + end[0]) / 2, 128), end], cloth.seam, width=2, alpha=0.35)


def _waistband(canvas: Canvas, cloth: Cloth, stitch: Colour, button: Colour) -> None:
    """Draw the back of the waist, a band in front of it with loops, and its button."""
    canvas.fill(curve([(95, 30), (150, 24), (205, 30), (150, 38)]), plain(shade(cloth.colour, 0.5)), depth=2)
    band = [*corners((94, 29)), (150, 37), *corners((206, 29)), *corners((209, 48)), (150, 56), *corners((91, 48))]
    canvas.fill(curve(band), cloth.fabric, depth=4)
    for low in (33, 47):
        canvas.line(curve([(93, low), (150, low + 8), (207, low)], closed=False), stitch, width=1.0, dash=3, alpha=0.8)
    for x in (110, 190):
        loop = corners((x - 3, 29), (x + 3, 29), (x + 3, 57), (x - 3, 57))
        canvas.shadow(curve(loop), softness=2, strength=0.5)
        canvas.fill(curve(loop), cloth.fabric, depth=2)
    canvas.fill(ellipse((152, 47), 4, 4), plain(button), depth=2, gloss=0.5)


def _back_of_neck(canvas: Canvas, cloth: Cloth, top: float) -> None:
    inside = shade(cloth.colour, 0.6) if sum(cloth.colour) > 150 else shade(cloth.colour, 1.15)
    canvas.fill(
        curve(mirrored([(150, top), (170, top - 5), *corners((188, top - 8)), (174, 92), (150, 102)])),
        plain(inside),
        depth=3,
    )


def _sleeves(
    canvas: Canvas,
    cloth: Cloth,
    fabric: Fabric,
    *,
    shoulder: Point = (232, 77),
    armpit: Point = (225, 146),
    scale: float = 1.0,
) -> None:
    """Hang a pair of sleeves, short or long, from the shoulders."""
    if cloth.sleeves == "Sleeveless":
        return
    (x, y), (under_x, under_y) = shoulder, armpit
    short = [*corners((x + 56 * scale, y + 76 * scale)), *corners((x + 20 * scale, under_y + 30 * scale))]
    long = [(x + 40 * scale, y + 110 * scale), *corners((x + 56 * scale, y + 258 * scale))]
    long += [*corners((x + 27 * scale, y + 264 * scale)), (x + 12 * scale, y + 160 * scale)]
    bend = (x + 24 * scale, y + 20 * scale)
    ends = long if cloth.sleeves == "Long Sleeves" else short
    half = [*corners((x - 14, y - 6)), bend, *ends, *corners((under_x - 2, under_y + 4)), *corners((x - 20, under_y))]
    cuffs = [point for point in ends if point in (ends[-1], ends[-3])]
    for side in (1, -1):
        outline = [(150 + side * (px - 150), py) for px, py in half]
        canvas.fill(curve(outline), fabric, folds=1, depth=8)
        cuff = [(150 + side * (px - 150), py - 8 * scale) for px, py in cuffs]
        canvas.line(cuff, cloth.seam, width=1.1)
    _both(canvas, [(x + 2, y), (x - 7, (y + under_y) / 2), (under_x, under_y)], cloth.seam, width=2.2, alpha=0.7)


def _chest_print(canvas: Canvas, colour: Colour) -> None:
    """Print a sun over waves on the chest, with two lines of lettering suggested under it."""
    ink = contrast(colour)
    canvas.fill(ellipse((150, 176), 40, 40), plain(ink), depth=0)
    canvas.fill(ellipse((150, 170), 22, 22), plain((244, 168, 40)), depth=0)
    for height in (180, 191, 202):
        waves = [(112 + 7.6 * i, height + (4 if i % 2 else -4)) for i in range(11)]
        canvas.line(curve(waves, closed=False), (44, 120, 176), width=4)
    for y, half_width in ((232, 48), (248, 32)):
        for x in range(round(150 - half_width), round(150 + half_width), 12):
            canvas.line([(x, y), (x + 8, y)], ink, width=8)


def _both(
    canvas: Canvas, points: list[Point], colour: Colour, *, width: float = 1.2, alpha: float = 1.0, dash: float = 0
) -> None:
    """Draw a smooth line and its mirror image."""
    for side in (1, -1):
        line = curve([(150 + side * (x - 150), y) for x, y in points], closed=False)
        canvas.line(line, colour, width=width, alpha=alpha, dash=dash)
