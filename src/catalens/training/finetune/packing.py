"""Questions about one image in one row: what they all start with runs through a causal model once.

Each conversation attends to that start and to itself, at the positions that it has alone. So its logits, and what they
send back to the weights, are those of a row of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any

import torch
from torch import Tensor

from catalens.models.readers.kv_cache import pad_right
from catalens.training.finetune.answer_labels import answer_labels

_PADDING = -1
_ATTENTIONS = ("sdpa", "eager")
"""Ways to attend, as transformers names them, that take a mask of one's own."""


@dataclass(frozen=True, slots=True)
class Packed:
    """m rows: what the conversations about an image start with, then the rest of each, padded on the right.

    Attributes:
        ids: (m, tokens).
        owners: (m, length) 0 for the start, 1 for the first conversation, and so on; the length counts what precedes
            the tokens, too.
        offsets: (m, length) the place of each token in its own conversation.
        places: (m, most answer tokens) where each token of the answers is predicted.
        labels: (m, most answer tokens) these tokens, or `IGNORED`.
    """

    ids: Tensor
    owners: Tensor
    offsets: Tensor
    places: Tensor
    labels: Tensor

    @property
    def shares(self) -> bool:
        """Whether a row has more than one conversation."""
        return bool((self.owners > 1).any())

    def mask(self, dtype: torch.dtype) -> Tensor:
        """Return what is added to scores (m, 1, length, length), or which tokens are no padding (m, length).

        The latter is all that rows of one conversation need.
        """
        if not self.shares:
            return (self.owners != _PADDING).long()
        of, at = self.owners[:, :, None], self.owners[:, None, :]
        seen = ((at == 0) | (at == of)).tril()
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, _least(dtype))[:, None]


def pack(
    starts: Sequence[Sequence[int]],
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    counts: Sequence[int],
    device: torch.device,
    *,
    before: int = 0,
) -> Packed:
    """Lay out n conversations about m images.

    Args:
        starts: m lists of tokens that stand for images.
        prompts: n lists of tokens that follow them, up to the answers; none is empty.
        answers: n lists of tokens, none of them empty.
        counts: m numbers of conversations, of those in turn.
        device: of the result.
        before: embeddings that precede the tokens of each row.
    """
    rows, owners, offsets, places, labels = [], [], [], [], []
    for start, last, count in zip(starts, accumulate(counts), counts, strict=True):
        asked, told = prompts[last - count : last], answers[last - count : last]
        shared = _common(asked)
        row, head = [*start, *asked[0][:shared]], before + len(start) + shared
        owner, offset = [0] * head, list(range(head))
        place: list[int] = []
        for at, (prompt, answer) in enumerate(zip(asked, told, strict=True), start=1):
            rest = [*prompt[shared:], *answer]
            # The token before an answer, and all of its tokens but the last one, predict it.
            first = len(owner) + len(rest) - len(answer) - 1
            place += range(first, first + len(answer))
            row += rest
            owner += [at] * len(rest)
            offset += range(head, head + len(rest))
        rows.append(row)
        owners.append(owner)
        offsets.append(offset)
        places.append(place)
        labels.append([token for answer in told for token in answer])
    targets, there = pad_right(labels, device)
    padded, filled = pad_right(owners, device)
    return Packed(
        pad_right(rows, device)[0],
        padded.masked_fill(filled == 0, _PADDING),
        pad_right(offsets, device)[0],
        pad_right(places, device)[0],
        answer_labels(targets, there, [0] * len(targets)),
    )


def logits_at(model: Any, places: Tensor, inputs: dict[str, Any]) -> Tensor:
    """Run a causal language model; return its logits at the places of each row: (m, places, vocabulary)."""
    if _places_per_row():
        found: Tensor = model(logits_to_keep=places, **inputs).logits
        return found
    everywhere = places.unique()
    logits = model(logits_to_keep=everywhere, **inputs).logits
    return torch.take_along_dim(logits, torch.searchsorted(everywhere, places)[..., None], 1)


def takes_masks(config: Any) -> bool:
    """Return whether a model of this configuration attends as a mask of one's own says."""
    return getattr(config, "_attn_implementation", None) in _ATTENTIONS


def _places_per_row() -> bool:
    """Return whether transformers computes logits at other places in each row; older ones share them."""
    from transformers import modeling_utils

    return hasattr(modeling_utils, "slice_logits_to_keep")


def _common(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts start with; the last one of each predicts its answer, and is its own."""
    several = zip(*(prompt[:-1] for prompt in prompts), strict=False)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, several))


def _least(dtype: torch.dtype) -> float:
    return float(torch.finfo(dtype).min)
