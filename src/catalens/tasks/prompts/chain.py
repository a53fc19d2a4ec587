"""The chain search: a prompt grows by the one phrase that brings it nearest to the picture, again and again.

It knows scores, where higher is better, and nothing of vectors; whoever searches for the farthest prompt negates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Score = Callable[[str, Sequence[str]], NDArray[np.floating]]
"""A prompt and n phrases → (n,) scores of `prompt, phrase`."""
Fits = Callable[[str, Sequence[str]], NDArray[np.bool_]]
"""A prompt and n phrases → (n,) whether `prompt, phrase` is within the token limit; monotone in the prompt."""

LAZY_BATCH = 64
"""Phrases that a lazy search scores at once: enough to keep the processor busy."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A prompt, its score, and the positions of the phrases that were added, in order."""

    prompt: str
    score: float
    chosen: tuple[int, ...] = ()


class ChainSearch:
    """One search over m phrases.

    Args:
        phrases: what may be added, each at most once; of equal scores the first in this order wins.
        score: what a prompt is worth.
        fits: phrases beyond the token limit are neither scored nor added.
        lazy: score only the phrases that may still win. What a phrase added to the prompt when it was last scored is
            taken for the most that it can add now: a phrase says less, the more is said already. That holds nearly
            always and not always, so the result may differ from the exact one; how much is to be measured.

    Source:
        Minoux 1978, "Accelerated greedy algorithms for maximizing submodular set functions", is the lazy rule.
    """

    def __init__(self, phrases: Sequence[str], score: Score, fits: Fits, *, lazy: bool = False) -> None:
        self._phrases, self._score, self._fits = phrases, score, fits
        self._lazy = lazy
        self._left = np.ones(len(phrases), dtype=np.bool_)
        self._gains = np.full(len(phrases), np.inf)
        self.scored = 0
        """Number of prompts scored so far."""

    def run(self, start: Chain, *, min_count: int, max_count: int) -> Chain:
        """Extend a prompt, and return the best prompt reached.

        Args:
            start: where it begins.
            min_count: minimum number of phrases, added even if they do not help, since the next may.
            max_count: maximum number of phrases.
        """
        best = now = start
        for count in range(max_count):
            grown = self._grown(now)
            if grown is None:
                break
            if grown.score > best.score:
                best = grown
            if grown.score <= now.score and count >= min_count:
                break
            now = grown
            self._left[grown.chosen[-1]] = False
        return best

    def _grown(self, now: Chain) -> Chain | None:
        """Add the best remaining phrase that fits; None if there is none."""
        left = np.flatnonzero(self._left)
        self._left[left] = self._fits(now.prompt, [self._phrases[at] for at in left.tolist()])
        waiting = np.flatnonzero(self._left)
        if not len(waiting):
            return None
        scores = np.full(len(self._phrases), -np.inf)
        if self._lazy and np.isfinite(self._gains[waiting]).all():
            self._score_hopeful(now, waiting, scores)
        else:
            self._score_some(now, waiting, scores)
        top = int(np.argmax(scores))
        return Chain(f"{now.prompt}, {self._phrases[top]}", float(scores[top]), (*now.chosen, top))

    def _score_hopeful(self, now: Chain, waiting: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Score phrases in descending order of their last gain, until no other can win."""
        waiting = waiting[np.argsort(-self._gains[waiting], kind="stable")]
        while len(waiting) and self._gains[waiting[0]] > scores.max() - now.score:
            some, waiting = waiting[:LAZY_BATCH], waiting[LAZY_BATCH:]
            self._score_some(now, some, scores)

    def _score_some(self, now: Chain, some: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        scores[some] = self._score(now.prompt, [self._phrases[at] for at in some.tolist()])
        self._gains[some] = scores[some] - now.score
        self.scored += len(some)
