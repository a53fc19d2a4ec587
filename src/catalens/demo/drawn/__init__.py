"""Draws a small catalogue of products by code, so that the truth about every picture is known.

Used by the demo: no file is shipped and no shop's photograph is needed. The labels are words of
the shipped fashion schema.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from PIL.Image import Image

from catalens.core.errors import InputError
from catalens.demo.drawn import clothes, things
from catalens.demo.drawn.canvas import Canvas, Colour
from catalens.demo.drawn.clothes import Cloth
from catalens.demo.drawn.fabrics import COLOURS, cloth


@dataclass(frozen=True, slots=True)
class DrawnProduct:
    """A drawn picture and what is true of it.

    Attributes:
        id: such as "003-dresses".
        picture: 300 by 400, RGB, on white.
        article_type: such as "Tshirts".
        colour: such as "Navy Blue".
        pattern: "Solid", "Striped", "Checked" or "Printed"; None for what has none to speak of.
        sleeve_length: "Short Sleeves", "Long Sleeves" or "Sleeveless"; None for what has no sleeves.
    """

    id: str
    picture: Image
    article_type: str
    colour: str
    pattern: str | None = None
    sleeve_length: str | None = None

    @property
    def title(self) -> str:
        """A plain title made of the truth, such as "Red striped t-shirt, short sleeves"."""
        pattern = f" {self.pattern.lower()}" if self.pattern else ""
        sleeves = f", {self.sleeve_length.lower()}" if self.sleeve_length else ""
        return f"{self.colour}{pattern} {_PRODUCTS[self.article_type].noun}{sleeves}"


@dataclass(frozen=True, slots=True)
class _Garment:
    noun: str
    draw: Callable[[Canvas, Cloth], None]
    colours: tuple[str, ...]
    patterns: tuple[str, ...] = ("Solid",)
    sleeves: tuple[str, ...] = ()
    lean: float = 0.0


@dataclass(frozen=True, slots=True)
class _Thing:
    noun: str
    draw: Callable[[Canvas, Colour], None]
    colours: tuple[str, ...]
    angle: float = 0.0


_BRIGHT = ("Red", "Navy Blue", "Green", "Yellow", "Pink", "Purple", "Orange", "Black", "White", "Grey", "Blue")
_LEATHER = ("Brown", "Black", "Red")

_PRODUCTS: Final[dict[str, _Garment | _Thing]] = {
    "Tshirts": _Garment(
        "t-shirt", clothes.t_shirt, _BRIGHT, ("Solid", "Striped", "Printed"), ("Short Sleeves", "Long Sleeves")
    ),
    "Casual Shoes": _Thing(
        "casual shoe", things.casual_shoe, ("Red", "Navy Blue", "Black", "Green", "Blue", "Grey"), angle=-9
    ),
    "Dresses": _Garment(
        "dress",
        clothes.dress,
        ("Red", "Pink", "Purple", "Black", "Blue", "Green", "Yellow"),
        ("Solid", "Printed"),
        ("Sleeveless", "Short Sleeves"),
    ),
    "Handbags": _Thing("handbag", things.handbag, ("Brown", "Red", "Black", "Purple", "Pink", "Beige")),
    "Shirts": _Garment(
        "shirt",
        clothes.shirt,
        ("Red", "Navy Blue", "Green", "Blue", "Purple", "White", "Black"),
        ("Checked", "Solid", "Striped"),
        ("Long Sleeves", "Short Sleeves"),
        lean=90,
    ),
    "Watches": _Thing("watch", things.watch, ("Black", "Brown", "White", "Red", "Blue")),
    "Jeans": _Garment("jeans", clothes.jeans, ("Blue", "Navy Blue", "Black", "Grey")),
    "Sunglasses": _Thing("sunglasses", things.sunglasses, ("Black", "Brown", "Red", "White")),
    "Shorts": _Garment("shorts", clothes.shorts, ("Black", "Navy Blue", "Grey", "Red", "Blue", "Green")),
    "Caps": _Thing("cap", things.cap, ("Red", "Black", "Navy Blue", "Blue", "Orange", "White", "Pink")),
    "Ties": _Garment(
        "tie", clothes.tie, ("Red", "Navy Blue", "Black", "Purple", "Grey"), ("Solid", "Striped"), lean=40
    ),
    "Backpacks": _Thing("backpack", things.backpack, ("Red", "Blue", "Black", "Green", "Purple", "Orange")),
    "Skirts": _Garment("skirt", clothes.skirt, ("Pink", "Red", "Black", "Blue", "Purple"), ("Solid", "Printed")),
    "Socks": _Garment("socks", clothes.socks, ("White", "Black", "Grey", "Navy Blue", "Red"), ("Solid", "Striped")),
    "Trousers": _Garment("trousers", clothes.trousers, ("Black", "Beige", "Grey", "Navy Blue", "Brown")),
    "Belts": _Thing("belt", things.belt, _LEATHER),
    "Wallets": _Thing("wallet", things.wallet, _LEATHER),
}

ARTICLE_TYPES: Final = tuple(_PRODUCTS)
"""The kinds of product that are drawn, in the order they come."""


def draw_catalogue(n: int, seed: int = 0) -> Iterator[DrawnProduct]:
    """Draw n products, lazily; every kind once before any comes twice.

    A product depends on its place and the seed alone, so a longer catalogue begins like a shorter one.

    Args:
        n: how many.
        seed: another seed gives other colours and patterns.

    Raises:
        InputError: n is negative; raised at the call.
    """
    if n < 0:
        raise InputError(f"a catalogue of {n} products cannot be drawn; give 0 or more")
    return (draw_product(place, seed) for place in range(n))


def draw_product(place: int, seed: int = 0) -> DrawnProduct:
    """Draw the product that comes at a place, counted from 0, of the catalogue of a seed."""
    article_type = ARTICLE_TYPES[place % len(ARTICLE_TYPES)]
    kind = _PRODUCTS[article_type]
    rng = random.Random(f"{seed}/{place}")
    canvas = Canvas(rng)
    colour = rng.choice(kind.colours)
    product_id = f"{place:03d}-{article_type.lower().replace(' ', '-')}"
    if isinstance(kind, _Thing):
        kind.draw(canvas, COLOURS[colour])
        return DrawnProduct(product_id, canvas.finish(angle=kind.angle), article_type, colour)
    pattern = rng.choice(kind.patterns)
    sleeves = rng.choice(kind.sleeves) if kind.sleeves else None
    fabric = cloth(pattern, COLOURS[colour], rng, lean=kind.lean)
    kind.draw(canvas, Cloth(COLOURS[colour], fabric, pattern, sleeves))
    return DrawnProduct(product_id, canvas.finish(), article_type, colour, pattern, sleeves)
