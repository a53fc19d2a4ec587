"""Image sizes that a painter accepts, with the aspect ratio kept as far as possible."""

from __future__ import annotations

import math

SizeWh = tuple[int, int]
"""(width, height) in pixels."""


def fit_area(size_wh: SizeWh, area: int, multiple: int) -> SizeWh:
    """Return a size of about the given area whose sides are multiples.

    Models work best at the size that they were trained at, so smaller images grow and larger ones shrink.

    Args:
        size_wh: of the image.
        area: target, in pixels.
        multiple: both sides become multiples of it, and never 0.

    >>> fit_area((192, 108), 1024 * 1024, 64)
    (1344, 768)
    """
    width, height = size_wh
    scale = math.sqrt(area / (width * height))
    return _to_multiple(width * scale, multiple), _to_multiple(height * scale, multiple)


def fit_limits(size_wh: SizeWh, *, shortest: int, max_pixels: int) -> SizeWh:
    """Return the nearest size of the same aspect ratio within limits; a size within them is unchanged.

    Args:
        size_wh: of the image.
        shortest: minimum side, in pixels.
        max_pixels: maximum width times height; where both limits conflict, the minimum side wins.

    >>> fit_limits((4000, 3000), shortest=64, max_pixels=1024 * 1024)
    (1182, 886)
    >>> fit_limits((30, 60), shortest=64, max_pixels=1024 * 1024)
    (64, 128)
    """
    width, height = size_wh
    shrink = math.sqrt(max_pixels / (width * height))
    grow = shortest / min(width, height)
    scale = max(min(1.0, shrink), grow)
    if scale == 1.0:
        return size_wh
    # Down, never above the limit of pixels; a hair more keeps a whole number whole.
    return max(shortest, math.floor(width * scale + 1e-9)), max(shortest, math.floor(height * scale + 1e-9))


def _to_multiple(side: float, multiple: int) -> int:
    return max(1, round(side / multiple)) * multiple
