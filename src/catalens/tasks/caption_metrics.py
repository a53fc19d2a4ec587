"""Caption metrics: BLEU, CIDEr-D and ROUGE-L as published results report them.

Each takes n candidates and, for each of them, reference captions of the same picture, as plain text, and returns what
the COCO caption evaluation gives, over the words of `caption_words`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.tasks.caption_words import caption_words

_LONGEST = 4
_SIGMA = 6.0
_BETA = 1.2
_Ngram = tuple[str, ...]
_Weights = list[dict[_Ngram, float]]


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, float, float, float]:
    """Return BLEU-1 to BLEU-4 of a corpus: modified n-gram precision with a brevity penalty.

    Args:
        candidates: n captions.
        references: n lists of at least one caption by people.

    Returns:
        Four numbers in [0, 1].

    Raises:
        InputError: nothing to score, the lengths differ, or a caption has no reference.

    Source:
        Papineni et al. 2002, over the corpus, the reference nearest in length, no smoothing.

    >>> [round(score, 4) for score in bleu(["the dog runs"], [["a dog runs", "the dog ran"]])]
    [1.0, 1.0, 0.0, 0.0]
    """
    one, two, three, four = bleu_of(bleu_counts(candidates, references).sum(axis=0)).tolist()
    return one, two, three, four


def bleu_counts(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Return what BLEU counts in each caption; arguments and errors as for `bleu`.

    Returns:
        (n, 10): the runs of 1 to 4 words that a reference has too, all runs of 1 to 4 words, the caption's length, and
        that of the reference nearest in length.
    """
    rows = []
    for words, others in _checked(candidates, references):
        nearest = min((abs(len(other) - len(words)), len(other)) for other in others)[1]
        counted = [_ngrams(other) for other in others]
        correct, possible = [], []
        for place, counts in enumerate(_ngrams(words)):
            most: Counter[_Ngram] = Counter()
            for other in counted:
                most |= other[place]
            correct.append((counts & most).total())
            possible.append(counts.total())
        rows.append([*correct, *possible, len(words), nearest])
    return np.array(rows, dtype=np.float64)


def bleu_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (…, 4) BLEU-1 to BLEU-4 of (…, 10) counts, each summed over a corpus."""
    correct, possible, lengths = counts[..., :_LONGEST], counts[..., _LONGEST : 2 * _LONGEST], counts[..., -2:]
    # The small numbers keep 0 / 0 from stopping it, and are those of the reference, so that the last digit agrees.
    ratio = (lengths[..., 0] + 1e-15) / (lengths[..., 1] + 1e-9)
    brevity = np.exp(np.minimum(0.0, 1 - 1 / ratio))
    products = np.cumprod((correct + 1e-15) / (possible + 1e-9), axis=-1)
    scores: NDArray[np.float64] = brevity[..., None] * products ** (1 / np.arange(1, _LONGEST + 1))
    return scores


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return CIDEr-D of a corpus: similarity to the references, with frequent n-grams weighted down.

    How rare words are is learned from these references, so scores of two sets of pictures cannot be compared, and
    a single picture scores 0.

    Args:
        candidates: n captions.
        references: n lists of at least one caption by people.

    Returns:
        A number in [0, 10]; papers print it times 100.

    Raises:
        InputError: nothing to score, the lengths differ, or a caption has no reference.

    Source:
        Vedantam et al. 2015, section 5.1 (sigma 6, n from 1 to 4); clipped counts and the length of the reference
        implementation, which counts pairs of words.
    """
    return float(ciders(candidates, references).mean())


