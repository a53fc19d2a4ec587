"""Learn the relevance cut-off that ships with the starter: `python scripts/learn_cutoff.py --data DATA`.

Catalogues of the `val` and `test` products are built in memory. Queries are made of two labels ("red t-shirt"), with
every product that has both as relevant, and of nonsense, with none. Learned on `val`, measured on `test`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from itertools import product as pairs
from pathlib import Path

import numpy as np

from catalens.catalogue.cutoff import Cutoff, Judged, learn_cutoff, write_cutoff
from catalens.catalogue.memory import MemoryIndex
from catalens.core.protocols import Encoder
from catalens.core.types import Record
from catalens.models.registry import CUTOFF, load_encoder, shipped
from catalens.tasks.schema import load_schema
from catalens.training.fashion import Product, read_products
from catalens.training.release import encode_pictures

LEAST = 5
"""A query is asked only where so many products answer it."""

NONSENSE = (
    ("a dog in the snow", "quantum physics", "a mountain lake at dawn", "invoice of last month", "two cats on a sofa",
     "a plate of spaghetti", "the eiffel tower", "football match in the rain", "how to install a printer",
     "space rocket", "a city street at night", "newspaper page"),
    ("a child on a swing", "electric guitar", "tax return form", "a bowl of fruit", "an airplane over the sea",
     "map of the world", "a horse jumping a fence", "kitchen sink", "surfer on a wave", "computer keyboard",
     "a birthday cake", "x-ray of a hand"),
)  # fmt: skip
"""For learning, and for measuring."""


def main() -> None:
    """Learn, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    encoder = load_encoder("starter", runtime="onnxruntime")
    catalogues = []
    for split, nonsense in zip(("val", "test"), NONSENSE, strict=True):
        rows = list(read_products(options.data / "fashion", split))
        index = MemoryIndex(encoder.name, encoder.dim)
        index.add([Record(row.id, split) for row in rows], encode_pictures(encoder, [row.picture for row in rows]))
        catalogues.append((index, judged_queries(encoder, rows, nonsense)))
    cutoff = learn_cutoff(*catalogues[0])
    write_cutoff(shipped("starter") / CUTOFF, cutoff)
    print(cutoff)
    for name, (index, judged) in zip(("val", "test"), catalogues, strict=True):
        print(name, measure(index, judged, cutoff), "| 20 hits, no cut-off:", measure(index, judged, None))


def judged_queries(encoder: Encoder, rows: Sequence[Product], nonsense: Sequence[str]) -> list[Judged]:
    """Make the queries of a split: colour and type, pattern and type, and nonsense."""
    schema = load_schema("fashion")
    words = {group.name: {label.name: label.wordings[0] for label in group.labels} for group in schema.groups}
    asked: dict[str, frozenset[str]] = dict.fromkeys(nonsense, frozenset())
    for first in ("colour", "pattern"):
        both = Counter((row.labels.get(first), row.labels.get("type")) for row in rows)
        for one, two in pairs(words[first], words["type"]):
            if both[one, two] >= LEAST:
                has = (row.id for row in rows if (row.labels.get(first), row.labels.get("type")) == (one, two))
                asked[f"{words[first][one]} {words['type'][two]}"] = frozenset(has)
    vectors = encoder.encode_texts(list(asked))
    return [Judged(vector, relevant) for vector, relevant in zip(vectors, asked.values(), strict=True)]


def measure(index: MemoryIndex, judged: Sequence[Judged], cutoff: Cutoff | None) -> str:
    """Say the mean precision and recall of real queries, and how many nonsense ones found nothing."""
    precision, recall, silent = [], [], []
    for query in judged:
        floor = cutoff.floor(index.scores(query.vector)) if cutoff else None
        found = {
            hit.record.id
            for hit in index.query(query.vector[None], 20 if cutoff is None else len(index), min_score=floor)[0]
        }
        if query.relevant:
            right = len(found & query.relevant)
            precision.append(right / len(found) if found else 0.0)
            recall.append(right / len(query.relevant))
        else:
            silent.append(not found)
    return (
        f"{len(precision)} queries: precision {np.mean(precision):.3f}, recall {np.mean(recall):.3f}; "
        f"nonsense that found nothing {sum(silent)} of {len(silent)}"
    )


if __name__ == "__main__":
    main()
