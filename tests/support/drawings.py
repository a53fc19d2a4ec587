"""Products drawn once per process, however many tests look at them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

from catalens.demo.drawn import DrawnProduct, draw_catalogue

_MOST = 100
_drawn: defaultdict[int, list[DrawnProduct]] = defaultdict(list)
_rest: dict[int, Iterator[DrawnProduct]] = {}


def drawn(n: int, seed: int = 0) -> list[DrawnProduct]:
    """Return the first n products of a drawn catalogue. They are shared: do not change their pictures."""
    assert n <= _MOST
    rest = _rest.setdefault(seed, draw_catalogue(_MOST, seed))
    _drawn[seed] += islice(rest, max(0, n - len(_drawn[seed])))
    return _drawn[seed][:n]
