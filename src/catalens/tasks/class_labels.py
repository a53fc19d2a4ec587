"""Labels that stand for classes of an encoder: "dog" for every breed, and all other classes for "none of these".

A text vector of "a dog" lies somewhere among those of the breeds and is near to no image of one. Where an encoder was
taught classes, a label has all the vectors of the classes that its wordings name, beside its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalens.core.classes import Classes, ClassSets
from catalens.core.protocols import Encoder
from catalens.core.types import Scores, Vectors
from catalens.tasks.english import stems

NO_LABEL = -1
_BLOCK = 1 << 12
"""Images whose logits against every class are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassRows:
    """Vectors of classes, in the order of the labels that they count for.

    Attributes:
        vectors: (c, dim) unit rows.
        owners: (c,) ascending positions of labels, or `NO_LABEL` of those that mean "none of these".
    """

    vectors: Vectors
    owners: NDArray[np.intp]

    def added(self, vectors: Vectors, labels: Scores, unknown: Scores, scale: float) -> tuple[Scores, Scores]:
        """Return logits in which a label counts as its text and its classes together: the sum of their likelihoods.

        Args:
            vectors: (n, dim) of images.
            labels: (n, m) logits of the labels' texts.
            unknown: (n, 1) or (n, 0) logits of "none of these".
            scale: of the cosines.

        Returns:
            (n, m) and (n, 1), or (n, 0) as before where every class has a label.
        """
        owners, starts = np.unique(self.owners, return_index=True)
        none, owned = owners == NO_LABEL, owners != NO_LABEL
        labels = labels.copy()
        nothing = np.full((len(vectors), int(none.any())), -np.inf, dtype=np.float32)
        for rows in _blocks(len(vectors)):
            logits = np.float32(scale) * (vectors[rows] @ self.vectors.T)
            pooled = np.logaddexp.reduceat(logits, starts, axis=1)
            places = owners[owned]
            labels[rows, places] = np.logaddexp(labels[rows, places], pooled[:, owned])
            nothing[rows] = pooled[:, none]
        if unknown.shape[1]:
            unknown = np.logaddexp(unknown, nothing) if nothing.shape[1] else unknown
            return labels, unknown
        return labels, nothing


def classes_of(encoder: Encoder, name: str) -> Classes | None:
    """Return a set of classes that came with an encoder; None where it did not."""
    sets: ClassSets = getattr(encoder, "classes", {})
    return sets.get(name)


def class_rows(classes: Classes, wordings: Sequence[Sequence[str]]) -> ClassRows:
    """Give each class to the label with the most particular word for it.

    Args:
        classes: of the encoder.
        wordings: of each label, and its name; articles and plurals do not matter.

    >>> known = Classes(np.eye(3, dtype=np.float32), {"dog": (0, 1), "animal": (0, 1, 2), "poodle": (1,)})
    >>> class_rows(known, [["an animal"], ["a dog"]]).owners.tolist()
    [0, 1, 1]
    """
    named = classes_by_stems(classes)
    owner = np.full(len(classes.vectors), NO_LABEL, dtype=np.intp)
    fewest = np.full(len(classes.vectors), len(classes.vectors) + 1)
    for at, some in enumerate(wordings):
        for places in filter(None, (named.get(plain(wording)) for wording in some)):
            here = np.array(places)[fewest[list(places)] > len(places)]
            owner[here], fewest[here] = at, len(places)
    order = np.argsort(owner, kind="stable")
    return ClassRows(classes.vectors[order], owner[order])


def classes_by_stems(classes: Classes) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return what is named, by the stems of the words."""
    found: dict[tuple[str, ...], tuple[int, ...]] = {}
    for name, places in classes.named.items():
        found[stems(name)] = tuple(dict.fromkeys((*found.get(stems(name), ()), *places)))
    return found


def plain(wording: str) -> tuple[str, ...]:
    """Return the stems of a wording without its article.

    >>> plain("A sports car"), plain("puppies")
    (('sport', 'car'), ('puppy',))
    """
    words = stems(wording)
    return words[1:] if words[:1] in (("a",), ("an",), ("the",)) else words


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))
