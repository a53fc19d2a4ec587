"""Labels of a batch: the tokens of answers, which alone count."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

IGNORED = -100
"""The label of a token that does not count."""


def answer_labels(ids: Tensor, mask: Tensor, starts: Sequence[int]) -> Tensor:
    """Return the ids where the answer is, and `IGNORED` for padding and for tokens before `starts`."""
    before = torch.arange(ids.shape[1], device=ids.device)[None] < torch.tensor(starts, device=ids.device)[:, None]
    return ids.masked_fill(before | (mask == 0), IGNORED)