def ciders(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Return (n,) CIDEr-D of each caption; arguments and errors as for `cider`."""
    _checked(candidates, references)
    scorer = Cider(references)
    return np.array([scorer.score(row, candidate) for row, candidate in enumerate(candidates)])


class Cider:
    """CIDEr-D of single captions; the references of n pictures are weighted once.

    Args:
        references: of each picture; how rare words are is learned from all of them.
    """

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        rows = [[_ngrams(caption_words(other)) for other in others] for others in references]
        self._seen_in = Counter(ngram for others in rows for ngram in {gram for n in others for of in n for gram in of})
        self._pictures = len(rows)
        self._rows = [[(self._weigh(other), other[1].total()) for other in others] for others in rows]

    def score(self, row: int, candidate: str) -> float:
        """Score a caption of the picture at a place: in [0, 10]."""
        counts = _ngrams(caption_words(candidate))
        weights, total = self._weigh(counts), 0.0
        for other, pairs in self._rows[row]:
            apart = counts[1].total() - pairs
            total += _likeness(weights, other) * math.exp(-(apart**2) / (2 * _SIGMA**2))
        return 10 * total / len(self._rows[row])

    def _weigh(self, counts: Sequence[Counter[_Ngram]]) -> _Weights:
        """Weigh each run of words by how often it is here and in how few pictures' references."""
        known = math.log(self._pictures)
        return [
            {gram: times * (known - math.log(max(1, self._seen_in[gram]))) for gram, times in n.items()} for n in counts
        ]


def rouge_l(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return the mean ROUGE-L: longest common subsequence with a reference.

    Args:
        candidates: n captions.
        references: n lists of at least one caption by people.

    Returns:
        A number in [0, 1]: the F-measure that favours recall (beta 1.2) of the best precision and the best recall.

    Raises:
        InputError: nothing to score, the lengths differ, or a caption has no reference.

    Source:
        Lin 2004, section 2; beta as in the COCO caption evaluation.

    >>> round(rouge_l(["a dog runs home"], [["the dog runs"]]), 4)
    0.5865
    """
    return float(rouge_ls(candidates, references).mean())


def rouge_ls(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Return (n,) ROUGE-L of each caption; arguments and errors as for `rouge_l`."""
    rows = _checked(candidates, references)
    scores = np.zeros(len(rows))
    for row, (words, others) in enumerate(rows):
        shared = [_longest_shared(words, other) for other in others]
        precision = max(shared) / max(1, len(words))
        recall = max(common / max(1, len(other)) for common, other in zip(shared, others, strict=True))
        if precision and recall:
            scores[row] = (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)
    return scores


def _checked(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[tuple[list[str], list[list[str]]]]:
    """Return n pairs of a caption's words and its references' words."""
    if not candidates or len(candidates) != len(references):
        raise InputError(
            f"{len(candidates)} captions with {len(references)} lists of references: give as many of each, at least one"
        )
    alone = next((place for place, others in enumerate(references) if not others), None)
    if alone is not None:
        raise InputError(f"caption {alone + 1}, {candidates[alone]!r}, has no reference; give at least one")
    return [
        (caption_words(candidate), [caption_words(other) for other in others])
        for candidate, others in zip(candidates, references, strict=True)
    ]


def _ngrams(words: Sequence[str]) -> list[Counter[_Ngram]]:
    """Count the runs of 1 to 4 words."""
    return [Counter(zip(*(words[start:] for start in range(n)), strict=False)) for n in range(1, _LONGEST + 1)]


def _likeness(candidate: _Weights, reference: _Weights) -> float:
    """Return the mean, over lengths, of the cosines of weights, no weight counted beyond the reference's own."""
    total = 0.0
    for ours, theirs in zip(candidate, reference, strict=True):
        norms = math.hypot(*ours.values()) * math.hypot(*theirs.values())
        if norms:
            total += (
                sum(min(weight, theirs.get(gram, 0.0)) * theirs.get(gram, 0.0) for gram, weight in ours.items()) / norms
            )
    return total / len(candidate)


def _longest_shared(words: Sequence[str], others: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(others) + 1)
    for word in words:
        before = 0
        for place, other in enumerate(others, start=1):
            before, row[place] = row[place], before + 1 if word == other else max(row[place], row[place - 1])
    return row[-1]
