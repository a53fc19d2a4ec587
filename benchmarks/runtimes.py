"""The same encoder on each runtime: speed in turns, and how far their vectors agree."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np

from benchmarks.plan import Figures, Plan
from benchmarks.timing import in_turns
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.models.registry import load_encoder
from catalens.models.runtime import RUNTIMES

_REFERENCE = "onnxruntime"
"""Installed with the package; it computes in float32."""

Encode = Callable[[Encoder], Vectors]
"""Encodes n items that it holds: (n, dim)."""


def on_each_runtime(plan: Plan, encode: Encode, n: int) -> Figures:
    """Measure items per second by runtime, with the least cosine to the first one's vectors."""
    encoders: dict[str, Encoder] = {
        name: load_encoder(plan.model, runtime=name) for name in RUNTIMES if find_spec(name)
    }
    taken = in_turns({name: partial(encode, encoder) for name, encoder in encoders.items()}, plan.rounds)
    reference = encode(encoders[_REFERENCE])
    figures: Figures = {name: {"status": "not installed"} for name in RUNTIMES}
    for name, encoder in encoders.items():
        cosines = np.sum(encode(encoder) * reference, axis=1)
        figures[name] = {"per_s": n / taken[name], f"least_cosine_to_{_REFERENCE}": float(cosines.min())}
    return figures
