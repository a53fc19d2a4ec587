"""Draw a similarity matrix as an image: numbers in coloured cells, with words or thumbnails as row and column heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from catalens.core.errors import ImageError, InputError
from catalens.core.images import Source, read_image
from catalens.core.types import Scores
from catalens.render.text import font, line_height, wrap

MOST_ROWS = 100
MOST_COLUMNS = 40

_MARGIN, _PAD = 24, 8
_CELL_WH = (104, 84)
_HEAD_W = 190
_THUMB_PX = 72
_LEGEND_W = 96
_INK, _SOFT_INK, _EMPTY = "#1c2430", "#667085", "#dcdfe4"
# Dark blue over teal to pale yellow: rises evenly in lightness, so it also reads in grey and to the colour-blind.
_SCALE = np.array([(30, 38, 92), (34, 92, 140), (44, 146, 142), (126, 196, 118), (250, 234, 130)], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Head:
    """The label of a row or a column: words, a picture, or both."""

    text: str = ""
    picture: Source | None = None


def heatmap(scores: Scores, rows: Sequence[Head], columns: Sequence[Head], *, title: str = "") -> Image.Image:
    """Draw an (n, m) matrix with n row heads, m column heads and a legend of its colours.

    Colours run from the lowest score of the matrix to its highest. A score that is not finite is a grey cell,
    and so is a head's picture that cannot be read.

    Args:
        scores: (n, m), at most 100 by 40.
        rows: n heads.
        columns: m heads.
        title: over the picture.

    Raises:
        InputError: the heads do not fit the matrix, or it is empty or too large.
    """
    matrix = np.asarray(scores, dtype=np.float32)
    if matrix.shape != (len(rows), len(columns)) or matrix.ndim != 2:
        raise InputError(f"a matrix of shape {matrix.shape} does not fit {len(rows)} rows and {len(columns)} columns")
    if not 1 <= len(rows) <= MOST_ROWS or not 1 <= len(columns) <= MOST_COLUMNS:
        raise InputError(
            f"{len(rows)} by {len(columns)} cannot be drawn; 1 to {MOST_ROWS} rows by 1 to {MOST_COLUMNS} columns can"
        )
    cell_w, cell_h = _CELL_WH
    width = 2 * _MARGIN + _HEAD_W + cell_w * len(columns) + _LEGEND_W
    heading = wrap(title, font(22), width - 2 * _MARGIN, max_lines=2)
    head_h = (
        4 * line_height(font(14)) + 2 * _PAD + (_THUMB_PX if any(head.picture is not None for head in columns) else 0)
    )
    left, top = _MARGIN + _HEAD_W, _MARGIN + len(heading) * line_height(font(22)) + head_h
    page = Image.new("RGB", (width, max(top + cell_h * len(rows), top + 180) + _MARGIN), "white")
    draw = ImageDraw.Draw(page)
    for place, line in enumerate(heading):
        draw.text((_MARGIN, _MARGIN + place * line_height(font(22))), line, fill=_INK, font=font(22))
    for place, head in enumerate(columns):
        _draw_head(page, head, (left + place * cell_w, top - head_h, left + (place + 1) * cell_w, top), over=True)
    for place, head in enumerate(rows):
        _draw_head(page, head, (_MARGIN, top + place * cell_h, left, top + (place + 1) * cell_h), over=False)
    low, high = _range(matrix)
    for row, column in np.ndindex(*matrix.shape):
        corner = (left + column * cell_w, top + row * cell_h)
        _draw_cell(draw, float(matrix[row, column]), corner, low=low, high=high)
    _draw_legend(draw, (left + cell_w * len(columns) + 24, top), low=low, high=high)
    return page


def _range(matrix: Scores) -> tuple[float, float]:
    finite = matrix[np.isfinite(matrix)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _colour(share: float) -> tuple[int, int, int]:
    """Return the colour of a place on the scale, 0 … 1."""
    at = share * (len(_SCALE) - 1)
    red, green, blue = (round(float(np.interp(at, range(len(_SCALE)), _SCALE[:, channel]))) for channel in range(3))
    return red, green, blue


def _draw_cell(draw: ImageDraw.ImageDraw, score: float, corner: tuple[int, int], *, low: float, high: float) -> None:
    x, y = corner
    width, height = _CELL_WH
    box = (x + 1, y + 1, x + width - 2, y + height - 2)
    middle = (x + width // 2, y + height // 2)
    if not np.isfinite(score):
        draw.rectangle(box, fill=_EMPTY)
        draw.text(middle, "n/a", fill=_SOFT_INK, font=font(16), anchor="mm")
        return
    share = (score - low) / (high - low) if high > low else 0.5
    draw.rectangle(box, fill=_colour(share))
    draw.text(middle, f"{score:.2f}", fill="white" if share < 0.6 else _INK, font=font(18), anchor="mm")


def _draw_head(page: Image.Image, head: Head, box: tuple[int, int, int, int], *, over: bool) -> None:
    """Put a head into its box: over a column at the bottom centre, before a row at the right."""
    left, top, right, bottom = box
    draw = ImageDraw.Draw(page)
    room = right - left - 2 * _PAD
    if head.picture is not None:
        try:
            picture = ImageOps.contain(
                read_image(head.picture, at_least=(_THUMB_PX, _THUMB_PX)), (_THUMB_PX, _THUMB_PX)
            )
        except ImageError:
            picture = Image.new("RGB", (_THUMB_PX, _THUMB_PX), _EMPTY)
        if over:
            page.paste(picture, ((left + right - picture.width) // 2, bottom - _PAD - picture.height))
            bottom -= _THUMB_PX
        else:
            page.paste(picture, (right - _PAD - picture.width, (top + bottom - picture.height) // 2))
            room -= _THUMB_PX + _PAD
    lines = wrap(head.text, font(14), room, max_lines=4)
    height = len(lines) * line_height(font(14))
    y = bottom - _PAD - height if over else (top + bottom - height) // 2
    for place, line in enumerate(lines):
        at = y + place * line_height(font(14))
        x = (left + right - font(14).getlength(line)) / 2 if over else left + _PAD + room - font(14).getlength(line)
        draw.text((x, at), line, fill=_INK, font=font(14))


def _draw_legend(draw: ImageDraw.ImageDraw, corner: tuple[int, int], *, low: float, high: float) -> None:
    x, y = corner
    height = 160
    for step in range(height):
        draw.line([(x, y + 10 + step), (x + 18, y + 10 + step)], fill=_colour(1 - step / (height - 1)))
    for share in (0.0, 0.5, 1.0) if high > low else (0.5,):
        at = y + 10 + round((1 - share) * (height - 1))
        draw.text((x + 26, at), f"{low + share * (high - low):.2f}", fill=_SOFT_INK, font=font(13), anchor="lm")
