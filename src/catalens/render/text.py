"""Lay out text in images: Pillow's built-in font at any size, wrapped to a width."""

from __future__ import annotations

from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=16)
def font(size_px: int) -> Font:
    """Return Pillow's built-in font; it has Latin letters, others show as boxes."""
    return ImageFont.load_default(size_px)


def wrap(text: str, face: Font, width_px: float, *, max_lines: int) -> list[str]:
    """Break a text into lines no wider than a width; what does not fit ends in "…".

    Words longer than a line are broken. Empty text has no lines.
    """
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest:
        if len(lines) == max_lines - 1:
            return [*lines, _clipped(rest, face, width_px)]
        fits = _fitting(rest, face, width_px)
        space = rest.rfind(" ", 0, fits + 1)
        cut = fits if fits == len(rest) or space <= 0 else space
        lines.append(rest[:cut])
        rest = rest[cut:].lstrip()
    return lines


def line_height(face: Font) -> int:
    """Return the distance from one line to the next, in pixels."""
    top, bottom = face.getbbox("Ägj")[1::2]
    return round((bottom - top) * 1.25)


def _fitting(text: str, face: Font, width_px: float) -> int:
    """Count the letters at the beginning that fit into a width; at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if face.getlength(text[:middle]) <= width_px:
            low = middle
        else:
            high = middle - 1
    return low


def _clipped(text: str, face: Font, width_px: float) -> str:
    if face.getlength(text) <= width_px:
        return text
    room = width_px - face.getlength("…")
    return text[: _fitting(text, face, room)].rstrip() + "…"
