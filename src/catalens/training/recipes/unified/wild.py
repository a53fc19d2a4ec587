"""The tables of pictures from outside the shop: clothes at home, groceries, and one picture per ImageNet class."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from catalens.core.errors import InputError

Split = Literal["train", "val"]

VAL_BUCKETS = (0, 1, 2, 3)
"""Buckets of sixteen that form the validation split of a table that has none."""
_SAMPLE = 700

GARMENTS: dict[str, tuple[str, ...]] = {
    "T-Shirt": ("Tshirts", "Tops", "Lounge Tshirts"),
    "Longsleeve": ("Tshirts", "Tops", "Sweaters", "Sweatshirts", "Shirts", "Lounge Tshirts"),
    "Pants": ("Trousers", "Jeans", "Track Pants", "Lounge Pants", "Leggings", "Jeggings", "Capris", "Tights"),
    "Shoes": ("Casual Shoes", "Sports Shoes", "Formal Shoes", "Flats", "Heels", "Sandals", "Booties", "Flip Flops"),
    "Shirt": ("Shirts",),
    "Dress": ("Dresses", "Nightdress", "Tunics"),
    "Outwear": ("Jackets", "Rain Jacket", "Blazers", "Nehru Jackets", "Shrug"),
    "Shorts": ("Shorts", "Lounge Shorts", "Boxers"),
    "Hat": ("Caps", "Hat"),
    "Skirt": ("Skirts",),
    "Polo": ("Tshirts", "Shirts"),
    "Undershirt": ("Innerwear Vests", "Camisoles", "Tshirts", "Tops"),
    "Blazer": ("Blazers", "Jackets", "Nehru Jackets"),
    "Hoodie": ("Sweatshirts", "Jackets", "Sweaters"),
    "Body": ("Rompers", "Jumpsuit", "Innerwear Vests", "Clothing Set"),
    "Top": ("Tops", "Tshirts", "Camisoles"),
    "Blouse": ("Tops", "Shirts", "Tunics"),
}
"""Label of the clothing table → article types of the fashion schema that name the same thing."""

GARMENT_WORDS: dict[str, tuple[str, ...]] = {
    "T-Shirt": ("t-shirt", "tee", "tee shirt"),
    "Longsleeve": ("long-sleeved top", "long-sleeved t-shirt", "pullover", "jumper"),
    "Pants": ("trousers", "pants", "jeans"),
    "Shoes": ("shoes", "a pair of shoes", "sneakers", "footwear"),
    "Shirt": ("shirt", "button-up shirt"),
    "Dress": ("dress", "frock"),
    "Outwear": ("jacket", "coat", "outerwear"),
    "Shorts": ("shorts", "short pants"),
    "Hat": ("hat", "cap"),
    "Skirt": ("skirt",),
    "Polo": ("polo shirt", "polo t-shirt"),
    "Undershirt": ("undershirt", "vest", "tank top"),
    "Blazer": ("blazer", "suit jacket"),
    "Hoodie": ("hoodie", "hooded sweatshirt", "sweatshirt"),
    "Body": ("baby bodysuit", "romper"),
    "Top": ("top", "women's top"),
    "Blouse": ("blouse",),
}
"""Label of the clothing table → what people call it, the most usual first."""


SHELVES = {"Fruit": "fruit", "Vegetables": "vegetable", "Packages": "packaged food"}
"""Shelf of the groceries table → what is on it."""


@dataclass(frozen=True, slots=True)
class WildPicture:
    """One labelled picture.

    Attributes:
        id: as in the table.
        picture: JPEG bytes.
        label: the finest label.
        coarse: a coarser label; the label itself where the table has none.
    """

    id: str
    picture: bytes
    label: str
    coarse: str


def split_of(identifier: str) -> Split:
    """Return the split of a row, by a hash of its id.

    >>> split_of("ea7b6656-3f84-4eb3-9099-23e623fc1018")
    'val'
    """
    bucket = hashlib.sha256(identifier.encode()).digest()[0] % 16
    return "val" if bucket in VAL_BUCKETS else "train"


def read_wild(data: Path, table: str, split: Split | None = None) -> list[WildPicture]:
    """Return the rows of a table.

    Args:
        data: folder with the tables' folder `wild`.
        table: "clothing", "grocery" or "objects".
        split: "train" or "val"; None for every row. Objects are for validation only.

    Raises:
        InputError: the table is missing, or objects are asked for as training pictures.
    """
    from pyarrow import parquet

    file = data / "wild" / f"{table}.parquet"
    if not file.is_file():
        raise InputError(f"{file} is missing; --data names the folder that holds wild/")
    if table == "objects" and split == "train":
        raise InputError("the objects table has one picture per class and is for validation only")
    rows = [
        WildPicture(row["id"], row["image"]["bytes"], row["label"], row.get("coarse") or row["label"])
        for row in parquet.read_table(file).to_pylist()
    ]
    return [row for row in rows if split is None or table == "objects" or split_of(row.id) == split]


def sample(rows: Sequence[WildPicture]) -> list[WildPicture]:
    """Return some rows of a table, by a hash of their ids."""
    return sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).hexdigest())[:_SAMPLE]


def grocery_words(coarse: str) -> tuple[str, ...]:
    """Return what people call a coarse grocery label, the most usual first.

    >>> grocery_words("Sour-Cream"), grocery_words("Tomato")
    (('sour cream',), ('tomato', 'tomatoes'))
    """
    plain = coarse.replace("-", " ").lower()
    return _GROCERY.get(coarse, (plain,))


_GROCERY: dict[str, tuple[str, ...]] = {
    "Apple": ("apple", "apples"),
    "Pear": ("pear", "pears"),
    "Tomato": ("tomato", "tomatoes"),
    "Potato": ("potato", "potatoes"),
    "Pepper": ("bell pepper", "peppers"),
    "Melon": ("melon", "melons"),
    "Satsumas": ("satsuma", "mandarins", "clementines"),
    "Orange": ("orange", "oranges"),
    "Lemon": ("lemon", "lemons"),
    "Lime": ("lime", "limes"),
    "Banana": ("banana", "bananas"),
    "Carrots": ("carrots", "carrot"),
    "Mushroom": ("mushrooms", "mushroom"),
    "Onion": ("onion", "onions"),
    "Juice": ("carton of juice", "juice"),
    "Milk": ("carton of milk", "milk"),
    "Yoghurt": ("yoghurt", "yogurt"),
    "Red-Grapefruit": ("grapefruit", "red grapefruit"),
    "Red-Beet": ("beetroot", "beets"),
    "Aubergine": ("aubergine", "eggplant"),
    "Zucchini": ("zucchini", "courgette"),
}


def coarse_labels(pictures: Sequence[WildPicture]) -> list[str]:
    """Return the coarse labels that occur, sorted."""
    return sorted({each.coarse for each in pictures})
