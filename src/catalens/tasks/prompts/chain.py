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
Fits = Callable[[str], bool]
"""Whether a text may be a prompt; one that may not be does not become one by growing."""

LAZY_BATCH = 256
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
        fits: prompts that do not fit are never taken.
        lazy: score only the phrases that may still win. What a phrase added to the prompt when it was last scored is
            taken for the most that it can add now: a phrase says less, the more is said already. That holds nearly
            always and not always, so the result may differ from the exact one; how much is to be measured.

    Source:
        Minoux 1978, "Accelerated greedy algorithms for maximizing submodular set functions", is the lazy rule.
    """

    def __init__(self, phrases: Sequence[str], score: Score, fits: Fits, *, lazy: bool = False) -> None:
        self._phrases, self._score, self._fits = phrases, score, fits
        self._batch = LAZY_BATCH if lazy else len(phrases)
        self._left = np.ones(len(phrases), dtype=np.bool_)
        self._gains = np.full(len(phrases), np.inf)
        self.scored = 0
        """Prompts that were scored so far."""

    def run(self, start: Chain, *, min_count: int, max_count: int) -> Chain:
        """Grow a prompt, and give the best that it ever was.

        Args:
            start: where it begins.
            min_count: so many phrases are added even if they do not help: the next may.
            max_count: at most so many.
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
        """Add the best phrase that is left and fits; None if there is none."""
        self._forget_if_short_of_room(now)
        scores = np.full(len(self._phrases), -np.inf)
        fresh = np.zeros(len(self._phrases), dtype=np.bool_)
        while self._left.any():
            waiting = np.flatnonzero(self._left & ~fresh)
            top = int(np.argmax(np.where(self._left, scores, -np.inf)))
            if fresh[top] and not (len(waiting) and self._gains[waiting].max() > self._gains[top]):
                prompt = self._joined(now, top)
                if self._fits(prompt):
                    return Chain(prompt, float(scores[top]), (*now.chosen, top))
                self._forget_what_does_not_fit(now)
                continue
            some = waiting[np.argsort(-self._gains[waiting], kind="stable")[: self._batch]]
            scores[some] = self._score(now.prompt, [self._phrases[at] for at in some])
            self._gains[some] = scores[some] - now.score
            fresh[some] = True
            self.scored += len(some)
        return None

    def _forget_if_short_of_room(self, now: Chain) -> None:
        """Ask of the longest phrase only, which spares thousands of questions while there is room for all."""
        left = np.flatnonzero(self._left).tolist()
        if left and not self._fits(self._joined(now, max(left, key=lambda at: len(self._phrases[at])))):
            self._forget_what_does_not_fit(now)

    def _forget_what_does_not_fit(self, now: Chain) -> None:
        for at in np.flatnonzero(self._left).tolist():
            self._left[at] = self._fits(self._joined(now, at))

    def _joined(self, now: Chain, at: int) -> str:
        return f"{now.prompt}, {self._phrases[at]}"
