"""Products drawn once per process, however many tests look at them."""

from __future__ import annotations

from functools import cache

from catalens.demo.drawn import DrawnProduct, draw_product


@cache
def drawn_at(place: int, seed: int = 0) -> DrawnProduct:
    """Return one product of a drawn catalogue. It is shared: do not change its picture."""
    return draw_product(place, seed)


def drawn(n: int, seed: int = 0) -> list[DrawnProduct]:
    """Return the first n products of a drawn catalogue. They are shared: do not change their pictures."""
    return [drawn_at(place, seed) for place in range(n)]
