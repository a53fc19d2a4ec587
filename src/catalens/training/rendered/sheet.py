"""A sheet to draw on, with invented words in real fonts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from catalens.core.errors import InputError

Split = Literal["train", "val"]
Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")
_VAL = ("dejavuserif", "cmr", "cmss", "cmtt", "stixgeneral", "times", "georgia")
"""Beginnings of the file names of fonts that only validation pictures are set in."""
_SYMBOLS = ("lastresort", "math", "display", "stixnon", "stixsiz", "cmex", "cmsy", "cmmi", "symbol", "dings", "emoji")
_SYLLABLES = (
    *("a", "an", "ar", "be", "ca", "co", "de", "di", "en", "er", "es", "fo", "ge", "ha", "in", "is", "ka", "la", "le"),
    *("li", "ma", "me", "mi", "mo", "na", "ne", "no", "on", "or", "pa", "pe", "po", "ra", "re", "ri", "ro", "sa", "se"),
    *("si", "so", "ta", "te", "ti", "to", "tra", "un", "ve", "vi", "wa"),
)


@lru_cache
def find_fonts(split: Split) -> tuple[str, ...]:
    """Return the files of fonts with Latin letters; training and validation share none.

    Raises:
        InputError: there are none on this machine.
    """
    folders = [Path(folder) for folder in _FOLDERS]
    try:
        import matplotlib
    except ImportError:
        pass
    else:
        folders.append(Path(matplotlib.get_data_path()) / "fonts" / "ttf")
    files = sorted({file.name: file for folder in folders for file in folder.rglob("*.[to]tf")}.items())
    fonts = [str(file) for name, file in files if not any(each in name.lower() for each in _SYMBOLS)]
    kept = [file for file in fonts if Path(file).name.lower().startswith(_VAL) == (split == "val")]
    if not kept:
        raise InputError(f"no fonts for {split} pictures; install the DejaVu and Liberation fonts, and matplotlib")
    return tuple(kept)


@lru_cache(maxsize=512)
def load_font(file: str, size: int) -> Font:
    """Return a font of a size in pixels."""
    return ImageFont.truetype(file, size)


class Sheet:
    """A picture in the making: paper, ink, two fonts, and a source of chance.

    Args:
        chance: of everything that is drawn.
        split: whose fonts are used.
        size_wh: of the picture; None: an upright page or a lying one.
        dark: whether the paper may be dark.
    """

    def __init__(
        self, chance: random.Random, split: Split, size_wh: tuple[int, int] | None = None, *, dark: bool = False
    ) -> None:
        self.chance = chance
        fonts = find_fonts(split)
        self.plain, self.bold = chance.choice(fonts), chance.choice(fonts)
        monospaced = [file for file in fonts if "mono" in file.lower() or "cmtt" in file.lower()]
        self.mono = chance.choice(monospaced or fonts)
        self.width, self.height = size_wh or chance.choice([(360, 500), (420, 560), (500, 360), (400, 400)])
        self.is_dark = dark and chance.random() < 0.45
        self.paper = self.shade(12, 50) if self.is_dark else self.shade(228, 256)
        self.ink = self.shade(170, 250) if self.is_dark else self.shade(0, 90)
        self.accent = self.vivid()
        self.image = Image.new("RGB", (self.width, self.height), self.paper)
        self.pen = ImageDraw.Draw(self.image)

    def shade(self, low: int, high: int) -> Colour:
        """Return a grey with a tint."""
        grey = self.chance.randrange(low, high)
        red, green, blue = (min(255, max(0, grey + self.chance.randrange(-6, 7))) for _ in range(3))
        return red, green, blue

    def vivid(self) -> Colour:
        """Return a colour other than grey."""
        parts = [self.chance.randrange(150, 256), self.chance.randrange(30, 200), self.chance.randrange(0, 110)]
        self.chance.shuffle(parts)
        return parts[0], parts[1], parts[2]

    def between(self, low: float, high: float) -> int:
        """Return a whole number from low to high, both included."""
        return self.chance.randint(int(low), max(int(low), int(high)))

    def word(self) -> str:
        """Return an invented word."""
        return "".join(self.chance.choices(_SYLLABLES, k=self.chance.choices((1, 2, 3, 4), (2, 4, 3, 1))[0]))

    def words(self, count: int) -> str:
        """Return invented words, the first one capitalised."""
        return " ".join(self.word() for _ in range(count)).capitalize()

    def number(self) -> str:
        """Return an amount, a date or a count."""
        some = self.chance.randrange(10_000)
        return self.chance.choice([f"{some / 100:.2f}", f"{some}", f"{some % 28 + 1}/{some % 12 + 1}/20{some % 30:02}"])

    def text(
        self, xy: tuple[float, float], said: str, size: float, colour: Colour | None = None, file: str = ""
    ) -> int:
        """Write one line from its left upper corner on; return its width."""
        font = load_font(file or self.plain, max(6, int(size)))
        self.pen.text(xy, said, font=font, fill=colour or self.ink)
        return int(font.getlength(said))

    def paragraph(self, box: Sequence[float], size: float, colour: Colour | None = None, file: str = "") -> float:
        """Fill a box (left, top, right, bottom) with lines of words; return where the text ends."""
        left, top, right, bottom = box
        font, leading = load_font(file or self.plain, max(6, int(size))), size * self.chance.uniform(1.15, 1.5)
        while top + size <= bottom:
            line = self.words(2)
            while font.getlength(line) < right - left:
                line += " " + self.word()
            line = line.rpartition(" ")[0]
            if self.chance.random() < 0.08:
                line = line[: len(line) // 2]
            self.pen.text((left, top), line, font=font, fill=colour or self.ink)
            top += leading
        return top
