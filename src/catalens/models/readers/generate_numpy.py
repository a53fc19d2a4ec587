"""How the shipped reader's words are drawn, one after the other: by beams, or by chance. Plain numpy over any model.

A step takes the ids since the last one and the keys and values so far, and gives the next word's logits.
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
"""(rows, length) ids and a past (depth, 2, rows, heads, before, width) → (rows, vocabulary) logits of the next
word, and the keys and values of the new ids. The rows of a picture follow each other."""
LENGTH = 0.6
"""Power of its length by which a text's log-likelihood is divided when beams are compared (Wu et al. 2016)."""
NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A text as ids, without its end, and what it is worth: its log-likelihood over a power of its length."""

    ids: list[int]
    worth: float


@dataclass(frozen=True, slots=True)
class Marks:
    """Ids that are no words: the end of a text, and what is never said."""

    end: int
    never: tuple[int, ...]


def draw(step: Step, prompt: Ids, past: Floats, *, count: int, decoding: Decoding, marks: Marks) -> list[list[Drawn]]:
    """Give, for each of n pictures, `count` texts, the likeliest first.

    Args:
        step: the model.
        prompt: (n, length) ids to go on from.
        past: keys and values of nothing, for n rows.
        count: texts for each picture.
        decoding: how; see `Decoding`.
        marks: ids that are no words.
    """
    by_chance = decoding.temperature is not None
    width = count if by_chance else max(count, decoding.beams)
    n = len(prompt)
    logits, past = step(prompt, past)
    past, logits = past.repeat(width, axis=2), logits.repeat(width, axis=0)
    said = np.empty((n * width, 0), dtype=np.int64)
    totals = np.zeros((n, width), dtype=np.float32)
    if not by_chance:
        totals[:, 1:] = NEVER  # the beams of a picture are alike until their first word
    done = np.zeros((n, width), dtype=bool)
    chances = [[np.random.default_rng([decoding.seed, i]) for i in range(width)] for _ in range(n)]
    for at in range(decoding.max_tokens):
        scores = log_softmax(_allowed(logits, said, at, decoding, marks)).reshape(n, width, -1)
        scores[done] = NEVER
        scores[done, marks.end] = 0.0
        if by_chance:
            words = _by_chance(scores, chances, decoding)
            parents = np.broadcast_to(np.arange(width), (n, width))
        else:
            parents, words = _best(totals[:, :, None] + scores, width)
        totals = np.take_along_axis(totals, parents, 1) + scores[np.arange(n)[:, None], parents, words]
        done = np.take_along_axis(done, parents, 1) | (words == marks.end)
        rows = (parents + np.arange(n)[:, None] * width).ravel()
        said = np.concatenate([said[rows], words.reshape(-1, 1)], axis=1)
        if done.all():
            break
        past = past[:, :, rows]
        logits, new = step(words.reshape(-1, 1).astype(np.int64), past)
        past = np.concatenate([past, new], axis=4)
    return _ranked(said.reshape(n, width, -1), totals, count, marks)


def _allowed(logits: Floats, said: Ids, at: int, decoding: Decoding, marks: Marks) -> Floats:
    """Take away what must not come next, and make less of what was said before."""
    out = logits.astype(np.float32, copy=True)
    out[:, list(marks.never)] = NEVER
    if at < decoding.min_tokens:
        out[:, marks.end] = NEVER
    if decoding.repetition_penalty != 1.0 and said.shape[1]:
        before = np.take_along_axis(out, said, 1)
        less = np.where(before > 0, before / decoding.repetition_penalty, before * decoding.repetition_penalty)
        np.put_along_axis(out, said, less, 1)
    return out


def log_softmax(logits: Floats) -> Floats:
    """Return log-probabilities (..., vocabulary)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    out: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return out


def _best(totals: Floats, width: int) -> tuple[Ids, Ids]:
    """Return the parents and the words (n, width) of the best continuations over all beams of a picture."""
    n, _, vocabulary = totals.shape
    flat = totals.reshape(n, -1)
    top = np.argpartition(-flat, width - 1, axis=1)[:, :width]
    top = np.take_along_axis(top, np.argsort(-np.take_along_axis(flat, top, 1), axis=1, kind="stable"), 1)
    return top // vocabulary, top % vocabulary


def _by_chance(scores: Floats, chances: list[list[np.random.Generator]], decoding: Decoding) -> Ids:
    """Draw a word for every row, from the likeliest that make up `top_p`."""
    n, width, _ = scores.shape
    words = np.empty((n, width), dtype=np.int64)
    for i in range(n):
        for j in range(width):
            shares = np.exp(log_softmax(scores[i, j] / np.float32(decoding.temperature or 1.0))).astype(np.float64)
            order = np.argsort(-shares, kind="stable")
            sums = np.cumsum(shares[order])
            kept = order[: int(np.searchsorted(sums, decoding.top_p * sums[-1])) + 1]
            words[i, j] = chances[i][j].choice(kept, p=shares[kept] / shares[kept].sum())
    return words


def _ranked(said: NDArray[np.int64], totals: Floats, count: int, marks: Marks) -> list[list[Drawn]]:
    out = []
    for texts, scores in zip(said, totals, strict=True):
        ended = [text.tolist() for text in texts]
        cut = [text[: text.index(marks.end)] if marks.end in text else text for text in ended]
        drawn = [Drawn(ids, float(score) / (len(ids) + 1) ** LENGTH) for ids, score in zip(cut, scores, strict=True)]
        out.append(sorted(drawn, key=lambda each: -each.worth)[:count])
    return out
