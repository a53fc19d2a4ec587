"""Negation: does a sentence deny a phrase?

It reads the words right before and right after what is mentioned, and knows nothing of products.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from catalens.tasks.english import stems

_NOT = frozenset(
    stems("not no never without neither nor non cannot can't won't isn't aren't wasn't weren't doesn't don't didn't")
    + stems("hasn't haven't lacks lack lacking minus")
)
_NOT_IN_TWO = frozenset(
    map(stems, ("free of", "free from", "anything but", "far from", "rather than", "instead of", "other than"))
)
_FREE_OF_ELSE = frozenset(map(stems, ("free size", "free of", "free from")))
_BETWEEN = frozenset(
    stems("a an any the in of at all is are be been being was it its they made make from come comes coming available")
    + stems("offered have has had look looks really quite exactly actually truly very so or even")
)


def is_denied(words: Sequence[str], at: int, end: int, mentioned: Set[int]) -> bool:
    """Return whether words[at:end] follow a "not", or precede a "free" or a "no" that ends the sentence.

    Between the two only words without a meaning of their own may stand, or such as are mentioned in the same breath:
    "not a striped blue shirt" denies the blue, and "do not miss this blue shirt" does not.

    Args:
        words: stems of a sentence.
        at: where what is mentioned begins.
        end: where it ends.
        mentioned: positions of all matched words; a "no" among them is part of a phrase.

    >>> words = stems("It is not made of blue cotton")
    >>> is_denied(words, 5, 6, {5, 6}), is_denied(words, 6, 7, {5, 6}), is_denied(words, 1, 2, {5, 6})
    (True, True, False)
    """
    after = tuple(words[end : end + 2])
    if end not in mentioned and (after == ("no",) or (after[:1] == ("free",) and after not in _FREE_OF_ELSE)):
        return True
    before = at - 1
    while before >= 0:
        if before not in mentioned and (words[before] in _NOT or tuple(words[before - 1 : before + 1]) in _NOT_IN_TWO):
            return True
        if before not in mentioned and words[before] not in _BETWEEN:
            return False
        before -= 1
    return False
