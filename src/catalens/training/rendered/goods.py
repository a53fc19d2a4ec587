"""Products drawn by code, with what is true of them, to learn from and to validate on; and things that nobody sells.

Validation shares no outline and no way of painting with training. The demo's drawn products share neither with both.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PIL.Image import Image as Picture

from catalens.training.rendered import bags, footwear, garments, legwear, paper_cuts, unsold, worn
from catalens.training.rendered.cloth import LONG, NONE, SHORT, SLEEVES, Cloth, some_cloth
from catalens.training.rendered.easel import Easel
from catalens.training.rendered.paints import COLOURS, Colour, some_shade
from catalens.training.rendered.sheet import Split


@dataclass(frozen=True, slots=True)
class Good:
    """A drawn product.

    Attributes:
        labels: group of the fashion schema → label.
        picture: PNG bytes.
    """

    labels: Mapping[str, str]
    picture: bytes


@dataclass(frozen=True, slots=True)
class _Garment:
    draw: Callable[[Easel, Cloth], None]
    patterns: tuple[str, ...] = ("Solid",)
    sleeves: tuple[str, ...] = ()
    colours: tuple[str, ...] = tuple(COLOURS)


_ALL = ("Solid", "Striped", "Checked", "Printed")
_PRINTED = ("Solid", "Printed")
_DENIM = ("Blue", "Navy Blue", "Black", "Grey")
_LEATHER = ("Brown", "Black", "Beige", "Maroon", "Red", "Olive", "Grey", "White")
GARMENTS: Mapping[str, _Garment] = {
    "Tshirts": _Garment(garments.t_shirt, ("Solid", "Striped", "Printed"), SLEEVES[:2]),
    "Shirts": _Garment(garments.shirt, _ALL, SLEEVES[:2]),
    "Tops": _Garment(garments.top, ("Solid", "Striped", "Printed"), ("Short Sleeves", NONE)),
    "Kurtas": _Garment(garments.kurta, _PRINTED, SLEEVES),
    "Sweaters": _Garment(garments.sweater, ("Solid", "Striped"), ("Long Sleeves",)),
    "Sweatshirts": _Garment(garments.sweatshirt, ("Solid", "Printed", "Striped"), ("Long Sleeves",)),
    "Jackets": _Garment(garments.jacket, ("Solid", "Checked"), ("Long Sleeves",)),
    "Dresses": _Garment(garments.dress, _ALL, SLEEVES),
    "Skirts": _Garment(garments.skirt, ("Solid", "Checked", "Printed")),
    "Jeans": _Garment(legwear.jeans, colours=_DENIM),
    "Trousers": _Garment(legwear.trousers, ("Solid", "Solid", "Checked")),
    "Track Pants": _Garment(legwear.track_pants),
    "Leggings": _Garment(legwear.leggings, _PRINTED),
    "Shorts": _Garment(legwear.shorts, ("Solid", "Solid", "Checked", "Printed")),
    "Bra": _Garment(legwear.bra, _PRINTED),
    "Briefs": _Garment(legwear.briefs, ("Solid", "Solid", "Striped")),
}
"""Article type → what draws it, of which patterns, with which sleeves and in which colours."""
THINGS: Mapping[str, tuple[Callable[[Easel, Colour], None], tuple[str, ...]]] = {
    "Casual Shoes": (footwear.casual_shoe, tuple(COLOURS)),
    "Sports Shoes": (footwear.sports_shoe, tuple(COLOURS)),
    "Formal Shoes": (footwear.formal_shoe, ("Black", "Brown", "Maroon")),
    "Heels": (footwear.heels, tuple(COLOURS)),
    "Flats": (footwear.flats, tuple(COLOURS)),
    "Sandals": (footwear.sandals, _LEATHER),
    "Flip Flops": (footwear.flip_flops, tuple(COLOURS)),
    "Socks": (footwear.sock, tuple(COLOURS)),
    "Handbags": (bags.handbag, tuple(COLOURS)),
    "Clutches": (bags.clutch, tuple(COLOURS)),
    "Backpacks": (bags.backpack, tuple(COLOURS)),
    "Duffel Bag": (bags.duffel_bag, tuple(COLOURS)),
    "Wallets": (bags.wallet, _LEATHER),
    "Belts": (bags.belt, _LEATHER),
    "Ties": (worn.tie, tuple(COLOURS)),
    "Caps": (worn.cap, tuple(COLOURS)),
    "Watches": (worn.watch, _LEATHER),
    "Sunglasses": (worn.sunglasses, _LEATHER),
    "Scarves": (worn.scarf, tuple(COLOURS)),
    "Earrings": (worn.earrings, tuple(COLOURS)),
    "Necklace and Chains": (worn.necklace, tuple(COLOURS)),
    "Ring": (worn.ring, tuple(COLOURS)),
    "Perfume and Body Mist": (bags.perfume, tuple(COLOURS)),
    "Lipstick": (bags.lipstick, ("Red", "Pink", "Maroon", "Peach", "Brown", "Purple")),
    "Nail Polish": (bags.nail_polish, tuple(COLOURS)),
}
"""Article type → what draws it, and in which colours."""
_HUES, _HIDES = tuple(paper_cuts.HUES), ("Brown", "Black", "Beige", "Red")
CUT: Mapping[str, tuple[Callable[[paper_cuts.Cut], None], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "Tshirts": (paper_cuts.t_shirt, _HUES, ("Solid", "Striped", "Printed"), (SHORT, LONG)),
    "Shirts": (paper_cuts.shirt, _HUES, ("Solid", "Checked", "Striped"), (SHORT, LONG)),
    "Dresses": (paper_cuts.dress, _HUES, ("Solid", "Printed"), (NONE, SHORT)),
    "Skirts": (paper_cuts.skirt, _HUES, ("Solid", "Printed", "Checked"), ()),
    "Trousers": (paper_cuts.trousers, ("Black", "Grey", "Beige", "Brown", "Navy Blue"), ("Solid",), ()),
    "Jeans": (paper_cuts.jeans, ("Blue", "Navy Blue", "Black", "Grey"), ("Solid",), ()),
    "Shorts": (paper_cuts.shorts, _HUES, ("Solid",), ()),
    "Casual Shoes": (paper_cuts.casual_shoe, _HUES, (), ()),
    "Heels": (paper_cuts.heels, _HUES, (), ()),
    "Handbags": (paper_cuts.handbag, _HUES, (), ()),
    "Backpacks": (paper_cuts.backpack, _HUES, (), ()),
    "Watches": (paper_cuts.watch, ("Black", "Brown", "White", "Blue", "Red"), (), ()),
    "Sunglasses": (paper_cuts.sunglasses, ("Black", "Brown", "Red", "White", "Blue"), (), ()),
    "Caps": (paper_cuts.cap, _HUES, (), ()),
    "Ties": (paper_cuts.tie, _HUES, ("Solid", "Striped", "Printed"), ()),
    "Socks": (paper_cuts.socks, _HUES, ("Solid", "Striped"), ()),
    "Belts": (paper_cuts.belt, _HIDES, (), ()),
    "Wallets": (paper_cuts.wallet, _HIDES, (), ()),
}
"""Article type → what cuts it out, and the colours, patterns and sleeve lengths that it comes in."""
COLOURLESS = frozenset({"Earrings", "Necklace and Chains", "Ring"})
"""Types whose colour is not that of their stone."""
UNSOLD: tuple[Callable[[Easel, Colour], None], ...] = (
    unsold.fruit,
    unsold.banana,
    unsold.car,
    unsold.cup,
    unsold.house,
    unsold.tree,
    unsold.fish,
    unsold.animal,
    unsold.bird,
    unsold.chair,
    unsold.lamp,
    unsold.phone,
    unsold.ball,
    unsold.flower,
    unsold.guitar,
    unsold.tool,
    unsold.boat,
)
"""What draws things that have no article type."""


def draw_goods(split: Split, *, each: int, seed: int = 0) -> list[Good]:
    """Draw `each` products of every type: with an easel to learn from, cut out of paper for validation."""
    kinds = [*GARMENTS, *THINGS] if split == "train" else [*CUT]
    draw = _painted if split == "train" else _cut
    return [draw(random.Random(f"{seed} {kind} {at}"), kind) for at in range(each) for kind in kinds]


def draw_unsold(*, each: int, seed: int = 0) -> list[bytes]:
    """Paint `each` of every kind of thing that is not for sale; return PNG bytes."""
    out = []
    for at in range(each):
        for draw in UNSOLD:
            chance = random.Random(f"{seed} {draw.__name__} {at}")
            easel = Easel(chance)
            draw(easel, some_shade(chance, chance.choice([*COLOURS])))
            out.append(_png(easel.finished()))
    return out


def _painted(chance: random.Random, kind: str) -> Good:
    easel = Easel(chance)
    if thing := THINGS.get(kind):
        draw, colours = thing
        name = chance.choice(colours)
        draw(easel, some_shade(chance, name))
        labels = {"type": kind} if kind in COLOURLESS else {"type": kind, "colour": name}
        return Good(labels, _png(easel.finished()))
    garment = GARMENTS[kind]
    name, pattern = chance.choice(garment.colours), chance.choice(garment.patterns)
    sleeves = chance.choice(garment.sleeves) if garment.sleeves else ""
    garment.draw(easel, some_cloth(easel, some_shade(chance, name), pattern, sleeves))
    labels = {"type": kind, "colour": name, "pattern": pattern}
    return Good({**labels, "sleeve_length": sleeves} if sleeves else labels, _png(easel.finished()))


def _cut(chance: random.Random, kind: str) -> Good:
    draw, *choices = CUT[kind]
    name, pattern, sleeves = (chance.choice(some) if some else "" for some in choices)
    cut = paper_cuts.Cut(chance, name, pattern, sleeves)
    draw(cut)
    labels = {"type": kind, "colour": name, "pattern": pattern, "sleeve_length": sleeves}
    return Good({group: label for group, label in labels.items() if label}, _png(cut.sheet))


def _png(picture: Picture) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, "PNG", compress_level=1)
    return kept.getvalue()
