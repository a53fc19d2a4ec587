"""Draws shoes, bags and accessories on a canvas: each function one product."""

from __future__ import annotations

import math

import numpy as np

from catalens.demo.drawn.canvas import (
    Canvas,
    Colour,
    Plane,
    Point,
    corners,
    curve,
    ellipse,
    mirrored,
    mix,
    plain,
    shade,
)
from catalens.demo.drawn.fabrics import blend

_METAL = (196, 198, 204)
_GOLD = (206, 168, 84)
_SILVER_EDGE = (120, 122, 128)


def casual_shoe(canvas: Canvas, colour: Colour) -> None:
    """A laced canvas shoe from the side, its toe to the right, on a white rubber sole."""
    rubber = (240, 240, 236)
    collar = curve([(42, 168), (70, 150), (112, 156), (122, 182), (80, 190), (46, 186)])
    canvas.fill(collar, plain(shade(colour, 0.45)), depth=5)
    upper = [*corners((40, 166)), (58, 182), (86, 184), *corners((112, 160)), (140, 178), (176, 206), (220, 220)]
    upper += [(258, 232), (272, 250), *corners((274, 262)), *corners((34, 262)), (34, 214)]
    canvas.fill(curve(upper), plain(colour), depth=11, folds=0.35)
    cap = [*corners((226, 221)), (256, 230), (272, 248), *corners((274, 262)), *corners((216, 262)), (214, 240)]
    canvas.fill(curve(cap), plain(rubber), depth=8)
    canvas.line(curve([(226, 221), (214, 240), (216, 262)], closed=False), shade(rubber, 0.7), width=1.4)
    sole = [
        *corners((28, 254)),
        (150, 258),
        *corners((278, 252)),
        (284, 270),
        (270, 280),
        (150, 280),
        (40, 280),
        (28, 272),
    ]
    canvas.fill(curve(sole), plain(rubber), depth=6)
    canvas.line([(30, 268), (150, 271), (281, 267)], shade(colour, 0.9), width=2.2)
    stitch = shade(colour, 0.6) if sum(colour) > 200 else shade(colour, 1.3)
    canvas.line(curve([(112, 166), (126, 210), (150, 256)], closed=False), stitch, width=1.4, dash=3)
    canvas.line(curve([(52, 184), (62, 220), (60, 256)], closed=False), stitch, width=1.4, dash=3)
    tongue = curve([*corners((110, 150)), (126, 146), *corners((140, 158)), (200, 212), *corners((190, 216))])
    canvas.fill(tongue, plain(shade(colour, 0.85)), depth=4)
    for step in range(5):
        x, y = 124 + step * 17, 164 + step * 12.5
        canvas.line(curve([(x - 12, y + 16), (x - 2, y + 4), (x + 12, y - 2)], closed=False), (60, 60, 60), width=5.2)
        canvas.line(curve([(x - 12, y + 16), (x - 2, y + 4), (x + 12, y - 2)], closed=False), (250, 250, 250), width=4)
        canvas.fill(ellipse((x - 13, y + 17), 2.6, 2.6), plain(_METAL), depth=1)


def handbag(canvas: Canvas, colour: Colour) -> None:
    """A leather bag with two round handles, a zip, a front flap and a gold clasp."""
    edge = shade(colour, 0.55) if sum(colour) > 160 else shade(colour, 1.2)
    for shift, tint in ((8, 0.62), (0, 0.92)):
        arch = curve(
            [(92 + shift, 190), (98 + shift, 96), (150, 44 + shift), (202 - shift, 96), (208 - shift, 190)],
            closed=False,
        )
        canvas.line(arch, shade(colour, tint * 0.8), width=11)
        canvas.line([(x - 1.5, y - 1.5) for x, y in arch], shade(colour, tint * 1.12 if tint > 0.9 else tint), width=5)
    body = [*corners((150, 168)), (200, 166), (226, 172), (246, 260), (262, 336), (250, 354), (150, 358)]
    canvas.fill(curve(mirrored(body)), plain(colour), depth=16, folds=0.7, gloss=0.35)
    canvas.line(curve([(80, 178), (150, 182), (220, 178)], closed=False), edge, width=2.4)
    pocket = curve([*corners((84, 232), (216, 232)), (226, 290), (222, 330), (150, 334), (78, 330), (74, 290)])
    canvas.shadow(pocket, softness=4, strength=0.4)
    canvas.fill(pocket, plain(colour), depth=10, folds=0.4, gloss=0.3)
    canvas.line([*pocket, pocket[0]], edge, width=1.3, dash=3)
    flap = curve([*corners((82, 224), (218, 224)), (214, 252), (172, 268), (150, 272), (128, 268), (86, 252)])
    canvas.shadow(flap, softness=3, strength=0.5)
    canvas.fill(flap, plain(colour), depth=7, gloss=0.3)
    canvas.fill(curve(corners((140, 258), (160, 258), (160, 280), (140, 280))), plain(_GOLD), depth=4, gloss=0.6)
    for x in (92, 208):
        canvas.fill(
            curve(corners((x - 9, 176), (x + 9, 176), (x + 7, 206), (x, 214), (x - 7, 206))), plain(edge), depth=3
        )
        canvas.fill(ellipse((x, 184), 7, 7), plain(_GOLD), depth=3, gloss=0.6)
        canvas.fill(ellipse((x, 184), 3.6, 3.6), plain(edge), depth=0)


