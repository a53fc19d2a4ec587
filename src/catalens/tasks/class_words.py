"""What words stand for among the classes that an encoder was taught."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from catalens.core.classes import Classes
from catalens.tasks.english import stems

_PHOTO = re.compile(
    r"\s*(?:(?:an?|the)\s+)?(?:photos?|photographs?|pictures?|images?|close-?ups?)\s+of\s+", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Meant:
    """The classes that a word stands for; `is_own` where it is true of them and not merely of others of their kind."""

    places: tuple[int, ...] = ()
    is_own: bool = True


def meant_by(classes: Classes, wording: str) -> Meant:
    """Return what a word of the user's stands for: classes that it names, or else those that its images resemble.

    >>> import numpy as np
    >>> from catalens.core.classes import NounTable
    >>> known = Classes(np.eye(2, dtype=np.float32), {"bread": (0, 1)}, NounTable(kinds={"croissant": (0, 1)}))
    >>> meant_by(known, "croissants"), meant_by(known, "my brand")
    (Meant(places=(0, 1), is_own=False), Meant(places=(), is_own=True))
    """
    words = plain(wording)
    same, kinds = _nouns_by_stems(classes)
    places = same.get(words, classes_by_stems(classes).get(words))
    return Meant(kinds.get(words, ()), is_own=words not in kinds) if places is None else Meant(places)


@lru_cache(maxsize=16)
def classes_by_stems(classes: Classes) -> Mapping[tuple[str, ...], tuple[int, ...]]:
    """Return what is named, by the stems of the words."""
    return _by_stems(classes.named)


@lru_cache(maxsize=16)
def _nouns_by_stems(classes: Classes) -> tuple[Mapping[tuple[str, ...], tuple[int, ...]], ...]:
    return _by_stems(classes.nouns.same), _by_stems(classes.nouns.kinds)


def _by_stems(named: Mapping[str, tuple[int, ...]]) -> Mapping[tuple[str, ...], tuple[int, ...]]:
    found: dict[tuple[str, ...], tuple[int, ...]] = {}
    for name, places in named.items():
        found[stems(name)] = tuple(dict.fromkeys((*found.get(stems(name), ()), *places)))
    return found


def plain(wording: str) -> tuple[str, ...]:
    """Return the stems of a wording without its article, nor what says that it is a photograph.

    >>> plain("A sports car"), plain("puppies"), plain("a photo of the cats")
    (('sport', 'car'), ('puppy',), ('cat',))
    """
    words = stems(wording[found.end() if (found := _PHOTO.match(wording)) else 0 :])
    return words[1:] if words[:1] in (("a",), ("an",), ("the",)) else words
