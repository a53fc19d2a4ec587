"""Made-up products in any number: vectors spread as an encoder spreads them, texts made of the shipped words."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from catalens.core.types import Record, Vectors
from catalens.core.vectors import unit_rows
from catalens.tasks.vocabularies import load_vocabulary

DIM = 256
_LATENT = 64
_FAMILIES = 60
_CLUSTERS = 4000
_BLOCK = 10_000


class Space:
    """Where the vectors of a product catalogue lie: kinds of very unequal size, few directions that count.

    The constants make the figures of real vectors come out: pictures have a mean of length 0.44 and some 17
    effective dimensions; the nearest of 1,500 others is at a cosine of 0.94 in the median, the tenth at 0.82;
    a title's best picture is at 0.73.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        spread = np.exp(-np.arange(_LATENT) / 20)
        directions = np.linalg.qr(rng.standard_normal((DIM, _LATENT + 2)))[0].T
        self._offset, self._gap = directions[0] * 0.92, directions[1]
        self._axes = directions[2:] * spread[:, None] / np.linalg.norm(spread) * 1.8
        families = 0.85 * rng.standard_normal((_FAMILIES, _LATENT))
        kinds = 0.45 * rng.standard_normal((_CLUSTERS, _LATENT))
        self._kinds = families[rng.integers(_FAMILIES, size=_CLUSTERS)] + kinds
        sizes = 1 / np.arange(1, _CLUSTERS + 1) ** 0.8
        self._shares = sizes / sizes.sum()

    def blocks(self, n: int) -> Iterator[Vectors]:
        """Return n products in blocks of (10000, dim); a block depends on its place alone."""
        for start in range(0, n, _BLOCK):
            yield self._products(min(_BLOCK, n - start), seed=(2, start))

    def picture_queries(self, n: int) -> Vectors:
        """Return (n, dim) vectors of pictures that are in no catalogue."""
        return self._products(n, seed=(3, 0))

    def text_queries(self, n: int) -> Vectors:
        """Return (n, dim) vectors as texts have them: apart from the pictures that they mean."""
        rng = np.random.default_rng(4)
        noise = unit_rows(rng.standard_normal((n, DIM)))
        return unit_rows(self._products(n, seed=(5, 0)) + 0.45 * self._gap + 0.62 * noise)

    def _products(self, n: int, seed: tuple[int, int]) -> Vectors:
        rng = np.random.default_rng(seed)
        kinds = self._kinds[rng.choice(_CLUSTERS, n, p=self._shares)]
        latent = kinds + 0.25 * rng.standard_normal((n, _LATENT))
        return unit_rows(self._offset + latent @ self._axes + 0.01 * rng.standard_normal((n, DIM)))


def label_texts(n: int) -> list[str]:
    """Return n different labels such as "navy blue striped polo shirt"."""
    columns = [load_vocabulary(f"fashion-{name}") for name in ("colours", "patterns", "types")]
    chosen = random.Random(6).sample(range(len(columns[0]) * len(columns[1]) * len(columns[2])), n)
    labels = []
    for number in chosen:
        words = []
        for column in columns:
            number, at = divmod(number, len(column))
            words.append(column[at])
        labels.append(" ".join(words))
    return labels


def records(start: int, n: int) -> list[Record]:
    """Return n products with title, colour, type and price, numbered from start."""
    rng = random.Random(start)
    colours, types = load_vocabulary("fashion-colours"), load_vocabulary("fashion-types")
    made = []
    for number in range(start, start + n):
        colour, kind = rng.choice(colours), rng.choice(types)
        fields = {"title": f"{colour} {kind} no. {rng.randrange(100)}", "colour": colour, "type": kind}
        made.append(Record(str(number), f"pictures/{number}.jpg", fields | {"price": rng.randrange(100, 5000)}))
    return made
