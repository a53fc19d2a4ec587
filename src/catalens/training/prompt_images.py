"""The validation images that terms of prompts are judged on, as the gate sends them to an encoder."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalens.core.types import Vectors
from catalens.models.routing import PRODUCT
from catalens.tasks.schema import load_schema
from catalens.training.captions import read_captions
from catalens.training.fashion import read_products
from catalens.training.kinds import read_classes
from catalens.training.pixels import png
from catalens.training.prompt_truth import ProductTruth, Sayable, TermTruth, schema_terms, term_truth
from catalens.training.recipes.unified.evaluator import Evaluator
from catalens.training.recipes.unified.tables import LabelledTable, read_tables

COMPLETE = ("groceries", "clothes at home")
"""Tables whose labels say all that there is."""
DETAILS = "details"
"""Enlarged details of the photographs. Many show grass, fur, sand or cloth alone, which look like many things."""

Truths: TypeAlias = NDArray[np.int8]
"""1 true, 0 false, -1 not known."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Images of one encoder, and what is known of each.

    Attributes:
        vectors: (n, dim).
        tables: (n,) the table of each.
        truths: n, of each.
        pictures: n, as bytes.
        told: n, what a person calls the image.
    """

    vectors: Vectors
    tables: NDArray[np.str_]
    truths: Sequence[TermTruth]
    pictures: Sequence[bytes]
    told: Sequence[str]


def judged_images(evaluator: Evaluator, world: str, *, learning: bool = False) -> Judged:
    """Return the images of a split that are routed to an encoder.

    Args:
        evaluator: with the tables.
        world: the encoder's name.
        learning: also return what the product encoder's gate lets through and the second look takes away: there are too
            few other images that its terms are wrong of.
    """
    encoder = evaluator.product if world == PRODUCT else evaluator.everyday
    parts: list[tuple[str, Sequence[object], Sequence[bytes], Sequence[str], str]] = [
        (table.name, table.truths, table.pictures, table.told, _file(table, evaluator.split))
        for table in read_tables(evaluator.data, evaluator.split)
    ]
    if world == PRODUCT:
        goods = list(read_products(evaluator.data / "fashion", evaluator.split))
        pictures = [row.picture for row in goods]
        terms = schema_terms(load_schema("fashion"))
        truths = [ProductTruth(row.labels, terms) for row in goods]
        parts.append(("products", truths, pictures, [row.title for row in goods], f"fashion-{evaluator.split}"))
    kept = [
        np.flatnonzero(
            evaluator.are_products(file, partial(list, images), again=not (learning and world == PRODUCT))
            == (world == PRODUCT)
        )
        for _, _, images, _, file in parts
    ]
    vectors = [
        evaluator.images(encoder, file, partial(list, images))[some]
        for (_, _, images, _, file), some in zip(parts, kept, strict=True)
    ]
    rows = [(part, int(at)) for part, some in zip(parts, kept, strict=True) for at in some]
    return Judged(
        np.concatenate(vectors),
        np.array([part[0] for part, _ in rows]),
        [part[1][at] for part, at in rows],  # type: ignore[misc]
        [part[2][at] for part, at in rows],
        [part[3][at] for part, at in rows],
    )


def _file(table: LabelledTable, split: str) -> str:
    """Return the name that a table's vectors are kept by."""
    return {"everyday": f"everyday-{split}", "objects": "objects"}.get(table.file, f"{table.file}-val")


def detail_images(evaluator: Evaluator) -> Judged:
    """Return an enlarged detail of each photograph of a split, for the everyday encoder."""
    whole = next(table for table in read_tables(evaluator.data, evaluator.split) if table.name == "photographs")
    shown = details(whole.pictures)
    vectors = evaluator.images(evaluator.everyday, f"details-{evaluator.split}", lambda: shown)
    return Judged(vectors, np.full(len(shown), DETAILS), whole.truths, shown, whole.told)  # type: ignore[arg-type]


def details(photographs: Sequence[bytes], *, seed: int = 0) -> list[bytes]:
    """Return an enlarged detail of each photograph, of a tenth to a third of its width."""
    out = []
    for at, picture in enumerate(photographs):
        chance = random.Random(f"{seed} details {at}")
        photo = Image.open(io.BytesIO(picture)).convert("RGB")
        side = chance.uniform(0.1, 0.35) * photo.width
        left, top = (chance.uniform(0, each - side) for each in photo.size)
        box = (left, top, left + side, top + side)
        out.append(png(np.asarray(photo.resize((224, 224), Image.Resampling.BICUBIC, box))))
    return out


def sayable(data: Path) -> Sayable:
    """Return what is said at all: words of training captions, and names of classes of things."""
    names = [name for each in read_classes() for name in (*each.names, *each.kinds)]
    return Sayable.of(read_captions(data, "train"), names)


def truths_of(terms: Sequence[str], images: Judged, said: Sayable) -> dict[str, Truths]:
    """Return term → (n,) what is known of it in each image."""
    known = {True: 1, False: 0, None: -1}
    rows = list(zip(images.truths, images.tables, strict=True))
    return {
        term: np.array(
            [known[term_truth(term, truth, said, is_complete=table in COMPLETE)] for truth, table in rows],
            dtype=np.int8,
        )
        for term in terms
    }
