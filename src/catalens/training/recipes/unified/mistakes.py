"""The worst errors of an evaluation as contact sheets: what was said, how surely, and what is true."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from catalens.core.files import save_image_atomically
from catalens.render.contact_sheet import Cell, contact_sheet

WORST = 40
"""Cells of a sheet."""
_COLUMNS = 8


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong value.

    Attributes:
        picture: its bytes.
        said: the wrong value, with its question where there is one.
        truth: what is known of the picture.
        confidence: the probability that the value was given; None where it has none, as a caption.
    """

    picture: bytes
    said: str
    truth: str
    confidence: float | None = None


class Mistakes:
    """Collects the mistakes of an evaluation, by the sheet that they belong on."""

    def __init__(self) -> None:
        self.sheets: dict[str, list[Mistake]] = {}

    def add(self, sheet: str, some: Iterable[Mistake]) -> None:
        """Add mistakes to a sheet; a sheet without any is not drawn."""
        if found := list(some):
            self.sheets.setdefault(sheet, []).extend(found)

    def write(self, folder: Path) -> list[Path]:
        """Draw the most confident mistakes of each sheet into a folder, and return the files.

        Raises:
            InputError: the folder cannot be written to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        return [self._draw(name, folder) for name in self.sheets]

    def _draw(self, name: str, folder: Path) -> Path:
        every = self.sheets[name]
        worst = sorted(every, key=lambda each: -(each.confidence if each.confidence is not None else math.inf))[:WORST]
        cells = [Cell(each.picture, each.said, each.confidence, f"is: {each.truth}") for each in worst]
        file = folder / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png"
        title = f"{name}: {len(worst)} of {len(every)} mistakes"
        save_image_atomically(contact_sheet(cells, title=title, columns=_COLUMNS), file)
        return file
