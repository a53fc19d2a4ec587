"""What garments on an easel are sewn of."""

from __future__ import annotations

from dataclasses import dataclass

from catalens.training.rendered.easel import SIZE, Easel, Paint
from catalens.training.rendered.paints import Colour, cloth, darker

LONG, SHORT, NONE = "Long Sleeves", "Short Sleeves", "Sleeveless"
SLEEVES = (LONG, SHORT, NONE)


@dataclass(frozen=True, slots=True)
class Cloth:
    """What a garment is sewn of: its colour, the cloth of a pattern, and how long its sleeves are."""

    colour: Colour
    paint: Paint
    pattern: str
    sleeves: str

    @property
    def seam(self) -> Colour:
        """Return what is seen of a seam."""
        return darker(self.colour, 0.6)


def some_cloth(easel: Easel, colour: Colour, pattern: str, sleeves: str) -> Cloth:
    """Return cloth for a garment."""
    return Cloth(colour, cloth(easel.chance, pattern, colour, SIZE), pattern, sleeves)
