"""The libraries that CLIP is run with, as their guides show it, and ours; all from one checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from transformers import CLIPModel, CLIPProcessor
from transformers.utils import logging

from benchmarks.model_checkpoints import as_open_clip
from catalens.catalogue.sources import Item
from catalens.core.protocols import Encoder
from catalens.core.types import Outcome, Vectors
from catalens.core.vectors import batched, unit_rows
from catalens.models.registry import load_encoder
from catalens.pipelines.prefetch import map_ahead, read_item

BATCH = 16
"""Pictures that go through a tower together, everywhere."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """What is measured: n items in, (n, dim) unit rows out; None where it would be another's over again."""

    texts: Callable[[Sequence[str]], Vectors]
    images: Callable[[Sequence[Image.Image]], Vectors] | None = None
    files: Callable[[Sequence[Path]], Vectors] | None = None


def contestants(checkpoint: Path, cache: Path, device: str = "cpu") -> dict[str, Contestant]:
    """Load everybody; the first is the reference.

    Args:
        checkpoint: from `write_checkpoint`.
        cache: where ours keeps what it compiles.
        device: what torch calls it; on an accelerator ours is torch too, in the type that it takes by itself.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = CLIPModel.from_pretrained(checkpoint).eval().to(device)
    processor = CLIPProcessor.from_pretrained(checkpoint)
    made = {
        "transformers": _transformers(model, processor),
        "transformers, padded to 77": Contestant(partial(_texts, model, processor, "max_length")),
        "sentence-transformers": _sentence_transformers(checkpoint, device),
        "open_clip": _open_clip(as_open_clip(model), device),
    }
    if device != "cpu":
        return {**made, "ours": _ours(load_encoder(str(checkpoint), device=device, cache=cache))}
    for runtime in ("openvino", "onnxruntime"):
        made[f"ours, {runtime}"] = _ours(load_encoder(str(checkpoint), runtime=runtime, device="cpu", cache=cache))
    return made


def _opened(paths: Sequence[Path]) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in paths]


def _in_batches(
    encode: Callable[[list[Image.Image]], Vectors], read: Callable[[list[Path]], list[Image.Image]] = _opened
) -> tuple[Callable[[Sequence[Image.Image]], Vectors], Callable[[Sequence[Path]], Vectors]]:
    """Return the two ways to encode pictures, from an encoder of one batch."""

    def images(pictures: Sequence[Image.Image]) -> Vectors:
        return np.concatenate([encode(some) for some in batched(pictures, BATCH)])

    def files(paths: Sequence[Path]) -> Vectors:
        return np.concatenate([encode(read(some)) for some in batched(paths, BATCH)])

    return images, files


def _transformers(model: CLIPModel, processor: CLIPProcessor) -> Contestant:
    @torch.inference_mode()
    def encode(pictures: list[Image.Image]) -> Vectors:
        found = model.get_image_features(**processor(images=pictures, return_tensors="pt").to(model.device))
        return unit_rows(found.pooler_output.cpu().numpy())

    return Contestant(partial(_texts, model, processor, "longest"), *_in_batches(encode))


@torch.inference_mode()
def _texts(model: CLIPModel, processor: CLIPProcessor, padding: str, said: Sequence[str]) -> Vectors:
    given = processor(text=list(said), padding=padding, max_length=77, return_tensors="pt").to(model.device)
    found = model.get_text_features(**given)
    return unit_rows(found.pooler_output.cpu().numpy())


def _sentence_transformers(checkpoint: Path, device: str) -> Contestant:
    model = SentenceTransformer(str(checkpoint), device=device)
    encode = partial(model.encode, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
    return Contestant(lambda said: encode(list(said), batch_size=len(said)), *_in_batches(encode))


def _open_clip(model: open_clip.CLIP, device: str) -> Contestant:
    size = model.visual.image_size
    preprocess = open_clip.image_transform(size if isinstance(size, int) else size[0], is_train=False)

    @torch.inference_mode()
    def encode(pictures: list[Image.Image]) -> Vectors:
        pixels = torch.stack([preprocess(each) for each in pictures])
        return unit_rows(model.encode_image(pixels.to(device)).cpu().numpy())

    @torch.inference_mode()
    def texts(said: Sequence[str]) -> Vectors:
        return unit_rows(model.encode_text(open_clip.tokenize(list(said)).to(device)).cpu().numpy())

    return Contestant(texts, *_in_batches(encode))


def _ours(encoder: Encoder) -> Contestant:
    def files(paths: Sequence[Path]) -> Vectors:
        """Read ahead in threads, as every command does."""
        workers = os.cpu_count() or 1
        items = (Item(path.name, path, path.name) for path in paths)
        size_wh = encoder.input_size_wh
        read = map_ahead(partial(read_item, size_wh=size_wh), items, workers=workers, ahead=lambda: BATCH)
        images = (image for image in read if image is not None and not isinstance(image, Outcome))
        return np.concatenate([encoder.encode_images(some) for some in batched(images, BATCH)])

    images, _ = _in_batches(encoder.encode_images)
    return Contestant(encoder.encode_texts, images, files)