def watch(canvas: Canvas, colour: Colour) -> None:
    """A round metal case with a pale dial and three hands on an upright strap."""
    strap = [*corners((150, 14)), *corners((176, 14)), (180, 80), *corners((190, 140))]
    strap += [*corners((190, 262)), (180, 320), *corners((174, 390)), *corners((150, 390))]
    canvas.fill(curve(mirrored(strap)), plain(colour), depth=7, gloss=0.3)
    stitch = shade(colour, 1.5) if sum(colour) < 560 else shade(colour, 0.7)
    for side in (-1, 1):
        for top, bottom, near, far in ((20, 116, 21, 30), (384, 288, 19, 30)):
            canvas.line([(150 + side * near, top), (150 + side * far, bottom)], stitch, width=1.2, dash=4)
    canvas.fill(curve(corners((230, 192), (244, 190), (244, 212), (230, 210))), plain(_METAL), depth=3, gloss=0.6)
    canvas.fill(ellipse((150, 201), 86, 86), plain(_METAL), depth=10, gloss=0.9)
    canvas.fill(ellipse((150, 201), 76, 76), plain((150, 152, 160)), depth=4, gloss=0.6)
    canvas.fill(ellipse((150, 201), 67, 67), plain((246, 246, 242)), depth=3)
    for hour in range(60):
        turn = math.radians(hour * 6)
        inner, width = (50, 3.6) if hour % 5 == 0 else (60, 1)
        spoke = [(150 + r * math.sin(turn), 201 - r * math.cos(turn)) for r in (inner, 63)]
        canvas.line(spoke, (40, 42, 50), width=width)
    for degrees, length, width in ((305, 34, 5), (60, 52, 3.6), (180, 56, 1.2)):
        turn = math.radians(degrees)
        tip = (150 + length * math.sin(turn), 201 - length * math.cos(turn))
        canvas.line([(150, 201), tip], (180, 40, 40) if width < 2 else (36, 38, 46), width=width)
    canvas.fill(ellipse((150, 201), 5, 5), plain(_SILVER_EDGE), depth=2)


def cap(canvas: Canvas, colour: Colour) -> None:
    """A baseball cap from its side, turned a little to the viewer: panels, a button, the peak in front to the right."""
    seam = shade(colour, 0.6) if sum(colour) > 200 else shade(colour, 1.25)
    under = [*corners((140, 254)), (200, 240), (250, 244), (284, 262), *corners((290, 272)), (250, 268), (190, 270)]
    canvas.fill(curve([*under, *corners((142, 264))]), plain(shade(colour, 0.45)), depth=3)
    dome = [*corners((36, 252)), (36, 212), (50, 168), (88, 134), (132, 126), (172, 138), (202, 176), (212, 214)]
    dome += [*corners((214, 240)), (176, 246), (120, 258), (76, 260)]
    canvas.fill(curve(dome), plain(colour), depth=17, folds=0.4)
    for line in (
        [(128, 127), (122, 180), (126, 256)],
        [(128, 127), (84, 168), (68, 258)],
        [(128, 127), (172, 168), (188, 243)],
    ):
        canvas.line(curve(line, closed=False), seam, width=1.5, alpha=0.8)
    canvas.fill(ellipse((129, 126), 8, 4), plain(seam), depth=2)
    for x, y in ((98, 188), (152, 184)):
        canvas.fill(ellipse((x, y), 3, 3), plain(seam), depth=1)
    band = [(38, 240), (80, 248), (126, 246), (178, 234), (213, 228)]
    canvas.line(curve(band, closed=False), seam, width=1, alpha=0.7, dash=3)
    peak = [*corners((120, 258)), (150, 240), (186, 228), *corners((213, 226)), (250, 232), (280, 248)]
    peak += [*corners((292, 268)), (270, 262), (230, 258), (176, 262)]
    canvas.tint(curve(peak), (0, 0, 0), softness=4, strength=0.5)
    canvas.fill(curve(peak), plain(shade(colour, 0.96)), depth=6)
    for lift in (6, 12, 18):
        arc = [(134 + lift, 256 - lift * 0.6), (190, 254 - lift), (240, 252 - lift), (282 - lift, 262 - lift)]
        canvas.line(curve(arc, closed=False), seam, width=1, alpha=0.7, dash=3)


