"""Texts per second, on each runtime: short labels as a label bank has them, and titles of products."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

import numpy as np

from benchmarks.plan import Figures, Plan
from benchmarks.products import label_texts, records
from benchmarks.runtimes import on_each_runtime
from benchmarks.timing import peak_mb
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.core.vectors import batched
from catalens.models.bundle import BundleEncoder
from catalens.models.registry import load_encoder

_BATCH = 256


def measure(plan: Plan) -> Figures:
    """Measure labels and titles."""
    encoder = load_encoder(plan.model)
    figures: Figures = {}
    for kind, texts in {"labels": label_texts(plan.texts), "titles": _titles(plan)}.items():
        ordered = sorted(texts, key=len)  # as a label bank does: alike lengths share a batch
        if isinstance(encoder, BundleEncoder):
            figures[f"{kind}_mean_tokens"] = float(np.mean([encoder.count_tokens(text)[0] for text in texts]))
        by_runtime = on_each_runtime(plan, partial(_encode, texts=ordered), len(ordered))
        figures |= {f"{kind} on {name}": each for name, each in by_runtime.items()}
    return figures | {"peak_mb": peak_mb()}


def _encode(encoder: Encoder, texts: list[str]) -> Vectors:
    return np.concatenate([encoder.encode_texts(some) for some in batched(texts, _BATCH)])


def _titles(plan: Plan) -> list[str]:
    """Take real titles where the tables are there."""
    table = plan.data / "fashion" / "val.parquet"
    if not (table.is_file() and find_spec("pyarrow")):
        return [str(record.fields["title"]) for record in records(0, plan.texts)]
    import pyarrow.parquet

    titles = pyarrow.parquet.read_table(table, columns=["productDisplayName"]).column(0).to_pylist()
    return list(dict.fromkeys(titles))[: plan.texts]
