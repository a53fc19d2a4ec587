"""Beam search over a decoder state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from catalens.core.types import Decoding
from catalens.models.readers.kv_cache import Prefill
from catalens.models.readers.logits import process_logits, prompt_tensor, until_end

_NEVER = -1e9
"""A score below that of any text."""
_EMPTY = -1
"""Fills positions after the last token."""


@dataclass(slots=True)
class _Beams:
    """State of n searches of `width` beams; every tensor begins with (n, width).

    Attributes:
        running: (n, width, limit) token ids of unfinished beams.
        scores: their summed log-likelihoods.
        finished: (n, width, limit) token ids of the best finished texts.
        finished_scores: their summed log-likelihoods divided by their lengths.
        is_finished: whether there is such a text.
        can_improve: (n, 1) whether an unfinished beam can still beat the worst finished text.
    """

    running: Tensor
    scores: Tensor
    finished: Tensor
    finished_scores: Tensor
    is_finished: Tensor
    can_improve: Tensor

    @classmethod
    def start(cls, n: int, width: int, limit: int, device: torch.device) -> _Beams:
        """Start each search with one beam; the others are empty until the first step."""
        running = torch.full((n, width, limit), _EMPTY, device=device)
        scores = torch.zeros(n, width, device=device)
        scores[:, 1:] = _NEVER
        is_finished = torch.zeros(n, width, dtype=torch.bool, device=device)
        can_improve = torch.ones(n, 1, dtype=torch.bool, device=device)
        return cls(running, scores, running.clone(), torch.full_like(scores, _NEVER), is_finished, can_improve)

    def step(self, log_probs: Tensor, end_ids: Tensor, length: int) -> Tensor | None:
        """Choose the next token of every beam.

        Args:
            log_probs: (n * width, vocabulary) of the next token.
            end_ids: end-of-text tokens.
            length: number of generated tokens.

        Returns:
            (n * width,) the row that each beam continues, or None when the search is over.
        """
        (n, width, limit), vocabulary = self.running.shape, log_probs.shape[-1]
        totals = (log_probs.view(n, width, vocabulary) + self.scores[:, :, None]).view(n, -1)
        # Enough candidates that `width` beams go on even if all that can end do.
        best, places = totals.topk(max(2, 1 + len(end_ids)) * width)
        parents, tokens = places // vocabulary, places % vocabulary
        texts = _gather_rows(self.running, parents)
        texts[:, :, length] = tokens
        ends = torch.isin(tokens, end_ids) | (length + 1 == limit)
        self._keep_finished(texts, best / (length + 1), ends)
        scores, chosen = (best + ends * _NEVER).topk(width)
        self.running, self.scores, parents = _gather_rows(texts, chosen), scores, parents.gather(1, chosen)
        worst = torch.where(self.is_finished, self.finished_scores.min(dim=1, keepdim=True).values, _NEVER)
        self.can_improve &= (self.scores[:, :1] / (length + 1) > worst).any(dim=1, keepdim=True)
        if ends.all() or not self.can_improve.any():
            return None
        return (parents + torch.arange(n, device=parents.device)[:, None] * width).view(-1)

    def _keep_finished(self, texts: Tensor, scores: Tensor, ends: Tensor) -> None:
        """Keep the best finished texts; a text counts only if it ended among the `width` best of its step."""
        width = self.running.shape[1]
        counts = ends.clone()
        counts[:, width:] = False
        scores = scores + ~self.can_improve * _NEVER + ~counts * _NEVER
        merged = torch.cat([self.finished_scores, scores], dim=1)
        self.finished_scores, chosen = merged.topk(width)
        self.finished = _gather_rows(torch.cat([self.finished, texts], dim=1), chosen)
        self.is_finished = torch.cat([self.is_finished, counts], dim=1).gather(1, chosen)


def beam_search(
    prefill: Prefill, decoding: Decoding, end_ids: Sequence[int], count: int, limit: int
) -> list[list[list[int]]]:
    """Return the most likely texts.

    Args:
        prefill: n rows.
        decoding: with the beam width.
        end_ids: end-of-text tokens.
        count: texts per row; there are at least as many beams.
        limit: maximum new tokens.

    Returns:
        For each row `count` lists of token ids without the end token, best first.

    Source:
        The beam search of transformers 5 with its defaults: length penalty 1, no early stop.
    """
    n, width, device = len(prefill.prompt_ids), max(decoding.beams, count), prefill.logits.device
    ends = torch.tensor(list(end_ids), device=device)
    beams = _Beams.start(n, width, limit, device)
    state = prefill.state.expand(width)
    logits = prefill.logits.repeat_interleave(width, dim=0)
    prompts = prompt_tensor(prefill).repeat_interleave(width, dim=0)
    for length in range(limit):
        ids = torch.cat([prompts, beams.running[:, :, :length].reshape(n * width, length)], dim=1)
        log_probs = process_logits(logits.log_softmax(dim=-1), ids, decoding, end_ids, length)
        parents = beams.step(log_probs, ends, length)
        if parents is None:
            break
        state.reorder(parents)
        logits = state.forward(beams.running[:, :, length].reshape(-1, 1), last_only=True)[:, -1]
    stops = [*end_ids, _EMPTY]
    return [[until_end(ids, stops) for ids in group[:count]] for group in beams.finished.tolist()]


def _gather_rows(values: Tensor, places: Tensor) -> Tensor:
    """Gather (n, m, length) rows of (n, k, length) by (n, m) places."""
    return values.gather(1, places[:, :, None].expand(-1, -1, values.shape[2]))
