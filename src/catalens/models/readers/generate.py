"""Generates texts token by token: greedily, by sampling, or by beam search; one loop for every torch reader.

Token for token it returns what transformers' `generate` returns with the same settings. Sampling has a random
generator per text, so that a text does not depend on its batch-mates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from catalens.core.errors import InputError
from catalens.core.types import Decoding
from catalens.models.readers.beams import beam_search
from catalens.models.readers.kv_cache import Prefill
from catalens.models.readers.logits import process_logits, prompt_tensor, until_end

Choose = Callable[[Tensor], Tensor]
"""(rows, vocabulary) scores → (rows,) tokens."""


def generate(prefill: Prefill, decoding: Decoding, end_ids: Sequence[int], count: int = 1) -> list[list[list[int]]]:
    """Generate `count` texts per row.

    Args:
        prefill: n rows.
        decoding: how tokens are chosen. Without a temperature there are at least `count` beams.
        end_ids: end-of-text tokens.
        count: texts per row.

    Returns:
        For each row `count` lists of token ids without the end token, best first: by sequence score for beams, by mean
        log-likelihood per token for samples.

    Raises:
        InputError: a prompt leaves no room for a token, or for the minimum number of tokens.
    """
    room = prefill.max_new_tokens
    if room < 1:
        raise InputError("the prompt fills the model's whole context; shorten it")
    if decoding.min_tokens > room:
        raise InputError(f"min_tokens is {decoding.min_tokens}; after the prompt there is room for {room} tokens")
    limit = min(decoding.max_tokens, room)
    if decoding.temperature is not None:
        return _sample(prefill, decoding, end_ids, count, limit)
    if max(decoding.beams, count) > 1:
        return beam_search(prefill, decoding, end_ids, count, limit)
    return [[ids] for ids, _ in _decode(prefill, decoding, end_ids, limit, _argmax)]


def _argmax(scores: Tensor) -> Tensor:
    return scores.argmax(dim=-1)


def _sample(
    prefill: Prefill, decoding: Decoding, end_ids: Sequence[int], count: int, limit: int
) -> list[list[list[int]]]:
    """Sample `count` texts per row, each with its own random generator."""
    n = len(prefill.prompt_ids)
    generators = [np.random.default_rng([decoding.seed, at]) for _ in range(n) for at in range(count)]

    def choose(scores: Tensor) -> Tensor:
        uniform = torch.tensor([each.random() for each in generators], dtype=torch.float64, device=scores.device)
        return _sample_tokens(scores, uniform, temperature=decoding.temperature or 1.0, top_p=decoding.top_p)

    expanded = Prefill(
        prefill.state.expand(count),
        prefill.logits.repeat_interleave(count, dim=0),
        [row for row in prefill.prompt_ids for _ in range(count)],
        prefill.max_new_tokens,
    )
    texts = _decode(expanded, decoding, end_ids, limit, choose)
    groups = [texts[at : at + count] for at in range(0, n * count, count)]
    return [[ids for ids, _ in sorted(group, key=lambda text: -text[1])] for group in groups]


def _sample_tokens(scores: Tensor, uniform: Tensor, *, temperature: float, top_p: float) -> Tensor:
    """Sample one token per row by inverting the cumulative distribution.

    Args:
        scores: (rows, vocabulary).
        uniform: (rows,) in [0, 1).
        temperature: divides the scores.
        top_p: only the most likely tokens that together reach this probability can be drawn.

    Source:
        Holtzman et al. 2020, "The curious case of neural text degeneration", section 3.1.
    """
    shares, order = (scores.double() / temperature).softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    before = shares.cumsum(dim=-1) - shares
    shares = torch.where(before < top_p, shares, 0.0)
    cumulated = shares.cumsum(dim=-1)
    places = torch.searchsorted(cumulated, (uniform * cumulated[:, -1])[:, None], right=True)
    last = (shares > 0).sum(dim=-1, keepdim=True) - 1
    return order.gather(1, torch.minimum(places, last)).squeeze(1)


def _decode(
    prefill: Prefill, decoding: Decoding, end_ids: Sequence[int], limit: int, choose: Choose
) -> list[tuple[list[int], float]]:
    """Generate one text per row; return its ids without the end token, and its mean log-likelihood per token."""
    n, device = len(prefill.prompt_ids), prefill.logits.device
    state, logits, ids = prefill.state, prefill.logits, prompt_tensor(prefill)
    prompt_length = ids.shape[1]
    ends = torch.tensor(list(end_ids), device=device)
    unfinished = torch.ones(n, dtype=torch.bool, device=device)
    likelihood = torch.zeros(n, device=device)
    lengths = torch.zeros(n, dtype=torch.int64, device=device)
    for length in range(limit):
        if length:
            logits = state.forward(ids[:, -1:], last_only=True)[:, -1]
        tokens = choose(process_logits(logits, ids, decoding, end_ids, length))
        picked = logits.log_softmax(dim=-1).gather(1, tokens[:, None]).squeeze(1)
        likelihood += picked * unfinished
        lengths += unfinished
        ids = torch.cat([ids, tokens[:, None]], dim=1)
        unfinished &= ~torch.isin(tokens, ends)
        if not unfinished.any():
            break
    means = (likelihood / lengths).tolist()
    generated = ids[:, prompt_length:].tolist()
    return [(until_end(row, end_ids), mean) for row, mean in zip(generated, means, strict=True)]
