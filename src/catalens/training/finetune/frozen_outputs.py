"""What the frozen part of a model makes of each image: computed once and kept on disk, or computed on every step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load, save

from catalens.core.memory import drop_mapped_pages
from catalens.core.vectors import batched
from catalens.models.readers.loading import Loaded
from catalens.training.finetune.answer_models import AnswerModel
from catalens.training.finetune.answers import Features, Images, Row
from catalens.training.finetune.features import BlobCache
from catalens.training.finetune.processes import ALONE, Processes

UNCACHED = (
    "{name} cannot be given the output of its vision tower; every step computes it again from the pixels, image by "
    "image"
)
TOGETHER = "questions about an image are trained side by side, and what they share of it is computed once a step"
APART = "each question is computed on its own: {name} shares nothing of an image among questions"
_ENCODED_AT_ONCE, _ON_PROCESSORS = 16, 4
"""Images of a forward pass; on a processor more are no faster, and take more memory than a training step."""


def uncached_features(model: AnswerModel, images: Images) -> Features:
    """Return what computes the features of rows each time."""
    return lambda rows: model.features(images(rows))


def cached_features(
    model: AnswerModel, images: Images, cache: BlobCache, rows: Sequence[Row], processes: Processes = ALONE
) -> Features:
    """Compute the features of all images that the cache lacks, and return what reads them from it.

    The frozen part leaves the memory of the accelerator; on a processor, what was read of its file does.
    """
    weights = [each for part in model.frozen_parts for each in part.parameters()]
    at_once = _ON_PROCESSORS if any(each.device.type == "cpu" for each in weights) else _ENCODED_AT_ONCE
    known = cache.known(list({row.content for row in rows}))
    processes.wait()
    missing = list({row.content: row for row in rows if row.content not in known}.values())
    for some in batched(processes.share(missing), at_once):
        packed = model.pack(model.features(images(some)))
        blobs = (save({name: value.contiguous().cpu() for name, value in each.items()}) for each in packed)
        cache.put({row.content: blob for row, blob in zip(some, blobs, strict=True)})
    processes.wait()
    for part in model.frozen_parts:
        part.to("cpu")
    for each in weights:
        if each.device.type == "cpu":
            drop_mapped_pages(each.data_ptr(), each.nbytes)

    def features(rows: Sequence[Row]) -> Any:
        return model.unpack([load(blob) for blob in cache.get([row.content for row in rows])])

    return features


def open_cache(folder: Path, loaded: Loaded) -> BlobCache:
    """Open the cache of a model's frozen features: as exact as the model, keyed by name, revision and preprocessing."""
    preprocessing = json.dumps(loaded.processor.image_processor.to_dict(), sort_keys=True, default=str)
    return BlobCache(folder, f"{loaded.name}\0{preprocessing}\0{loaded.dtype}\0{loaded.quantise}")
