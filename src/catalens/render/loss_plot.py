"""A plot of training and validation losses, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

_SIZE_WH = (800, 480)
_MARGIN = 60
_TRAIN, _VAL, _AXIS = (150, 175, 220), (210, 70, 40), (60, 60, 60)


def loss_plot(losses: Sequence[float], val: Sequence[float]) -> Image.Image:
    """Return a plot of the loss of each step, and of validation losses at the ends of epochs.

    Args:
        losses: of the steps.
        val: one per epoch, spread evenly over the steps; may be empty.
    """
    image = Image.new("RGB", _SIZE_WH, "white")
    draw = ImageDraw.Draw(image)
    finite = [each for each in (*losses, *val) if math.isfinite(each)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    width, height = (side - 2 * _MARGIN for side in _SIZE_WH)

    def place(at: float, loss: float) -> tuple[float, float]:
        share = (loss - low) / (high - low or 1.0)
        return _MARGIN + width * at, _MARGIN + height * (1 - share)

    draw.rectangle((_MARGIN, _MARGIN, _MARGIN + width, _MARGIN + height), outline=_AXIS)
    for value in (low, (low + high) / 2, high):
        draw.text((8, place(0, value)[1] - 6), f"{value:.3f}", fill=_AXIS)
    draw.text((_MARGIN, _SIZE_WH[1] - _MARGIN + 10), f"{len(losses)} steps", fill=_AXIS)
    draw.text((_MARGIN, 20), "loss per token: training", fill=_TRAIN)
    draw.text((_MARGIN + 200, 20), "validation", fill=_VAL)
    steps = [place(at / max(1, len(losses) - 1), each) for at, each in enumerate(losses) if math.isfinite(each)]
    ends = [place((at + 1) / len(val), each) for at, each in enumerate(val) if math.isfinite(each)]
    for points, colour in ((steps, _TRAIN), (ends, _VAL)):
        if len(points) > 1:
            draw.line(points, fill=colour, width=2)
        for x, y in points if colour == _VAL else ():
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
    return image
