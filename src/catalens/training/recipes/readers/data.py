"""The examples of the two readers: features of frozen towers, captions, and facts."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from catalens.tasks.schema import Schema, load_schema
from catalens.training.captions import read_captions
from catalens.training.fashion import OWNERS, Product, read_products
from catalens.training.pixels import stored, tensor
from catalens.training.product_questions import product_facts
from catalens.training.questions import everyday_facts
from catalens.training.reader_examples import Examples
from catalens.training.towers import ImageTower
from catalens.training.tracing import to_openvino

DETAILS = ("sleeve_length", "neck", "collar", "toe_shape")
PLAIN = {"Solid"}
"""Patterns that nobody mentions."""


def everyday_examples(data: Path, run: Path, split: str) -> Examples:
    """Read the everyday photographs of a split with the features that lie beside the encoder's run."""
    captions = read_captions(data, split)
    tops, means = (np.load(run / f"{split}.{part}.npy") for part in ("tops", "means"))
    return Examples(
        cells=np.load(run / f"{split}.maps.npy", mmap_mode="r"),
        means=np.concatenate([tops, means], axis=2),
        captions=[[text.lower() for text in texts] for texts in captions],
        facts=[everyday_facts(texts) for texts in captions],
    )


def product_examples(data: Path, run: Path, split: str) -> Examples:
    """Read the products of a split, and look at them with the starter's tower where that was not yet done."""
    products = list(read_products(data / "fashion", split))
    schema = load_schema("fashion")
    pixels = stored(run / f"{split}.npy", [product.picture for product in products], pad=False)
    cells, means = _seen(run, split, pixels, views=2 if split == "train" else 1)
    draw = random.Random(0)
    return Examples(
        cells=cells,
        means=means,
        captions=[product_captions(product, schema, draw) for product in products],
        facts=[product_facts(product, schema) for product in products],
    )


def product_captions(product: Product, schema: Schema, draw: random.Random) -> list[str]:
    """Return captions such as "men's navy blue striped polo t-shirt with short sleeves and polo collar"; no brand."""
    words = {group.name: {label.name: label.wordings for label in group.labels} for group in schema.groups}

    def word(group: str) -> str:
        return (words[group].get(product.labels.get(group, ""), ("",)) or ("",))[0]

    pattern = "" if product.labels.get("pattern") in PLAIN else word("pattern")
    owner = OWNERS.get(product.labels.get("gender", ""), "")
    before = [owner, word("colour"), pattern if not pattern.startswith("with") else ""]
    head = " ".join(part for part in [*before, word("type") or "product"] if part)
    details = [word(group) for group in DETAILS]
    if pattern.startswith("with"):
        details.append(pattern.removeprefix("with "))
    details = [detail for detail in details if detail]
    full = f"{head} with {' and '.join(details[:3])}" if details else head
    return [full.lower(), full.lower(), f"{draw.choice(['a', 'a photo of'])} {full}".lower()]


class Seeing(nn.Module):
    """The starter's tower for its reader: cells (n, 20, 320) of its last map but one, and means (n, 1376)."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels_nchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode pictures with values in [-1, 1]."""
        return self.tower.seen(pixels_nchw)


def _seen(
    run: Path, split: str, pixels: NDArray[np.uint8], *, views: int
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Encode the pictures, and their mirror images as a second view, and store the features beside the run."""
    files = [run / f"{split}.cells.npy", run / f"{split}.sums.npy"]
    if not files[1].exists():
        import openvino

        from catalens.training.export import load_towers

        image, _, _ = load_towers(run)
        example = torch.zeros(1, 3, *pixels.shape[1:3])
        # Float32, as the bundle computes them: in bfloat16 the cells differ by 6 %, and answers with them.
        hint = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(to_openvino(Seeing(image), example), "CPU", hint)
        parts: list[list[NDArray[np.float16]]] = [[], []]
        for start in range(0, len(pixels), 64):
            batch = tensor(pixels[start : start + 64])
            each = [compiled(view.contiguous().numpy()) for view in (batch, batch.flip(3))[:views]]
            for i, part in enumerate(parts):
                part.append(np.stack([seen[i] for seen in each], axis=1).astype(np.float16))
        for file, part in zip(files, parts, strict=True):
            np.save(file, np.concatenate(part))
    return np.load(files[0], mmap_mode="r"), np.load(files[1])
