"""Judges terms of prompts by what is known of an image: five human captions, a label, or the columns of a table.

A term is true if somebody says it, or the label is one of its names. It is false where those who knew would have said
it; what nobody says of any image ("soft window light"), or a label tells nothing about, is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from catalens.models.readers.phrases import COLOURS, VERBS, stem
from catalens.tasks.class_words import plain
from catalens.tasks.english import stems
from catalens.tasks.schema import Schema
from catalens.training.caption_truth import PEOPLE_SAID, CaptionTruth
from catalens.training.label_truth import LabelTruth

Stems: TypeAlias = tuple[str, ...]
_VERBS = frozenset(stem(verb) for verb in VERBS)
_PEOPLE = frozenset(stems("person people man woman boy girl child baby couple crowd somebody"))
_WHATEVER_IT_IS_CALLED = frozenset({"dog", "puppy", "animal", "vehicle", "person", "people"})
"""Of a caption: any breed is a dog. Of all else, the word itself is asked for: not every person is a student."""


@dataclass(frozen=True, slots=True)
class Sayable:
    """What is said at all.

    Attributes:
        words: stems in the captions of training images.
        things: names of classes of things.
    """

    words: frozenset[str]
    things: frozenset[Stems]

    @classmethod
    def of(cls, captions: Sequence[Sequence[str]], things: Sequence[str]) -> Sayable:
        """Return the words of captions, and names of things."""
        words = frozenset(word for texts in captions for text in texts for word in stems(text))
        return cls(words, frozenset(map(plain, things)))


class ProductTruth:
    """What the columns of a product say: its labels by group of a schema."""

    def __init__(self, labels: Mapping[str, str], terms: Mapping[Stems, frozenset[tuple[str, str]]]) -> None:
        """Take the product's labels, and stems of a term → the (group, label) pairs that it stands for."""
        self._labels, self._terms = labels, terms

    def term(self, term: str) -> bool | None:
        """Return whether one of the labels that a term stands for is the product's own."""
        meant = self._terms.get(plain(term), frozenset())
        told = [(group, label) for group, label in meant if group in self._labels]
        return any(self._labels[group] == label for group, label in told) if told else None


TermTruth: TypeAlias = CaptionTruth | LabelTruth | ProductTruth


def schema_terms(schema: Schema) -> dict[Stems, frozenset[tuple[str, str]]]:
    """Return the stems of every label's name and wordings, with the groups and labels that they stand for."""
    found: dict[Stems, set[tuple[str, str]]] = {}
    for group in schema.groups:
        for label in group.labels:
            for words in (label.name, *label.wordings):
                found.setdefault(plain(words), set()).add((group.name, label.name))
    return {words: frozenset(some) for words, some in found.items()}


def term_truth(term: str, truth: TermTruth, sayable: Sayable, *, is_complete: bool = False) -> bool | None:
    """Return whether a term is true of an image; None where that is not known.

    Args:
        term: such as "sandy beach".
        truth: what is known of the image.
        sayable: what is said at all.
        is_complete: the label says all that there is: groceries, clothes on a bed.

    >>> said = Sayable.of([["a dog runs on sand under blue sky"]], ["dog", "moth"])
    >>> beach = CaptionTruth(["a dog runs on the sand"])
    >>> [term_truth(term, beach, said) for term in ("dog", "running", "blue", "moth", "soft window light")]
    [True, True, False, None, None]
    """
    if isinstance(truth, ProductTruth):
        return truth.term(term)
    words = plain(term)
    if isinstance(truth, CaptionTruth):
        return _said(term, words, truth) if set(words) <= sayable.words else None
    if _verb(term):
        return truth.action(_verb(term))
    if not _PEOPLE.isdisjoint(words):
        return None if truth.people else truth.people  # how many, and who, is not labelled
    if words in truth.nouns:
        return True
    # A label says nothing of colours, places and materials; of single objects, only what thing it is.
    is_judged = words in sayable.things or (is_complete and COLOURS.isdisjoint(words))
    return False if is_judged and PEOPLE_SAID.isdisjoint(words) else None


def _said(term: str, words: Stems, truth: CaptionTruth) -> bool:
    if _verb(term):
        return truth.action(_verb(term))
    if term in COLOURS:
        return truth.colour(term)
    return truth.noun(term) if term in _WHATEVER_IT_IS_CALLED else truth.says(" ".join(words))


def _verb(term: str) -> str:
    """Return the stem of a verb in -ing, or ""."""
    return stem(term) if term.endswith("ing") and stem(term) in _VERBS else ""
