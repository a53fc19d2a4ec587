"""Classes that an encoder was taught to tell apart: a vector for each, and the words that people have for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from catalens.core.types import Vectors


@dataclass(frozen=True, slots=True)
class NounTable:
    """Nouns in lower case that no class is called by, but that stand for classes.

    Attributes:
        same: noun → the classes that it is true of; none where it usually means something else than a class.
        kinds: noun → the classes that its images resemble, being other kinds of the same: "croissant" those of bread.
    """

    same: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    kinds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """A set of classes that exclude one another: an image shows one of them, or something else.

    Attributes:
        vectors: (c, dim) unit rows, compared with images as texts are.
        named: noun or phrase in lower case → the classes that it is true of: "dog" of every breed.
        nouns: further nouns, which only the user's own words are looked up in.
    """

    vectors: Vectors
    named: Mapping[str, tuple[int, ...]]
    nouns: NounTable = NounTable()


ClassSets: TypeAlias = Mapping[str, Classes]
"""Name → a set of classes of one encoder: "things", or "surroundings", which are indoors and outdoors."""

THINGS, SURROUNDINGS, SCENES, PEOPLE, ACTIONS = "things", "surroundings", "scenes", "people", "actions"
"""The sets that the bundled encoders have."""
