"""A label bank of 100,000: taken from its cache, and ranked exactly for one picture and for 64."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.plan import Figures, Plan
from benchmarks.products import DIM, label_texts
from benchmarks.timing import in_turns, peak_mb, seconds
from catalens.core.vectors import unit_rows
from catalens.models.fakes import FakeEncoder
from catalens.tasks.labels import build_bank

_K = 10
_MANY = 64


def measure(plan: Plan) -> Figures:
    """Measure with vectors of an encoder without weights: neither loading nor ranking knows what they mean."""
    encoder = FakeEncoder(DIM)
    labels = label_texts(plan.labels)
    pictures = unit_rows(np.random.default_rng(7).standard_normal((_MANY, DIM)))
    with tempfile.TemporaryDirectory() as place:
        build = partial(build_bank, encoder, labels, cache_dir=Path(place))
        first_s = seconds(build)
        bank = build()
        taken = in_turns(
            {
                "load_from_cache_ms": build,
                "top_10_of_one_picture_ms": lambda: bank.rank(pictures[:1], _K),
                f"top_10_of_{_MANY}_pictures_ms": lambda: bank.rank(pictures, _K),
            },
            3 * plan.rounds,
        )
        truth = np.argsort(-(pictures.astype(np.float64) @ bank.vectors.astype(np.float64).T), axis=1)[:, :_K]
        found = bank.rank(pictures, _K)[0]
        right = np.mean([len(set(a) & set(b)) / _K for a, b in zip(found.tolist(), truth.tolist(), strict=True)])
    return {
        "labels": len(labels),
        "first_build_without_model_s": first_s,
        **{name: each * 1e3 for name, each in taken.items()},
        "recall_at_10": float(right),
        "peak_mb": peak_mb(),
    }
