"""Texts in batches with little padding, and the contrastive loss with shared positives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from catalens.training.towers import TextTower


def encode_texts(tower: TextTower, tokenizer: Tokenizer, texts: Sequence[str], *, most: int = 40) -> Tensor:
    """Unit rows (n, dim) for n texts of at most `most` tokens, in pieces of like length: padding is work too."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    ids = [row if len(row) <= most else [*row[: most - 1], row[-1]] for row in ids]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    rows = []
    for piece in np.array_split(np.array(order), max(1, len(order) // 96)):
        batch = torch.zeros(len(piece), len(ids[piece[-1]]), dtype=torch.long)
        for row, i in zip(batch, piece, strict=True):
            row[: len(ids[i])] = torch.tensor(ids[i])
        rows.append(tower(batch))
    return torch.cat(rows)[torch.from_numpy(np.argsort(np.array(order)))]


def contrastive(images: Tensor, texts: Tensor, keys: Tensor, scale: Tensor, shares: Tensor | None = None) -> Tensor:
    """Symmetric cross-entropy in which rows of the same text share the target.

    Source: Radford et al. 2021, section 2.3; shared positives as in Khosla et al. 2020.

    Args:
        images: (n, dim) unit rows.
        texts: (n, dim) unit rows.
        keys: (n,), equal for equal texts.
        scale: what cosines are multiplied by.
        shares: (n, n), how much of each text's product is in each picture; without it each picture shows its own.
    """
    logits = scale * images @ texts.T
    same = (keys[:, None] == keys[None, :]).float()
    if shares is not None:
        same = shares @ same
    forth = functional.cross_entropy(logits, same / same.sum(1, keepdim=True))
    back = functional.cross_entropy(logits.T, same.T / same.T.sum(1, keepdim=True))
    return (forth + back) / 2


def one_hot(targets: Tensor, count: int) -> Tensor:
    """Rows (n, count) of label positions (n,); a row of nothing where a position is -100."""
    return functional.one_hot(targets.clamp_min(0), count).float() * (targets >= 0)[:, None]


def of_labels(logits: Tensor, wanted: Tensor, shares: Tensor | None = None) -> Tensor:
    """Cross-entropy of pictures (n, labels) against what is wanted of each label (n, labels), by its weight.

    With shares (n, n) of the products in each picture, a picture's target is as mixed as it is (Zhang et al. 2018).
    """
    if shares is not None:
        wanted = shares @ wanted
    return -(wanted * logits.log_softmax(1)).sum() / wanted.sum()


def multi_positive(images: Tensor, texts: Tensor, image_keys: Tensor, text_keys: Tensor, scale: Tensor) -> Tensor:
    """Symmetric cross-entropy between pictures and texts in which equal keys belong together."""
    logits = scale * images @ texts.T
    same = (image_keys[:, None] == text_keys[None, :]).float()
    forth = functional.cross_entropy(logits, same / same.sum(1, keepdim=True))
    back = functional.cross_entropy(logits.T, same.T / same.T.sum(1, keepdim=True))
    return (forth + back) / 2
