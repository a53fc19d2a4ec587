"""Products cut out of paper: a style and shapes that nothing is trained on.

Every figure is made of rectangles, ellipses and thick strokes on a mask, filled in two tones from a split light. It
shares neither outlines nor paints with the easel.
"""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from PIL.Image import Image as Picture

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
WIDTH, HEIGHT = 300, 400

HUES: Mapping[str, tuple[float, float, float]] = {
    "Black": (0.0, 0.0, 0.1),
    "White": (0.1, 0.02, 0.97),
    "Grey": (0.6, 0.04, 0.58),
    "Red": (0.99, 0.88, 0.8),
    "Navy Blue": (0.64, 0.72, 0.3),
    "Blue": (0.6, 0.78, 0.78),
    "Green": (0.37, 0.72, 0.52),
    "Yellow": (0.14, 0.8, 0.97),
    "Pink": (0.93, 0.42, 0.95),
    "Purple": (0.78, 0.6, 0.5),
    "Orange": (0.07, 0.86, 0.95),
    "Brown": (0.07, 0.62, 0.4),
    "Beige": (0.11, 0.26, 0.85),
}
"""Hue, saturation and value of what is called so."""


class Cut:
    """A sheet with cut paper on it."""

    def __init__(self, chance: random.Random, colour: str, pattern: str = "Solid", sleeves: str = "") -> None:
        self.chance, self.sleeves = chance, sleeves
        hue, saturation, value = HUES[colour]
        red, green, blue = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value * chance.uniform(0.92, 1.06)))
        self.colour: Colour = (round(red * 255), round(green * 255), round(blue * 255))
        self.other: Colour = (252, 250, 240) if value < 0.75 else (44, 60, 80)
        self.paper = _grained(chance, Image.new("RGB", (WIDTH, HEIGHT), self.colour))
        self.patterned = self._pattern(pattern)
        self.sheet = _grained(
            chance, Image.new("RGB", (WIDTH, HEIGHT), chance.choice(((255, 255, 255), (246, 243, 236))))
        )
        self.light = chance.choice((0.8, 0.88, 1.0))

    def mask(self) -> tuple[Picture, ImageDraw.ImageDraw]:
        """Return an empty mask and a pen for it."""
        mask = Image.new("L", (WIDTH, HEIGHT), 0)
        return mask, ImageDraw.Draw(mask)

    def lay(self, mask: Picture, paper: Picture | Colour, *, split: bool = True) -> None:
        """Lay cut paper on the sheet: its shadow below it, its right half in less light."""
        shadow = ImageChops.offset(mask, 2, 4).filter(ImageFilter.GaussianBlur(3)).point(lambda v: int(v * 0.4))
        self.sheet.paste((40, 40, 50), mask=shadow)
        laid = paper if isinstance(paper, Image.Image) else Image.new("RGB", (WIDTH, HEIGHT), paper)
        if split and self.light < 1:
            dark = laid.point(lambda v: int(v * self.light))
            laid = laid.copy()
            laid.paste(dark.crop((WIDTH // 2, 0, WIDTH, HEIGHT)), (WIDTH // 2, 0))
        self.sheet.paste(laid, mask=mask)

    def strokes(self, lines: Sequence[Sequence[tuple[float, float]]], width: int, paper: Picture | Colour) -> None:
        """Lay strips."""
        mask, pen = self.mask()
        for line in lines:
            pen.line([*line], fill=255, width=width, joint="curve")
        self.lay(mask, paper, split=False)

    def shade(self, share: float) -> Colour:
        """Return the colour darker, or lighter where it is dark already."""
        red, green, blue = self.colour
        if red + green + blue < 140:
            return red + 50, green + 50, blue + 50
        return int(red * share), int(green * share), int(blue * share)

    def _pattern(self, pattern: str) -> Picture:
        out = self.paper.copy()
        pen, step = ImageDraw.Draw(out), self.chance.randrange(18, 40)
        if pattern in {"Striped", "Checked"}:
            wide = step // 3
            for at in range(0, HEIGHT, step):
                pen.rectangle((0, at, WIDTH, at + wide), fill=self.other)
            for at in range(0, WIDTH, step) if pattern == "Checked" else ():
                pen.rectangle((at, 0, at + wide, HEIGHT), fill=self.other)
        if pattern == "Printed":
            for y in range(0, HEIGHT, step):
                for x in range(0, WIDTH, step):
                    size, turn = step * 0.3, self.chance.uniform(0, 3)
                    corners = [(x + size * math.cos(turn + at), y + size * math.sin(turn + at)) for at in (0, 2.1, 4.2)]
                    pen.polygon(corners, fill=self.other)
        return out


def t_shirt(cut: Cut) -> None:
    """A block with a slit for the head and two blocks for arms."""
    mask, pen = cut.mask()
    _arms(cut, pen, 92)
    pen.rounded_rectangle((82, 80, 218, 340), 12, fill=255)
    pen.ellipse((118, 56, 182, 108), fill=0)
    cut.lay(mask, cut.patterned)
    cut.strokes([_bow((116, 54, 184, 110), 0, 180)], 5, cut.shade(0.7))


def shirt(cut: Cut) -> None:
    """The same with a strip in front, buttons and a folded collar."""
    mask, pen = cut.mask()
    _arms(cut, pen, 90)
    pen.rounded_rectangle((84, 76, 216, 352), 18, fill=255)
    cut.lay(mask, cut.patterned)
    cut.strokes([[(150, 96), (150, 350)]], 14, cut.patterned)
    mask, pen = cut.mask()
    for y in range(110, 345, 38):
        pen.ellipse((146, y, 154, y + 8), fill=255)
    cut.lay(mask, cut.other)
    for side in (-1, 1):
        mask, pen = cut.mask()
        pen.polygon([(150, 96), (150 + side * 14, 60), (150 + side * 46, 70), (150 + side * 38, 112)], fill=255)
        cut.lay(mask, cut.shade(0.85))


def dress(cut: Cut) -> None:
    """A small block over a wide triangle."""
    mask, pen = cut.mask()
    if cut.sleeves == "Sleeveless":
        pen.line([(124, 30), (124, 90)], fill=255, width=12)
        pen.line([(176, 30), (176, 90)], fill=255, width=12)
    else:
        _arms(cut, pen, 56)
    pen.rectangle((110, 62, 190, 170), fill=255)
    pen.polygon([(112, 160), (188, 160), (256, 368), (44, 368)], fill=255)
    cut.lay(mask, cut.patterned)
    cut.strokes([[(110, 164), (190, 164)]], 10, cut.shade(0.65))


def skirt(cut: Cut) -> None:
    """A trapezium in pleats."""
    mask, pen = cut.mask()
    pen.polygon([(104, 96), (196, 96), (250, 320), (50, 320)], fill=255)
    cut.lay(mask, cut.patterned)
    cut.strokes([[(110 + at * 16, 112), (68 + at * 33, 318)] for at in range(6)], 2, cut.shade(0.75))
    cut.strokes([[(102, 100), (198, 100)]], 16, cut.shade(0.8))


def trousers(cut: Cut) -> None:
    """Two long blocks below a band, with a crease each."""
    _two_legs(cut, 372, 54)
    cut.strokes([[(116, 90), (112, 368)], [(184, 90), (188, 368)]], 2, cut.shade(0.75))


def jeans(cut: Cut) -> None:
    """The same in denim: stitches beside the seams, two round pockets, patches."""
    _two_legs(cut, 374, 50)
    stitches = [[(x, y), (x, y + 5)] for x in (92, 208) for y in range(90, 370, 9)]
    cut.strokes(stitches, 2, (226, 160, 70))
    cut.strokes([_bow((70, 44, 128, 96), 0, 90), _bow((172, 44, 230, 96), 90, 180)], 3, (226, 160, 70))
    mask, pen = cut.mask()
    pen.ellipse((98, 150, 128, 230), fill=90)
    pen.ellipse((172, 150, 202, 230), fill=90)
    cut.sheet.paste((235, 240, 250), mask=mask.filter(ImageFilter.GaussianBlur(6)))


def shorts(cut: Cut) -> None:
    """Two short blocks below a band."""
    _two_legs(cut, 250, 66)
    cut.strokes([[(146, 70), (138, 120)], [(154, 70), (164, 116)]], 4, cut.other)


def casual_shoe(cut: Cut) -> None:
    """A quarter of an ellipse beside a block, on a strip."""
    mask, pen = cut.mask()
    pen.rectangle((40, 150, 130, 250), fill=255)
    pen.pieslice((20, 166, 270, 334), 270, 360, fill=255)
    pen.ellipse((64, 132, 124, 176), fill=0)
    cut.lay(mask, cut.paper)
    cut.strokes([[(34, 258), (276, 258)]], 20, (248, 248, 244))
    cut.strokes([[(124 + at * 20, 172 + at * 6), (140 + at * 20, 152 + at * 9)] for at in range(4)], 6, cut.other)


def heels(cut: Cut) -> None:
    """A slope that ends in a point, on a peg."""
    mask, pen = cut.mask()
    pen.polygon([(50, 120), (90, 128), (170, 224), (262, 252), (268, 274), (180, 270), (110, 226), (56, 190)], fill=255)
    pen.polygon([(50, 150), (72, 170), (66, 276), (56, 276)], fill=255)
    cut.lay(mask, cut.paper)


def handbag(cut: Cut) -> None:
    """A box below half a ring."""
    cut.strokes([_bow((94, 60, 206, 260), 180, 360)], 12, cut.shade(0.7))
    mask, pen = cut.mask()
    pen.rounded_rectangle((50, 156, 250, 330), 24, fill=255)
    cut.lay(mask, cut.paper)
    mask, pen = cut.mask()
    pen.rectangle((50, 176, 250, 226), fill=255)
    cut.lay(mask, cut.shade(0.84))
    mask, pen = cut.mask()
    pen.rectangle((138, 214, 162, 240), fill=255)
    cut.lay(mask, (214, 176, 96))


def backpack(cut: Cut) -> None:
    """A tall rounded box with a smaller one on it."""
    cut.strokes([_bow((124, 30, 176, 90), 180, 360)], 9, cut.shade(0.6))
    mask, pen = cut.mask()
    pen.rounded_rectangle((76, 58, 224, 360), 56, fill=255)
    pen.rounded_rectangle((58, 200, 90, 330), 12, fill=255)
    pen.rounded_rectangle((210, 200, 242, 330), 12, fill=255)
    cut.lay(mask, cut.paper)
    mask, pen = cut.mask()
    pen.rounded_rectangle((96, 220, 204, 340), 20, fill=255)
    cut.lay(mask, cut.shade(0.82))
    cut.strokes([[(104, 240), (196, 240)], _bow((92, 80, 208, 240), 200, 340)], 3, cut.other)


def watch(cut: Cut) -> None:
    """A disc on a strip."""
    cut.strokes([[(150, 20), (150, 380)]], 52, cut.paper)
    for radius, paper in ((78, (196, 198, 204)), (64, (250, 250, 246))):
        mask, pen = cut.mask()
        pen.ellipse((150 - radius, 200 - radius, 150 + radius, 200 + radius), fill=255)
        cut.lay(mask, paper, split=False)
    turn = cut.chance.uniform(0, 6)
    hands = [[(150, 200), (150 + r * math.cos(turn * k), 200 + r * math.sin(turn * k))] for r, k in ((34, 1), (50, 2))]
    cut.strokes(hands, 5, (30, 30, 36))
    cut.strokes(
        [[(150, 142), (150, 154)], [(150, 246), (150, 258)], [(92, 200), (104, 200)], [(196, 200), (208, 200)]],
        5,
        (30, 30, 36),
    )


def sunglasses(cut: Cut) -> None:
    """Two dark blocks in a frame, the temples up."""
    cut.strokes([[(36, 190), (20, 130), (44, 120)], [(264, 190), (280, 130), (256, 120)]], 8, cut.shade(0.8))
    for grow, paper in ((8, cut.colour), (0, (44, 42, 50))):
        mask, pen = cut.mask()
        for left in (36, 162):
            pen.rounded_rectangle((left - grow, 174 - grow, left + 102 + grow, 244 + grow), 26, fill=255)
        cut.lay(mask, paper, split=False)
    cut.strokes([_bow((132, 176, 168, 210), 180, 360)], 9, cut.colour)


def cap(cut: Cut) -> None:
    """Half a disc with a peak to the left."""
    mask, pen = cut.mask()
    pen.pieslice((92, 110, 268, 350), 180, 360, fill=255)
    cut.lay(mask, cut.paper)
    mask, pen = cut.mask()
    pen.pieslice((16, 204, 190, 268), 180, 360, fill=255)
    cut.lay(mask, cut.shade(0.85))
    cut.strokes([_bow((140, 112, 220, 350), 180, 270), _bow((140, 112, 220, 350), 270, 360)], 2, cut.shade(0.6))
    mask, pen = cut.mask()
    pen.ellipse((174, 102, 188, 114), fill=255)
    cut.lay(mask, cut.shade(0.7))


def tie(cut: Cut) -> None:
    """A knot over a long kite."""
    mask, pen = cut.mask()
    pen.polygon([(140, 74), (160, 74), (188, 330), (150, 376), (112, 330)], fill=255)
    cut.lay(mask, cut.patterned)
    mask, pen = cut.mask()
    pen.polygon([(126, 28), (174, 28), (164, 76), (136, 76)], fill=255)
    cut.lay(mask, cut.shade(0.85))


def socks(cut: Cut) -> None:
    """Two bent strips, side by side."""
    for shift in (0, 90):
        mask, pen = cut.mask()
        pen.rounded_rectangle((50 + shift, 60, 112 + shift, 280), 8, fill=255)
        pen.rounded_rectangle((50 + shift, 236, 180 + shift, 304), 32, fill=255)
        cut.lay(mask, cut.patterned)
        mask, pen = cut.mask()
        pen.rectangle((48 + shift, 58, 114 + shift, 86), fill=255)
        cut.lay(mask, cut.shade(0.8))


def belt(cut: Cut) -> None:
    """A strip in a spiral, with a square at its end."""
    cut.strokes([_bow((40, 120, 260, 300), 180, 360)], 26, cut.shade(0.7))
    cut.strokes([_bow((40, 110, 260, 310), 0, 180)], 30, cut.paper)
    cut.strokes(
        [[(126, 286), (178, 286), (178, 334), (126, 334), (126, 286)], [(150, 310), (178, 310)]], 6, (198, 200, 206)
    )


def wallet(cut: Cut) -> None:
    """A box with a fold, a strap and stitches."""
    mask, pen = cut.mask()
    pen.rounded_rectangle((36, 130, 264, 286), 10, fill=255)
    cut.lay(mask, cut.paper)
    cut.strokes([[(46 + at * 11, 276), (52 + at * 11, 276)] for at in range(19)], 2, cut.other)
    cut.strokes([[(46 + at * 11, 140), (52 + at * 11, 140)] for at in range(19)], 2, cut.other)
    cut.strokes([[(40, 208), (260, 208)]], 3, cut.shade(0.6))


def _arms(cut: Cut, pen: ImageDraw.ImageDraw, top: float) -> None:
    reach = 240 if cut.sleeves == "Long Sleeves" else 70
    for side in (-1, 1):
        start, end = (150 + side * 52, top + 14), (150 + side * (104 + reach / 8), top + 26 + reach)
        pen.line([start, end], fill=255, width=44)


def _two_legs(cut: Cut, end: float, wide: int) -> None:
    mask, pen = cut.mask()
    pen.rectangle((92, 40, 208, 120), fill=255)
    for side in (-1, 1):
        pen.line([(150 + side * 30, 90), (150 + side * 40, end)], fill=255, width=wide)
    cut.lay(mask, cut.patterned)
    cut.strokes([[(90, 48), (210, 48)]], 18, cut.shade(0.82))


def _bow(box: Box, start: float, end: float) -> list[tuple[float, float]]:
    x, y, wide, high = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    turns = [math.radians(start + (end - start) * at / 30) for at in range(31)]
    return [(x + wide * math.cos(turn), y + high * math.sin(turn)) for turn in turns]


def _grained(chance: random.Random, paper: Picture) -> Picture:
    rng = np.random.default_rng(chance.randrange(2**32))
    grain = rng.normal(1.0, chance.uniform(0.005, 0.02), (paper.height, paper.width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(paper) * grain, 0, 255).astype(np.uint8))
