"""The validation images that terms of prompts are judged on, as the gate sends them to an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalens.core.types import Vectors
from catalens.models.gate import load_gate
from catalens.models.registry import shipped
from catalens.models.routing import PRODUCT
from catalens.tasks.schema import load_schema
from catalens.training.captions import read_captions
from catalens.training.fashion import read_products
from catalens.training.kinds import read_classes
from catalens.training.prompt_truth import ProductTruth, Sayable, TermTruth, schema_terms, term_truth
from catalens.training.recipes.unified.evaluator import Evaluator
from catalens.training.recipes.unified.tables import LabelledTable, read_tables

COMPLETE = ("groceries", "clothes at home")
"""Tables whose labels say all that there is."""

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


def judged_images(evaluator: Evaluator, world: str) -> Judged:
    """Return the images of a split that the gate sends to an encoder."""
    parts: list[tuple[str, Sequence[object], Sequence[bytes], Sequence[str], Vectors, Vectors]] = [
        (table.name, table.truths, table.pictures, table.told, *_vectors(evaluator, table, world))
        for table in read_tables(evaluator.data, evaluator.split)
    ]
    if world == PRODUCT:
        goods = list(read_products(evaluator.data / "fashion", evaluator.split))
        pictures = [row.picture for row in goods]
        seen = evaluator.images(evaluator.product, f"fashion-{evaluator.split}", lambda: pictures)
        terms = schema_terms(load_schema("fashion"))
        truths = [ProductTruth(row.labels, terms) for row in goods]
        parts.append(("products", truths, pictures, [row.title for row in goods], seen, seen))
    gate = load_gate(shipped(PRODUCT), evaluator.product.dim)
    kept = [np.flatnonzero(gate.products(product) == (world == PRODUCT)) for *_, product, _ in parts]
    rows = [(part, int(at)) for part, some in zip(parts, kept, strict=True) for at in some]
    return Judged(
        np.stack([part[5][at] for part, at in rows]),
        np.array([part[0] for part, _ in rows]),
        [part[1][at] for part, at in rows],  # type: ignore[misc]
        [part[2][at] for part, at in rows],
        [part[3][at] for part, at in rows],
    )


def _vectors(evaluator: Evaluator, table: LabelledTable, world: str) -> tuple[Vectors, Vectors]:
    """Return a table's vectors of the encoder for products, by which the gate decides, and of the world's own."""
    name = {"everyday": f"everyday-{evaluator.split}", "objects": "objects"}.get(table.file, f"{table.file}-val")
    product = evaluator.images(evaluator.product, name, lambda: table.pictures)
    own = product if world == PRODUCT else evaluator.images(evaluator.everyday, name, lambda: table.pictures)
    return product, own


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
