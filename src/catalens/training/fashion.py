"""The Fashion Product Images catalogue as training rows: a picture, its labels, and texts about it.

Reads the parquet splits described in the model card; knows nothing of towers or losses.
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from catalens.core.errors import InputError
from catalens.tasks.schema import Schema

COLUMNS = {"type": "articleType", "colour": "baseColour", "gender": "gender", "usage": "usage"}
"""Schema group → column of the table."""

READ = ("id", "image", "productDisplayName", "brandName", "description", "attributes", *COLUMNS.values())
"""Columns that are read."""

ATTRIBUTES = {
    "pattern": ("Pattern",),
    "print": ("Print or Pattern Type",),
    "sleeve_length": ("Sleeve Length",),
    "sleeve_styling": ("Sleeve Styling",),
    "neck": ("Neck",),
    "collar": ("Collar",),
    "material": ("Material", "Fabric"),
    "fit": ("Fit",),
    "length": ("Length",),
    "fastening": ("Fastening",),
    "ankle_height": ("Ankle Height",),
    "heel_type": ("Heel Type",),
    "toe_shape": ("Toe Shape",),
    "dial_shape": ("Dial Shape",),
    "display": ("Display",),
    "style": ("Type",),
}
"""Schema group → keys of the attribute map, the first present one wins."""

SAME_VALUE = {
    "Pure Cotton": "Cotton",
    "Cotton Blend": "Blended",
    "Dupion Silk": "Silk",
    "Silk Blend": "Silk",
    "No Sleeves": "Sleeveless",
}
"""Values of the table that one label of the schema stands for."""

OWNERS = {"Men": "men's", "Women": "women's", "Boys": "boys'", "Girls": "girls'", "Unisex": "unisex"}


@dataclass(frozen=True, slots=True)
class Product:
    """One row: the picture's bytes, the title, a caption-like first sentence or "", and its labels by group."""

    id: str
    picture: bytes
    title: str
    brand: str
    sentence: str
    labels: Mapping[str, str]


def read_products(folder: Path, split: str) -> Iterator[Product]:
    """Return the rows of a split ("train", "val" or "test") in the order of its files.

    Raises:
        InputError: the folder holds no parquet file of that split, one is damaged or lacks a column, or pyarrow is
            missing.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError('reading parquet needs pyarrow: pip install "catalens[parquet]"') from error
    files = sorted(folder.glob(f"{split}*.parquet"))
    if not files:
        raise InputError(f"{folder} holds no {split}*.parquet; the model card says which table is meant")
    for file in files:
        try:
            table = parquet.ParquetFile(file)
            if missing := sorted(set(READ).difference(table.schema_arrow.names)):
                raise InputError(f"{file} has no column {', '.join(missing)}; the model card says which table is meant")
            for batch in table.iter_batches(batch_size=1024, columns=list(READ)):
                yield from map(_product, batch.to_pylist())
        except (ArrowException, OSError) as error:
            raise InputError(f"{file} cannot be read as parquet: {error}") from error


GOODS = 4000
"""Products among the everyday pictures, so that clothes have their colours there too."""


def read_goods(data: Path) -> list[Product]:
    """Return the products that are shown to the everyday encoder: the first of the last training table."""
    folder = data / "fashion"
    last = sorted(folder.glob("train*.parquet"))[-1]
    return list(islice(read_products(folder, last.stem), GOODS))


def _product(row: Mapping[str, object]) -> Product:
    attributes = dict(row["attributes"] or ())  # type: ignore[call-overload]
    labels = {group: str(row[column]) for group, column in COLUMNS.items() if row[column]}
    for group, keys in ATTRIBUTES.items():
        value = next((attributes[key] for key in keys if attributes.get(key)), None)
        if value:
            labels[group] = SAME_VALUE.get(value, value)
    picture = row["image"]["bytes"]  # type: ignore[index]
    return Product(
        id=str(row["id"]),
        picture=picture,
        title=str(row["productDisplayName"] or ""),
        brand=str(row["brandName"] or ""),
        sentence=first_sentence(str(row["description"] or "")),
        labels=labels,
    )


SELLING = re.compile(r"\b(you|your|this season|team it|wear it|wash|warranty|rs\.?|must[- ]have|collection)\b", re.I)


def first_sentence(description: str) -> str:
    """Return the caption-like start of a description, or "" when it sells rather than says.

    >>> first_sentence("<p>Light pink T-shirt, print on front. Wash cold.</p>")
    'Light pink T-shirt, print on front'
    >>> first_sentence("You will love this.")
    ''
    """
    text = html.unescape(re.sub(r"<[^>]+>", "\n", description))
    line = next((part.strip() for part in re.split(r"\n|\.\s", text) if part.strip()), "").rstrip(".")
    words = len(line.split())
    return line if 3 <= words <= 40 and not SELLING.search(line) else ""


class Phrasebook:
    """Says the same product in many ways, from a seed: title, first sentence, or a phrase made of its labels."""

    def __init__(self, schema: Schema, rng: random.Random) -> None:
        self._rng = rng
        self._wordings = {group.name: {label.name: label.wordings for label in group.labels} for group in schema.groups}

    def say(self, product: Product) -> str:
        """Return one text for a product: half of the time its title, else a phrase or its first sentence."""
        draw = self._rng.random()
        if draw < 0.5:
            return self._title(product)
        if draw < 0.68 and product.sentence:
            return product.sentence
        return self._typo(self.phrase(product))

    def phrase(self, product: Product) -> str:
        """Make a phrase such as "women's red striped top with short sleeves" from the labels."""
        rng, word = self._rng, self._word
        noun = word(product, "type") or "product"
        colour, pattern = word(product, "colour"), word(product, "pattern")
        owner = OWNERS.get(product.labels.get("gender", ""), "")
        before = [owner if rng.random() < 0.7 else "", colour if rng.random() < 0.8 else ""]
        if pattern and not pattern.startswith(("with", "without")) and rng.random() < 0.6:
            before.append(pattern)
        details = [word(product, group, 2) for group in ("sleeve_length", "neck", "collar", "fastening", "toe_shape")]
        details = [detail for detail in details if detail and rng.random() < 0.5]
        head = " ".join([part for part in before if part] + [noun])
        text = f"{head} with {' and '.join(details)}" if details else head
        material = word(product, "material")
        if material and rng.random() < 0.2:
            text += f" made of {material}"
        return rng.choice(["", "", "a ", "a photo of ", "a picture of a "]) + text

    def _title(self, product: Product) -> str:
        """Now and then without the brand, since a buyer's words seldom hold it."""
        if product.brand and self._rng.random() < 0.2 and product.title.startswith(product.brand):
            return product.title[len(product.brand) :].strip() or product.title
        return product.title

    def _word(self, product: Product, group: str, most: int = 9) -> str:
        wordings = self._wordings[group].get(product.labels.get(group, ""), ())[:most]
        if not wordings:
            return ""
        return wordings[0] if self._rng.random() < 0.5 else self._rng.choice(wordings)

    def _typo(self, text: str) -> str:
        """One time in twenty, swap or drop a letter: people type like that."""
        if self._rng.random() > 0.05 or len(text) < 6:
            return text
        at = self._rng.randrange(1, len(text) - 2)
        return text[:at] + self._rng.choice([text[at + 1] + text[at] + text[at + 2 :], text[at + 1 :]])


def label_texts(schema: Schema, group: str, choose: Callable[[Sequence[str]], str]) -> list[str]:
    """Word every label of a group by one template and one wording each, chosen by `choose`."""
    found = schema.group(group)
    template = choose(found.templates)
    return [template.format(choose(label.wordings)) for label in found.labels]
