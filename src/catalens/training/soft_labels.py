"""Soft labels: a tower's predictions on its own training products, also where the shop gave no label."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from catalens.tasks.schema import Group, Schema
from catalens.training.fashion import Product
from catalens.training.fixed_norms import with_fixed_norms
from catalens.training.losses import encode_texts
from catalens.training.pixels import tensor
from catalens.training.precision import mixed
from catalens.training.towers import ImageTower, TextTower


@torch.no_grad()
def opinions(
    image: ImageTower, text: TextTower, tokenizer: Tokenizer, schema: Schema, scales: Tensor, pixels: NDArray[np.uint8]
) -> dict[str, Tensor]:
    """Return the chance of every label for every product, by the mean of its picture's vector and its mirror image's.

    Args:
        image: in evaluation mode.
        text: the tower that belongs to it.
        tokenizer: the text tower's.
        schema: whose groups are asked about, each through all its wordings.
        scales: (groups,), what a group's cosines are multiplied by.
        pixels: (n, height, width, 3).

    Returns:
        Group → (n, labels) float16.
    """
    banks = [_bank(text, tokenizer, group) for group in schema.groups]
    image.ways = tuple(with_fixed_norms(part) for part in image.parts)
    out: dict[str, list[Tensor]] = {group.name: [] for group in schema.groups}
    for start in range(0, len(pixels), 256):
        seen = tensor(pixels[start : start + 256].copy()).contiguous(memory_format=torch.channels_last)
        with mixed():
            vectors = image(seen) + image(seen.flip(3).contiguous(memory_format=torch.channels_last))
        vectors = torch.nn.functional.normalize(vectors.float(), dim=1)
        for group, bank, scale in zip(schema.groups, banks, scales, strict=True):
            out[group.name].append((scale * vectors @ bank.T).softmax(1).half())
    return {name: torch.cat(parts) for name, parts in out.items()}


def _bank(text: TextTower, tokenizer: Tokenizer, group: Group) -> Tensor:
    """Unit rows (labels, dim): the mean over a label's wordings in all templates."""
    rows = []
    for label in group.labels:
        texts = [template.format(wording) for template in group.templates for wording in label.wordings]
        rows.append(encode_texts(text, tokenizer, texts).mean(0))
    return torch.nn.functional.normalize(torch.stack(rows), dim=1)


def left_open(products: list[Product], group: Group) -> Tensor:
    """(n,) bool: the group holds for the product, but the shop says nothing of it."""
    return torch.tensor(
        [
            group.name not in product.labels
            and all(product.labels.get(named) in values for named, values in group.when.items())
            for product in products
        ]
    )
