"""What every decoding loop does to logits and token ids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from catalens.core.types import Decoding
from catalens.models.readers.kv_cache import Prefill


def process_logits(scores: Tensor, ids: Tensor, decoding: Decoding, end_ids: Sequence[int], length: int) -> Tensor:
    """Apply the repetition penalty and the minimum length.

    Args:
        scores: (rows, vocabulary) logits or log-probabilities.
        ids: (rows, length) token ids of the prompt and of the generated text.
        decoding: with the penalty and the minimum number of new tokens.
        end_ids: end-of-text tokens.
        length: number of generated tokens.

    Source:
        Keskar et al. 2019, "CTRL", section 4.1, for the penalty.
    """
    if decoding.repetition_penalty != 1.0 and ids.shape[1]:
        before = scores.gather(1, ids)
        penalty = decoding.repetition_penalty
        scores = scores.scatter(1, ids, torch.where(before < 0, before * penalty, before / penalty))
    if length < decoding.min_tokens:
        scores = scores.clone()
        scores[:, list(end_ids)] = float("-inf")
    return scores


def prompt_tensor(prefill: Prefill) -> Tensor:
    """Return the prompts as (n, length); a shorter one repeats its first token, which the penalty counts anyway."""
    length = max((len(row) for row in prefill.prompt_ids), default=0)
    rows = [[*row[:1] * (length - len(row)), *row] for row in (list(each) for each in prefill.prompt_ids)]
    return torch.tensor(rows, dtype=torch.int64, device=prefill.logits.device).reshape(len(rows), -1)


def until_end(ids: Sequence[int], end_ids: Sequence[int]) -> list[int]:
    """Return the ids before the first end token.

    >>> until_end([5, 6, 2, 7], [2])
    [5, 6]
    """
    return list(ids[: next((at for at, each in enumerate(ids) if each in end_ids), len(ids))])
