"""Generates texts with the bundled readers: beam search or sampling in plain numpy, over any decoder.

A step takes the ids since the last one and the keys and values so far, and returns the next token's logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalens.core.types import Decoding

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Step = Callable[[Ids, Floats], tuple[Floats, Floats]]
"""(rows, length) ids and past_key_values (depth, 2, rows, heads, before, width) → (rows, vocabulary) logits of the next
token, and the keys and values of the new ids. The rows of an image are side by side."""
LENGTH = 0.6
"""Length penalty: the power of its length that divides a beam's log-likelihood (Wu et al. 2016)."""
NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Generated:
    """A text as ids without its end token, and its score: its log-likelihood with the length penalty."""

    ids: list[int]
    score: float


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Ids that are not words: the end token, and tokens that are never generated."""

    end: int
    never: tuple[int, ...]


def generate(
    step: Step, prompt: Ids, past: Floats, *, count: int, decoding: Decoding, special: SpecialIds
) -> list[list[Generated]]:
    """Return, for each of n images, `count` texts, best first.

    Args:
        step: the decoder.
        prompt: (n, length) ids to continue.
        past: empty past_key_values of n rows.
        count: texts per image.
        decoding: how tokens are chosen.
        special: ids that are not words.
    """
    samples = decoding.temperature is not None
    width = count if samples else max(count, decoding.beams)
    n = len(prompt)
    logits, past = step(prompt, past)
    past, logits = past.repeat(width, axis=2), logits.repeat(width, axis=0)
    ids = np.empty((n * width, 0), dtype=np.int64)
    totals = np.zeros((n, width), dtype=np.float32)
    if not samples:
        totals[:, 1:] = NEVER  # the beams of an image are equal until their first token
    done = np.zeros((n, width), dtype=bool)
    generators = [[np.random.default_rng([decoding.seed, i]) for i in range(width)] for _ in range(n)]
    for length in range(decoding.max_tokens):
        scores = log_softmax(_process_logits(logits, ids, length, decoding, special)).reshape(n, width, -1)
        scores[done] = NEVER
        scores[done, special.end] = 0.0
        if samples:
            tokens = _sample(scores, generators, decoding)
            parents = np.broadcast_to(np.arange(width), (n, width))
        else:
            parents, tokens = _best(totals[:, :, None] + scores, width)
        totals = np.take_along_axis(totals, parents, 1) + scores[np.arange(n)[:, None], parents, tokens]
        done = np.take_along_axis(done, parents, 1) | (tokens == special.end)
        rows = (parents + np.arange(n)[:, None] * width).ravel()
        ids = np.concatenate([ids[rows], tokens.reshape(-1, 1)], axis=1)
        if done.all():
            break
        past = past[:, :, rows]
        logits, new = step(tokens.reshape(-1, 1).astype(np.int64), past)
        past = np.concatenate([past, new], axis=4)
    return _ranked(ids.reshape(n, width, -1), totals, count, special)


def log_softmax(logits: Floats) -> Floats:
    """Return log-probabilities (..., vocabulary)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    out: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return out


def _process_logits(logits: Floats, ids: Ids, length: int, decoding: Decoding, special: SpecialIds) -> Floats:
    """Mask forbidden tokens and apply the repetition penalty to generated ones."""
    out = logits.astype(np.float32, copy=True)
    out[:, list(special.never)] = NEVER
    if length < decoding.min_tokens:
        out[:, special.end] = NEVER
    if decoding.repetition_penalty != 1.0 and ids.shape[1]:
        before = np.take_along_axis(out, ids, 1)
        less = np.where(before > 0, before / decoding.repetition_penalty, before * decoding.repetition_penalty)
        np.put_along_axis(out, ids, less, 1)
    return out


def _best(totals: Floats, width: int) -> tuple[Ids, Ids]:
    """Return parents and tokens (n, width) of the best continuations over all beams of an image."""
    n, _, vocabulary = totals.shape
    flat = totals.reshape(n, -1)
    top = np.argpartition(-flat, width - 1, axis=1)[:, :width]
    top = np.take_along_axis(top, np.argsort(-np.take_along_axis(flat, top, 1), axis=1, kind="stable"), 1)
    return top // vocabulary, top % vocabulary


def _sample(scores: Floats, generators: list[list[np.random.Generator]], decoding: Decoding) -> Ids:
    """Sample a token for every row, from the most likely ones that make up `top_p`."""
    n, width, _ = scores.shape
    tokens = np.empty((n, width), dtype=np.int64)
    for i in range(n):
        for j in range(width):
            shares = np.exp(log_softmax(scores[i, j] / np.float32(decoding.temperature or 1.0))).astype(np.float64)
            order = np.argsort(-shares, kind="stable")
            sums = np.cumsum(shares[order])
            kept = order[: int(np.searchsorted(sums, decoding.top_p * sums[-1])) + 1]
            tokens[i, j] = generators[i][j].choice(kept, p=shares[kept] / shares[kept].sum())
    return tokens


def _ranked(ids: Ids, totals: Floats, count: int, special: SpecialIds) -> list[list[Generated]]:
    ranked = []
    for rows, scores in zip(ids.tolist(), totals, strict=True):
        cut = [row[: row.index(special.end)] if special.end in row else row for row in rows]
        texts = [
            Generated(row, float(score) / (len(row) + 1) ** LENGTH) for row, score in zip(cut, scores, strict=True)
        ]
        ranked.append(sorted(texts, key=lambda each: -each.score)[:count])
    return ranked
