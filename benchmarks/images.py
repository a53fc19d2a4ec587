"""Pictures per second from JPEG files into an index, beside what its two stages could do alone.

All three read the same files with the same threads and take turns: *decoding* is the reading threads of ingestion
(file, hash, decode, shrink) without an encoder; *model* is the encoder, with its resizing, over pictures already
decoded; *end to end* is `ingest` of the folder into a new index. Where both stages use every core, no order of work
can beat 1 / (1 / decoding + 1 / model), so that bound is given too.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from PIL.Image import Image

from benchmarks.pictures import write_large, write_small
from benchmarks.plan import Figures, Plan
from benchmarks.runtimes import on_each_runtime
from benchmarks.timing import in_turns, peak_mb
from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.sources import Item, open_source
from catalens.core.protocols import Encoder
from catalens.core.types import Outcome, Vectors
from catalens.core.vectors import batched
from catalens.models.registry import load_encoder
from catalens.pipelines.ingest import ingest
from catalens.pipelines.prefetch import map_ahead, read_item

_BATCH = 64


def measure(plan: Plan) -> Figures:
    """Measure small and large files, then the model on each runtime."""
    encoder = load_encoder(plan.model)
    with tempfile.TemporaryDirectory() as place:
        small, large = Path(place) / "small", Path(place) / "large"
        what = write_small(small, plan.pictures, plan.data)
        figures: Figures = {"small": {"files": what} | _stages(small, encoder, plan.rounds)}
        figures["peak_mb"] = peak_mb()
        pictures = _decoded(small, encoder)
        by_runtime = on_each_runtime(plan, partial(_encode, pictures=pictures), len(pictures))
        figures |= {f"model on {name}": each for name, each in by_runtime.items()}
        what = write_large(large, plan.large_pictures)
        figures["large"] = {"files": what} | _stages(large, encoder, plan.rounds)
    return figures


def _stages(folder: Path, encoder: Encoder, rounds: int) -> Figures:
    pictures = _decoded(folder, encoder)
    fresh = count()

    def end_to_end() -> None:
        path = folder.with_name(f"{folder.name}-{next(fresh)}.catalens")
        with EmbeddedIndex.open(path, encoder_name=encoder.name, dim=encoder.dim) as index:
            report = ingest(open_source(folder), encoder, index)
        if report.added != len(pictures):
            raise RuntimeError(f"{report.added} of {len(pictures)} pictures were catalogued: {report.failures[:1]}")

    taken = in_turns(
        {
            "decoding": lambda: deque(_read(folder, encoder), maxlen=0),
            "model": lambda: _encode(encoder, pictures),
            "end_to_end": end_to_end,
        },
        rounds,
    )
    speed = {name: len(pictures) / each for name, each in taken.items()}
    bound = 1 / (1 / speed["decoding"] + 1 / speed["model"])
    return {f"{name}_images_per_s": each for name, each in speed.items()} | {
        "of_the_slower_stage": speed["end_to_end"] / min(speed["decoding"], speed["model"]),
        "bound_images_per_s": bound,
        "of_the_bound": speed["end_to_end"] / bound,
    }


def _decoded(folder: Path, encoder: Encoder) -> list[Image]:
    return [image for image in _read(folder, encoder) if image is not None and not isinstance(image, Outcome)]


def _read(folder: Path, encoder: Encoder) -> Iterator[Image | Outcome | None]:
    """Read every file as ingestion does."""
    workers = os.cpu_count() or 1
    items = (entry for entry in open_source(folder) if isinstance(entry, Item))
    ahead = _BATCH + workers
    return map_ahead(partial(read_item, size_wh=encoder.input_size_wh), items, workers=workers, ahead=lambda: ahead)


def _encode(encoder: Encoder, pictures: list[Image]) -> Vectors:
    return np.concatenate([encoder.encode_images(some) for some in batched(pictures, _BATCH)])