def sunglasses(canvas: Canvas, colour: Colour) -> None:
    """Two large tinted lenses in a thick frame, seen a little from the side; the near temple runs back to the right."""
    far = [(24, 182), (60, 166), (110, 152), (158, 144), (178, 148), (186, 160)]
    canvas.line(curve(far, closed=False), shade(colour, 0.7), width=5)
    near = [(198, 178), (226, 166), (258, 156), (278, 156), (286, 166), (288, 184)]
    canvas.line(curve(near, closed=False), shade(colour, 0.55), width=10)
    canvas.line([(x - 1, y - 1) for x, y in curve(near, closed=False)], colour, width=7)
    for middle, wide, high in ((60, 42, 78), (149, 52, 86)):
        rim: list[Point] = [(middle - wide, 184), (middle - wide * 0.7, 168), (middle, 164), (middle + wide * 0.7, 165)]
        rim += [
            (middle + wide, 180),
            (middle + wide * 0.94, 164 + high * 0.55),
            (middle + wide * 0.5, 164 + high * 0.9),
        ]
        rim += [
            (middle, 164 + high),
            (middle - wide * 0.6, 164 + high * 0.88),
            (middle - wide * 0.94, 164 + high * 0.5),
        ]
        canvas.fill(curve(rim), plain(colour), depth=5, gloss=0.5)
        lens = [(middle + (x - middle) * 0.84, 205 + (y - 205) * 0.84) for x, y in rim]
        canvas.fill(curve(lens), _lens, depth=0)
        glint: list[Point] = [(middle - wide * 0.55, 192), (middle - wide * 0.3, 182), (middle + wide * 0.1, 179)]
        canvas.line(curve(glint, closed=False), (235, 238, 245), width=4, alpha=0.45)
    canvas.line(curve([(92, 188), (99, 178), (108, 186)], closed=False), colour, width=8)
    canvas.fill(ellipse((196, 177), 3, 3), plain(_METAL), depth=1)


def belt(canvas: Canvas, colour: Colour) -> None:
    """A rolled leather belt with holes and a square metal buckle in front."""
    stitch = mix(colour, (255, 255, 255), 0.45)
    outer = ellipse((150, 190), 124, 44)
    canvas.fill(outer, plain(shade(colour, 0.5)), depth=8)
    canvas.fill(ellipse((150, 196), 112, 34), plain((255, 255, 255)), depth=0)
    inside = [*curve([(32, 190), (60, 220), (150, 231), (240, 220), (268, 190)], closed=False)]
    front = [
        *inside,
        (276, 190),
        *curve([(276, 232), (240, 262), (150, 276), (60, 262), (24, 232)], closed=False),
        (24, 190),
    ]
    canvas.fill(front, plain(colour), depth=9, gloss=0.3)
    for line in (
        [(30, 206), (62, 229), (150, 240), (238, 229), (270, 206)],
        [(29, 228), (62, 254), (150, 267), (238, 254), (271, 228)],
    ):
        canvas.line(curve(line, closed=False), stitch, width=1.2, dash=4)
    for x in (46, 64, 82):
        canvas.fill(ellipse((x, 231 + (x - 46) * 0.28), 3, 3), plain((30, 26, 24)), depth=0)
    canvas.fill(curve(corners((206, 226), (216, 224), (216, 272), (206, 274))), plain(shade(colour, 0.8)), depth=3)
    canvas.fill(curve(corners((128, 226), (188, 226), (188, 284), (128, 284))), plain(_METAL), depth=6, gloss=0.9)
    canvas.fill(curve(corners((138, 236), (178, 236), (178, 274), (138, 274))), plain(colour), depth=3)
    canvas.line([(134, 255), (182, 255)], shade(_METAL, 0.85), width=6)
    canvas.line([(134, 253.5), (182, 253.5)], (240, 240, 244), width=1.6)


