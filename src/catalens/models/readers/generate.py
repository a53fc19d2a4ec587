"""Writes texts token by token: the likeliest word each time, by chance, or the likeliest whole text among beams.

One loop for every torch reader. It gives, token for token, what transformers' `generate` gives with the same settings;
chance has a source of its own for each text, so that a text does not depend on what is written beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from catalens.core.errors import InputError
from catalens.core.types import Decoding
from catalens.models.readers.kv_cache import Start

Choose = Callable[[Tensor], Tensor]
"""(rows, vocabulary) scores → (rows,) tokens."""


def write(start: Start, decoding: Decoding, ends: Sequence[int], count: int = 1) -> list[list[list[int]]]:
    """Write texts.

    Args:
        start: n rows.
        decoding: how words are chosen; where it asks for fewer beams than texts, there are as many beams as texts.
        ends: the tokens that end a text.
        count: texts for each row.

    Returns:
        For each row `count` lists of token ids without the end, best first: by their whole score for beams, by the
        mean log-likelihood of a token for texts drawn by chance.

    Raises:
        InputError: a prompt leaves no room for a single token, or for the least number of them.
    """
    from catalens.models.readers.beams import search_beams

    if start.room < 1:
        raise InputError("the prompt fills all that the model can read; shorten it")
    if decoding.min_tokens > start.room:
        raise InputError(f"min_tokens is {decoding.min_tokens}; after the prompt the model holds {start.room} more")
    limit = min(decoding.max_tokens, start.room)
    if decoding.temperature is not None:
        return _drawn(start, decoding, ends, count, limit)
    if max(decoding.beams, count) > 1:
        return search_beams(start, decoding, ends, count, limit)
    likeliest: Choose = lambda scores: scores.argmax(dim=-1)  # noqa: E731 - a name for the argument
    return [[ids] for ids, _ in _go_on(start, decoding, ends, limit, likeliest)]


def adjusted(scores: Tensor, said: Tensor, decoding: Decoding, ends: Sequence[int], at: int) -> Tensor:
    """Make words that were said less likely, and the end impossible before its time.

    Args:
        scores: (rows, vocabulary) logits or log-probabilities.
        said: (rows, length) token ids of the prompt and of what was written.
        decoding: with the penalty and the least number of tokens.
        ends: the tokens that end a text.
        at: how many tokens were written.

    Source:
        Keskar et al. 2019, "CTRL", section 4.1, for the penalty.
    """
    if decoding.repetition_penalty != 1.0 and said.shape[1]:
        before = scores.gather(1, said)
        penalty = decoding.repetition_penalty
        scores = scores.scatter(1, said, torch.where(before < 0, before * penalty, before / penalty))
    if at < decoding.min_tokens:
        scores = scores.clone()
        scores[:, list(ends)] = float("-inf")
    return scores


def said_ids(start: Start) -> Tensor:
    """Return the prompts as (n, length); a shorter one repeats its first token, which is said already."""
    length = max((len(row) for row in start.said), default=0)
    rows = [[*row[:1] * (length - len(row)), *row] for row in (list(each) for each in start.said)]
    return torch.tensor(rows, dtype=torch.int64, device=start.logits.device).reshape(len(rows), -1)


def _drawn(start: Start, decoding: Decoding, ends: Sequence[int], count: int, limit: int) -> list[list[list[int]]]:
    """Draw `count` texts for each row, each from a source of chance of its own."""
    n = len(start.said)
    sources = [np.random.default_rng([decoding.seed, at]) for _ in range(n) for at in range(count)]

    def choose(scores: Tensor) -> Tensor:
        draws = torch.tensor([source.random() for source in sources], dtype=torch.float64, device=scores.device)
        return _draw(scores, draws, temperature=decoding.temperature or 1.0, top_p=decoding.top_p)

    spread = Start(
        start.reading.spread(count),
        start.logits.repeat_interleave(count, dim=0),
        [row for row in start.said for _ in range(count)],
        start.room,
    )
    texts = _go_on(spread, decoding, ends, limit, choose)
    groups = [texts[at : at + count] for at in range(0, n * count, count)]
    return [[ids for ids, _ in sorted(group, key=lambda text: -text[1])] for group in groups]


def _draw(scores: Tensor, draws: Tensor, *, temperature: float, top_p: float) -> Tensor:
    """Draw a token a row.

    Args:
        scores: (rows, vocabulary).
        draws: (rows,) in [0, 1): where in the cumulated probabilities a row's token lies.
        temperature: divides the scores.
        top_p: only the likeliest tokens that together have this probability are drawn.

    Source:
        Holtzman et al. 2020, "The curious case of neural text degeneration", section 3.1.
    """
    shares, order = (scores.double() / temperature).softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    before = shares.cumsum(dim=-1) - shares
    shares = torch.where(before < top_p, shares, 0.0)
    cumulated = shares.cumsum(dim=-1)
    places = torch.searchsorted(cumulated, (draws * cumulated[:, -1])[:, None], right=True)
    last = (shares > 0).sum(dim=-1, keepdim=True) - 1
    return order.gather(1, torch.minimum(places, last)).squeeze(1)


def _go_on(
    start: Start, decoding: Decoding, ends: Sequence[int], limit: int, choose: Choose
) -> list[tuple[list[int], float]]:
    """Write one text a row: its ids without the end, and the mean log-likelihood of a token."""
    n, device = len(start.said), start.logits.device
    reading, logits, said = start.reading, start.logits, said_ids(start)
    prompt = said.shape[1]
    end_ids = torch.tensor(list(ends), device=device)
    open_rows = torch.ones(n, dtype=torch.bool, device=device)
    likelihood = torch.zeros(n, device=device)
    lengths = torch.zeros(n, dtype=torch.int64, device=device)
    for at in range(limit):
        if at:
            logits = reading.read(said[:, -1:], last=True)[:, -1]
        tokens = choose(adjusted(logits, said, decoding, ends, at))
        picked = logits.log_softmax(dim=-1).gather(1, tokens[:, None]).squeeze(1)
        likelihood += picked * open_rows
        lengths += open_rows
        said = torch.cat([said, tokens[:, None]], dim=1)
        open_rows &= ~torch.isin(tokens, end_ids)
        if not open_rows.any():
            break
    means = (likelihood / lengths).tolist()
    written = said[:, prompt:].tolist()
    return [(until_end(ids, ends), mean) for ids, mean in zip(written, means, strict=True)]


def until_end(ids: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Return the ids before the first end.

    >>> until_end([5, 6, 2, 7], [2])
    [5, 6]
    """
    return list(ids[: next((at for at, each in enumerate(ids) if each in ends), len(ids))])
