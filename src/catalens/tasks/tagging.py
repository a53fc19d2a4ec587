"""Tags: the labels of a bank that fit a picture, with probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.types import Tag, Vectors
from catalens.tasks.labels import LabelBank
from catalens.tasks.probabilities import exclusive, independent
from catalens.tasks.ranking import check_k
from catalens.tasks.ranking import top_k as top_positions
from catalens.tasks.schema import UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRules:
    """How probabilities become tags. Rules may name labels that a bank lacks.

    Attributes:
        replacements: label → the word to return instead. Labels with the same word become one tag: their
            probabilities add up where labels exclude each other, else the highest counts.
        deny: words never returned, in upper or lower case. Their labels still compete, so that no other probability
            changes, and "unknown" stays unless it is denied itself.
        thresholds: word → the probability that it needs, instead of the general minimum.
        temperature: as learned by calibration; 1 leaves the model's own.
        show_unknown: list "unknown" wherever it ranks, not only where it is first.
    """

    replacements: Mapping[str, str] = field(default_factory=dict)
    deny: frozenset[str] = frozenset()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    show_unknown: bool = False

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"the temperature is {self.temperature}; it must be above 0")

    def denied(self) -> frozenset[str]:
        """Return the denied words folded, to be looked up with `str.casefold`."""
        return frozenset(word.casefold() for word in self.deny)


def tag(
    vectors: Vectors,
    bank: LabelBank,
    *,
    top_k: int = 5,
    min_score: float = 0.0,
    rules: TagRules = TagRules(),
) -> list[list[Tag]]:
    """Return the labels that fit each picture best.

    A model without a bias shares one probability among all labels of the bank and "none of these", so that they
    sum to one; a model with a bias judges each label by itself. "None of these" is the tag "unknown": it is returned
    where it ranks first, or wherever it ranks if the rules ask for it.

    Args:
        vectors: (n, dim), unit rows from the bank's own encoder.
        bank: m encoded labels.
        top_k: maximum number of tags per picture.
        min_score: the probability that a label needs.
        rules: deny-list, replacements, thresholds of single labels, temperature.

    Returns:
        n lists, best first; equal scores keep the bank's order. A list is empty where nothing reaches its minimum.

    Raises:
        InputError: top_k is less than 1, or the vectors do not fit the bank.

    Source:
        Radford et al. 2021, section 3.1.4; Zhai et al. 2023, section 3.2; scale and bias are the model's own.
    """
    check_k(top_k)
    plan = _plan(bank, rules, min_score)
    return [tags for rows in bank.blocks(len(vectors)) for tags in _tag_block(vectors[rows], bank, plan, rules, top_k)]


@dataclass(frozen=True, slots=True)
class _Plan:
    """Rules looked up once for a bank.

    Attributes:
        words: row → the word to return, where it may differ from the label.
        folds: (row, row whose word it shares); the first is never returned itself.
        minima: (m,), the probability that each row needs; infinite where it is never returned.
    """

    words: Mapping[int, str]
    folds: Sequence[tuple[int, int]]
    minima: NDArray[np.float32]


def _plan(bank: LabelBank, rules: TagRules, min_score: float) -> _Plan:
    minima = np.full(len(bank), min_score, dtype=np.float32)
    denied = rules.denied()
    named = {*rules.thresholds, *rules.replacements, *rules.replacements.values()}
    rows_of: dict[str, list[int]] = {}
    for row, label in enumerate(bank.labels if named or denied else ()):
        if label in named or label.casefold() in denied:
            rows_of.setdefault(rules.replacements.get(label, label), []).append(row)
    words: dict[int, str] = {}
    folds: list[tuple[int, int]] = []
    for word, (first, *others) in rows_of.items():
        words[first] = word
        folds += [(row, first) for row in others]
        minima[others] = np.inf
        minima[first] = np.inf if word.casefold() in denied else rules.thresholds.get(word, min_score)
    return _Plan(words, folds, minima)


def _tag_block(vectors: Vectors, bank: LabelBank, plan: _Plan, rules: TagRules, k: int) -> list[list[Tag]]:
    judge, join = (exclusive, np.add) if bank.bias is None else (independent, np.maximum)
    scores, unknown = judge(*bank.logits(vectors), rules.temperature)
    for row, first in plan.folds:
        join(scores[:, first], scores[:, row], out=scores[:, first])
    wins = unknown > scores.max(axis=1)
    listed = (wins | rules.show_unknown) & (len(bank.unknown) > 0 and UNKNOWN not in rules.denied())
    given = np.where(scores >= plan.minima, scores, np.float32(-1.0))
    best = top_positions(given, k)
    best_scores = np.take_along_axis(given, best, axis=1)
    tags: list[list[Tag]] = []
    for row in range(len(vectors)):
        found = [
            Tag(plan.words.get(at, bank.labels[at]), score)
            for at, score in zip(best[row].tolist(), best_scores[row].tolist(), strict=True)
            if score >= 0.0
        ]
        if listed[row]:
            found.append(Tag(UNKNOWN, float(unknown[row])))
            found.sort(key=lambda each: -each.score)
        tags.append(found[:k])
    return tags