def wallet(canvas: Canvas, colour: Colour) -> None:
    """A closed two-fold leather wallet, its back half showing at the edge, with stitches."""
    stitch = mix(colour, (255, 255, 255), 0.4) if sum(colour) < 600 else shade(colour, 0.7)
    back = corners((40, 148), (268, 140), (272, 276), (46, 290))
    canvas.fill(curve(back), plain(shade(colour, 0.6)), depth=4)
    front = corners((30, 152), (258, 150), (263, 155), (263, 285), (258, 290), (30, 294), (25, 289), (25, 157))
    canvas.shadow(front, softness=3)
    canvas.fill(curve(front), plain(colour), depth=10, folds=0.5, gloss=0.3)
    border = corners((38, 162), (252, 160), (252, 280), (38, 284))
    canvas.line(curve([*border, *border[:2]], closed=False), stitch, width=1.3, dash=4)
    canvas.line([(38, 200), (252, 198)], shade(colour, 0.55), width=2.2)
    canvas.line([(38, 204), (252, 202)], stitch, width=1.2, dash=4)
    canvas.fill(curve(corners((196, 240), (236, 239), (236, 262), (196, 263))), plain(shade(colour, 0.78)), depth=3)
    canvas.line([(203, 251), (229, 250)], stitch, width=2)


def backpack(canvas: Canvas, colour: Colour) -> None:
    """A rounded pack with a top loop, a zipped lid, a front pocket and straps at its sides."""
    dark = shade(colour, 0.5) if sum(colour) > 200 else shade(colour, 1.2)
    for side in (1, -1):
        strap = [(150 + side * (x - 150), y) for x, y in ((206, 90), (258, 150), (268, 260), (246, 340))]
        canvas.line(curve(strap, closed=False), dark, width=12)
    canvas.line(curve([(126, 52), (128, 18), (150, 12), (172, 18), (174, 52)], closed=False), dark, width=8)
    body = [(150, 34), (196, 42), (228, 86), (240, 180), (248, 300), (240, 364), (200, 378), (150, 380)]
    canvas.fill(curve(mirrored(body)), plain(colour), depth=18, folds=0.7)
    lid = [(70, 196), (84, 106), (112, 66), (150, 58), (188, 66), (216, 106), (230, 196)]
    canvas.line(curve(lid, closed=False), dark, width=5)
    canvas.line(curve(lid, closed=False), (190, 190, 194), width=1.4, dash=3)
    pocket = curve(
        [
            *corners((84, 236)),
            (150, 228),
            *corners((216, 236)),
            (226, 300),
            (218, 350),
            (150, 358),
            (82, 350),
            (74, 300),
        ]
    )
    canvas.shadow(pocket, softness=5, strength=0.5)
    canvas.fill(pocket, plain(shade(colour, 0.92)), depth=12, folds=0.5)
    zip_line = curve([(82, 262), (150, 254), (218, 262)], closed=False)
    canvas.line(zip_line, dark, width=5)
    canvas.line(zip_line, (190, 190, 194), width=1.4, dash=3)
    canvas.fill(curve(corners((196, 260), (203, 260), (201, 284), (198, 284))), plain(_METAL), depth=2)
    badge = (250, 250, 250) if sum(colour) < 560 else (60, 64, 80)
    canvas.fill(curve(corners((128, 132), (172, 132), (172, 160), (128, 160))), plain(badge), depth=2)
    canvas.line([(135, 146), (165, 146)], colour, width=5)


def _lens(_x: Plane, y: Plane) -> Plane:
    """Tint glass: nearly black above, smoky brown below."""
    return blend((30, 30, 34), (104, 92, 88), np.clip((y - 168) / 72, 0, 1))
