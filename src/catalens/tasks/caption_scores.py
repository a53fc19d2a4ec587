"""Scores of a corpus of captions with confidence intervals, and a test whether two captioners differ.

BLEU is a score of a corpus and no mean of its captions, so whole corpora are drawn again: each resample is a weight
for every caption, and the scores of all resamples are one matrix product away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.tasks.caption_metrics import bleu_counts, bleu_of, ciders, rouge_ls
from catalens.tasks.intervals import LEVEL, RESAMPLES, Interval

Floats: TypeAlias = NDArray[np.float64]
MEASURES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D", "ROUGE-L")
"""In the order of every array of scores."""
_SEED = 0
_MOST_WEIGHTS = 4_000_000
"""Weights that are held at a time."""


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """What is measured of n captions.

    Attributes:
        counts: (n, 10) of `bleu_counts`.
        cider: (n,) CIDEr-D.
        rouge_l: (n,) ROUGE-L.
    """

    counts: Floats
    cider: Floats
    rouge_l: Floats

    @property
    def parts(self) -> Floats:
        """(n, 12), whose sums over a corpus give its scores."""
        return np.column_stack([self.counts, self.cider, self.rouge_l])

    @property
    def corpus(self) -> Floats:
        """(6,), the score of all captions by each of `MEASURES`."""
        return _corpus(self.parts.sum(axis=0), len(self.cider))


@dataclass(frozen=True, slots=True)
class CaptionComparison:
    """Two captioners on the same pictures, by one measure.

    Attributes:
        difference: second minus first, with a paired bootstrap interval.
        p: of a paired randomisation test, two-sided: how likely a difference at least as large is if it does not
            matter which of the two wrote a caption.
    """

    difference: Interval
    p: float


def score_captions(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """Score n captions, each against at least one reference.

    Raises:
        InputError: nothing to score, the lengths differ, or a caption has no reference.
    """
    return CaptionScores(
        bleu_counts(candidates, references), ciders(candidates, references), rouge_ls(candidates, references)
    )


def caption_intervals(scores: CaptionScores) -> list[Interval]:
    """Return the score of each measure with its percentile bootstrap interval.

    How rare words are, which CIDEr weighs by, stays that of the whole corpus in every resample.
    """
    parts, n = scores.parts, len(scores.cider)
    drawn = np.concatenate([_corpus(weights @ parts, n) for weights in _resamples(n)])
    return _intervals(scores.corpus, drawn)


def compare_captions(first: CaptionScores, second: CaptionScores) -> list[CaptionComparison]:
    """Compare two captioners by each measure, on the same pictures in the same order.

    Raises:
        InputError: the numbers of captions differ.

    Source:
        Koehn 2004 (paired bootstrap); Riezler and Maxwell 2005 (randomisation).
    """
    n = len(first.cider)
    if n != len(second.cider):
        raise InputError(f"{n} captions cannot be paired with {len(second.cider)}; score the same pictures")
    ours, theirs = first.parts, second.parts
    apart = theirs - ours

    def swapped(swaps: Floats) -> Floats:
        moved = swaps @ apart
        return _corpus(theirs.sum(axis=0) - moved, n) - _corpus(ours.sum(axis=0) + moved, n)

    differences = second.corpus - first.corpus
    drawn = np.concatenate([_corpus(each @ theirs, n) - _corpus(each @ ours, n) for each in _resamples(n)])
    by_chance = np.concatenate([swapped(each) for each in _swaps(n)])
    # What is summed in another order differs in the last digit, and counts as equal.
    as_large = (np.abs(by_chance) >= np.abs(differences) - 1e-12).sum(axis=0)
    ps = (as_large + 1) / (RESAMPLES + 1)
    return [CaptionComparison(each, float(p)) for each, p in zip(_intervals(differences, drawn), ps, strict=True)]


def _corpus(sums: Floats, n: int) -> Floats:
    """Return (…, 6) scores of (…, 12) sums over n captions."""
    return np.concatenate([bleu_of(sums[..., :10]), sums[..., 10:] / n], axis=-1)


def _intervals(values: Floats, drawn: Floats) -> list[Interval]:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return [Interval(*map(float, each)) for each in zip(values, low, high, strict=True)]


def _resamples(n: int) -> Iterator[Floats]:
    """Yield how often each of n captions is drawn, in batches of (resamples, n)."""
    return _batches(n, lambda rng, size: rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64))


def _swaps(n: int) -> Iterator[Floats]:
    """Yield which of n captions change sides, in batches of (resamples, n) of 0 and 1."""
    return _batches(n, lambda rng, size: rng.integers(0, 2, size=(size, n)).astype(np.float64))


def _batches(n: int, draw: Callable[[np.random.Generator, int], Floats]) -> Iterator[Floats]:
    rng, size = np.random.default_rng(_SEED), max(1, _MOST_WEIGHTS // n)
    for start in range(0, RESAMPLES, size):
        yield draw(rng, min(size, RESAMPLES - start))
