"""What can be measured: one module each, with a function `measure(plan)`."""

from __future__ import annotations

from importlib import import_module

from benchmarks.plan import Figures, Plan

SUBJECTS = {
    "startup": "whole commands in fresh processes: time and peak memory",
    "images": "from JPEG files into an index, and the model alone on each runtime",
    "texts": "labels and titles on each runtime",
    "labels": "a large bank of labels: from its cache, and ranked",
    "index": "the embedded index, beside other exact searches",
    "graph": "the embedded index at its largest, with an HNSW graph",
    "enrich": "one pass into parquet shards: speed beside its bound, memory, kills",
}


def measure(subject: str, plan: Plan) -> Figures:
    """Measure one subject; its modules are loaded here, in a process of its own."""
    figures: Figures = import_module(f"benchmarks.{subject}").measure(plan)
    return figures
