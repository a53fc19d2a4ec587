"""Lay pictures out on one contact sheet, with titles and scores: search results at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps

from catalens.core.errors import ImageError, InputError
from catalens.core.images import Source, read_image
from catalens.render.text import font, line_height, wrap

MOST_CELLS = 400

_MARGIN, _GAP, _PAD = 28, 16, 10
_PICTURE_WH = (200, 240)
_PAGE, _CARD, _LINE = "#eef0f3", "#ffffff", "#d9dde3"
_INK, _SOFT_INK, _ACCENT, _EMPTY = "#1c2430", "#667085", "#2f6fde", "#dcdfe4"
_TITLE_LINES, _NOTE_LINES = 2, 3


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a sheet.

    Attributes:
        picture: anything `read_image` reads.
        title: shown under it in at most two lines.
        score: shown as a number and, from 0 to 1, as a bar; None shows neither.
        note: shown below in smaller letters, in at most three lines.
    """

    picture: Source
    title: str = ""
    score: float | None = None
    note: str = ""


def contact_sheet(cells: Sequence[Cell], *, title: str = "", columns: int = 5) -> Image.Image:
    """Draw pictures with their titles and scores in rows; a broken one is a grey cell with the reason.

    Args:
        cells: at most 400, in reading order.
        title: over the sheet, such as the query.
        columns: pictures per row; fewer pictures make a narrower sheet.

    Raises:
        InputError: more than 400 cells, or less than one column.
    """
    if columns < 1 or len(cells) > MOST_CELLS:
        raise InputError(
            f"a sheet of {len(cells)} pictures in {columns} columns cannot be drawn; "
            f"give at most {MOST_CELLS} pictures and at least one column"
        )
    across = max(1, min(columns, len(cells)))
    down = -(-len(cells) // across)
    card_wh = card_w, card_h = _card_size(has_notes=any(cell.note for cell in cells))
    width = 2 * _MARGIN + across * card_w + (across - 1) * _GAP
    heading = wrap(title, font(24), width - 2 * _MARGIN, max_lines=3) or ([] if cells else ["nothing found"])
    top = _MARGIN + len(heading) * line_height(font(24)) + (_GAP if heading else 0)
    sheet = Image.new("RGB", (width, top + down * (card_h + _GAP) + _MARGIN - _GAP), _PAGE)
    draw = ImageDraw.Draw(sheet)
    _write(draw, heading, (_MARGIN, _MARGIN), size_px=24)
    for place, cell in enumerate(cells):
        row, column = divmod(place, across)
        _draw_card(sheet, draw, cell, (_MARGIN + column * (card_w + _GAP), top + row * (card_h + _GAP)), card_wh)
    return sheet


def _card_size(*, has_notes: bool) -> tuple[int, int]:
    text_height = _TITLE_LINES * line_height(font(15)) + (1 + has_notes * _NOTE_LINES) * line_height(font(13)) + 10
    return _PICTURE_WH[0] + 2 * _PAD, _PICTURE_WH[1] + 3 * _PAD + text_height


def _draw_card(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, corner: tuple[int, int], size_wh: tuple[int, int]
) -> None:
    (left, top), (card_w, card_h) = corner, size_wh
    draw.rounded_rectangle((left, top, left + card_w - 1, top + card_h - 1), 10, fill=_CARD, outline=_LINE)
    width, height = _PICTURE_WH
    try:
        picture = ImageOps.contain(read_image(cell.picture, at_least=_PICTURE_WH), _PICTURE_WH)
        sheet.paste(picture, (left + _PAD + (width - picture.width) // 2, top + _PAD + (height - picture.height) // 2))
    except ImageError as error:
        box = (left + _PAD, top + _PAD, left + _PAD + width - 1, top + _PAD + height - 1)
        draw.rounded_rectangle(box, 6, fill=_EMPTY)
        reason = wrap(str(error), font(13), width - 2 * _PAD, max_lines=9)
        _write(draw, reason, (left + 2 * _PAD, top + 2 * _PAD), size_px=13, colour=_SOFT_INK)
    text_top = top + height + 2 * _PAD
    lines = wrap(cell.title, font(15), width, max_lines=_TITLE_LINES)
    _write(draw, lines, (left + _PAD, text_top), size_px=15)
    score_top = text_top + _TITLE_LINES * line_height(font(15)) + 6
    if cell.score is not None:
        _draw_score(draw, cell.score, (left + _PAD, score_top))
    note = wrap(cell.note, font(13), width, max_lines=_NOTE_LINES)
    _write(draw, note, (left + _PAD, score_top + line_height(font(13))), size_px=13, colour=_SOFT_INK)


def _draw_score(draw: ImageDraw.ImageDraw, score: float, corner: tuple[int, int]) -> None:
    left, top = corner
    number = f"{score:.3f}"
    draw.text((left, top), number, fill=_SOFT_INK, font=font(13))
    bar_left = left + round(font(13).getlength("-0.000")) + 10
    bar_right = left + _PICTURE_WH[0]
    middle = top + line_height(font(13)) // 2 + 1
    draw.rounded_rectangle((bar_left, middle - 3, bar_right, middle + 3), 3, fill=_LINE)
    filled = bar_left + round((bar_right - bar_left) * min(1.0, max(0.0, score)))
    if filled > bar_left + 6:
        draw.rounded_rectangle((bar_left, middle - 3, filled, middle + 3), 3, fill=_ACCENT)


def _write(
    draw: ImageDraw.ImageDraw, lines: Sequence[str], corner: tuple[int, int], *, size_px: int, colour: str = _INK
) -> None:
    for place, line in enumerate(lines):
        y = corner[1] + place * line_height(font(size_px))
        draw.text((corner[0], y), line, fill=colour, font=font(size_px))
