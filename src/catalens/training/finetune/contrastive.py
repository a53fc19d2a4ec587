"""Contrastive losses over image and text vectors, in which rows of one product are never negatives of each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from catalens.training.losses import contrastive as softmax_loss


def pair_loss(images: Tensor, texts: Tensor, groups: Tensor, *, scale: float, bias: float | None) -> Tensor:
    """Return the mean loss of n pairs: by softmax as in CLIP, or by sigmoids as in SigLIP.

    Args:
        images: (n, dim) unit rows.
        texts: (n, dim) unit rows.
        groups: (n,), equal where a text belongs to an image: the same product, picture or text.
        scale: multiplier of cosines.
        bias: None for a softmax, a number for sigmoids.

    Source:
        Radford et al. 2021 (CLIP); Zhai et al. 2023 (SigLIP).
    """
    if bias is None:
        return softmax_loss(images, texts, groups, torch.tensor(scale, device=images.device))
    logits = scale * images @ texts.T + bias
    signs = torch.where(groups[:, None] == groups[None, :], 1.0, -1.0)
    return -functional.logsigmoid(signs * logits).sum() / len(images)


def encode(module: nn.Module, inputs: Tensor, *, chunk: int | None) -> Tensor:
    """Return (n, dim) unit rows of a tower.

    Args:
        module: the tower.
        inputs: (n, ...).
        chunk: rows of a forward pass whose activations are kept at a time: they are computed again for the gradient,
            which is the same. None keeps those of all rows.

    Source:
        Gao et al. 2021 (gradient cache), by torch's activation checkpoints.
    """
    if chunk is None or chunk >= len(inputs) or not torch.is_grad_enabled():
        return functional.normalize(module(inputs), dim=-1)
    rows = [checkpoint(module, part, use_reentrant=False) for part in inputs.split(chunk)]
    return functional.normalize(torch.cat(rows), dim=-1)
