"""Beam search: keeps several beginnings of a text and gives the likeliest whole ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from catalens.core.types import Decoding
from catalens.models.readers.generate import adjusted, said_ids, until_end
from catalens.models.readers.kv_cache import Start

_NEVER = -1e9
"""A score that no text has."""
_EMPTY = -1
"""Stands where no token was written."""


@dataclass(slots=True)
class _Beams:
    """What n searches of `width` beams hold; every tensor begins with (n, width).

    Attributes:
        texts: (n, width, limit) token ids of the beginnings that go on.
        scores: their summed log-likelihoods.
        whole: (n, width, limit) token ids of the best texts that have ended.
        whole_scores: their summed log-likelihoods divided by their lengths.
        ended: whether there is such a text.
        hopeful: (n, 1) whether going on can still find a better one.
    """

    texts: Tensor
    scores: Tensor
    whole: Tensor
    whole_scores: Tensor
    ended: Tensor
    hopeful: Tensor

    @classmethod
    def begin(cls, n: int, width: int, limit: int, device: torch.device) -> _Beams:
        """Begin with one beam a search; the others hold nothing yet."""
        texts = torch.full((n, width, limit), _EMPTY, device=device)
        scores = torch.zeros(n, width, device=device)
        scores[:, 1:] = _NEVER
        ended = torch.zeros(n, width, dtype=torch.bool, device=device)
        hopeful = torch.ones(n, 1, dtype=torch.bool, device=device)
        return cls(texts, scores, texts.clone(), torch.full_like(scores, _NEVER), ended, hopeful)

    def step(self, likelihoods: Tensor, end_ids: Tensor, at: int) -> Tensor | None:
        """Choose the next token of every beam.

        Args:
            likelihoods: (n * width, vocabulary) log-probabilities of the next token.
            end_ids: the tokens that end a text.
            at: how many tokens were written.

        Returns:
            (n * width,) the row that each beam goes on from, or None when the search is over.
        """
        (n, width, limit), vocabulary = self.texts.shape, likelihoods.shape[-1]
        totals = (likelihoods.view(n, width, vocabulary) + self.scores[:, :, None]).view(n, -1)
        # As many again as can end, so that `width` beams are left to go on.
        best, places = totals.topk(max(2, 1 + len(end_ids)) * width)
        parents, tokens = places // vocabulary, places % vocabulary
        texts = _rows(self.texts, parents)
        texts[:, :, at] = tokens
        ends = torch.isin(tokens, end_ids) | (at + 1 == limit)
        self._keep_whole(texts, best / (at + 1), ends)
        going, chosen = (best + ends * _NEVER).topk(width)
        self.texts, self.scores, parents = _rows(texts, chosen), going, parents.gather(1, chosen)
        worst = torch.where(self.ended, self.whole_scores.min(dim=1, keepdim=True).values, _NEVER)
        self.hopeful &= (self.scores[:, :1] / (at + 1) > worst).any(dim=1, keepdim=True)
        if ends.all() or not self.hopeful.any():
            return None
        return (parents + torch.arange(n, device=parents.device)[:, None] * width).view(-1)

    def _keep_whole(self, texts: Tensor, scores: Tensor, ends: Tensor) -> None:
        """Keep the best texts that have ended: a text counts if it ended among the `width` best of its step."""
        width = self.texts.shape[1]
        counts = ends.clone()
        counts[:, width:] = False
        scores = scores + ~self.hopeful * _NEVER + ~counts * _NEVER
        merged = torch.cat([self.whole_scores, scores], dim=1)
        self.whole_scores, chosen = merged.topk(width)
        self.whole = _rows(torch.cat([self.whole, texts], dim=1), chosen)
        self.ended = torch.cat([self.ended, counts], dim=1).gather(1, chosen)


def search_beams(
    start: Start, decoding: Decoding, ends: Sequence[int], count: int, limit: int
) -> list[list[list[int]]]:
    """Write the likeliest whole texts.

    Args:
        start: n rows.
        decoding: with the number of beams.
        ends: the tokens that end a text.
        count: texts for each row; there are at least as many beams.
        limit: at most so many tokens.

    Returns:
        For each row `count` lists of token ids without the end, best first.

    Source:
        The beam search of transformers 5 with its defaults: length penalty 1, no early stop.
    """
    n, width, device = len(start.said), max(decoding.beams, count), start.logits.device
    end_ids = torch.tensor(list(ends), device=device)
    beams = _Beams.begin(n, width, limit, device)
    reading = start.reading.spread(width)
    logits = start.logits.repeat_interleave(width, dim=0)
    prompts = said_ids(start).repeat_interleave(width, dim=0)
    for at in range(limit):
        said = torch.cat([prompts, beams.texts[:, :, :at].reshape(n * width, at)], dim=1)
        parents = beams.step(adjusted(logits.log_softmax(dim=-1), said, decoding, ends, at), end_ids, at)
        if parents is None:
            break
        reading.reorder(parents)
        logits = reading.read(beams.texts[:, :, at].reshape(-1, 1), last=True)[:, -1]
    stops = [*ends, _EMPTY]
    return [[until_end(ids, stops) for ids in group[:count]] for group in beams.whole.tolist()]


def _rows(values: Tensor, places: Tensor) -> Tensor:
    """Take (n, m, length) rows of (n, k, length) by (n, m) places."""
    return values.gather(1, places[:, :, None].expand(-1, -1, values.shape[2]))
