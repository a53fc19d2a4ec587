"""Labels that stand for classes of an encoder: "dog" for every breed, and all other classes for "none of these".

A text vector of "a dog" lies somewhere among those of the breeds and is near to no image of one. Where an encoder was
taught classes, a label has all the vectors of the classes that its wordings name, beside its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from catalens.core.classes import Classes, ClassSets
from catalens.core.protocols import Encoder
from catalens.core.types import Scores, Vectors
from catalens.core.vectors import softmax
from catalens.tasks.class_words import Meant, classes_by_stems, meant_by, plain
from catalens.tasks.question_kinds import is_colour

SOMEBODY = ("person", "people")
"""Things that do not exclude any other."""
_NONE_OF_THESE = 0.25
"""How likely "none of these" is beside all classes of the labels, before looking."""
_BLOCK = 1 << 12
"""Images whose logits against every class are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassRows:
    """Classes and the labels that they count for.

    Attributes:
        vectors: (c, dim) unit rows of the classes of labels, those of the same labels side by side.
        starts: (g,) the first row of each group of classes.
        owners: (g,) positions of the labels that each group counts for, at least one.
        rest: (r, dim) unit rows of the classes that no label names: "none of these".
        weight: of a class of the rest beside one of a label's.
        others: positions of the labels that a picture of the rest may fit as well, as far as their texts say.
    """

    vectors: Vectors
    starts: NDArray[np.intp]
    owners: Sequence[NDArray[np.intp]]
    rest: Vectors
    weight: float = 1.0
    others: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    def added(self, vectors: Vectors, labels: Scores, unknown: Scores, scale: float) -> tuple[Scores, Scores]:
        """Return logits in which a label counts as its text and its classes together: the sum of their likelihoods.

        Several labels share the likelihood of their classes as their texts are likely.

        Args:
            vectors: (n, dim) of images.
            labels: (n, m) logits of the labels' texts.
            unknown: (n, 1) or (n, 0) logits of "none of these".
            scale: of the cosines.

        Returns:
            (n, m) and (n, 1), or (n, 0) as before where every class has a label.
        """
        found, nothing = labels.copy(), np.full((len(labels), 1), -np.inf, dtype=np.float32)
        nothing[:, : unknown.shape[1]] = unknown
        for rows in _blocks(len(vectors)):
            self._add_owned(vectors[rows], labels[rows], found[rows], scale)
            if len(self.rest):
                self._add_rest(vectors[rows], labels[rows], found[rows], nothing[rows], scale)
        return found, nothing if unknown.shape[1] or len(self.rest) else unknown

    def _add_owned(self, vectors: Vectors, texts: Scores, found: Scores, scale: float) -> None:
        pooled = np.logaddexp.reduceat(np.float32(scale) * (vectors @ self.vectors.T), self.starts, axis=1)
        alone = [at for at, who in enumerate(self.owners) if len(who) == 1]
        places = [int(self.owners[at][0]) for at in alone]
        found[:, places] = np.logaddexp(found[:, places], pooled[:, alone])
        for at, who in enumerate(self.owners):
            if len(who) > 1:
                shares = texts[:, who] - np.logaddexp.reduce(texts[:, who], axis=1, keepdims=True)
                found[:, who] = np.logaddexp(found[:, who], pooled[:, [at]] + shares)

    def _add_rest(self, vectors: Vectors, texts: Scores, found: Scores, nothing: Scores, scale: float) -> None:
        logits = np.float32(scale) * (vectors @ self.rest.T)
        pooled = np.logaddexp.reduce(logits, axis=1, keepdims=True) + np.float32(np.log(self.weight))
        shares = softmax(np.concatenate([texts, nothing], axis=1))[:, self.others]
        # No more of the rest than the texts give them; what they give to labels with classes is none of these.
        tiny = np.finfo(np.float32).tiny
        left = np.maximum(1 - shares.sum(axis=1, keepdims=True), tiny)
        found[:, self.others] = np.logaddexp(found[:, self.others], pooled + np.log(np.maximum(shares, tiny)))
        nothing[:] = np.logaddexp(nothing, pooled + np.log(left))


def classes_of(encoder: Encoder, name: str) -> Classes | None:
    """Return a set of classes that came with an encoder; None where it did not."""
    sets: ClassSets = getattr(encoder, "classes", {})
    return sets.get(name)


def class_rows(classes: Classes, wordings: Sequence[Sequence[str]]) -> ClassRows:
    """Assign each class to the label with the most specific word for it; of several, to the first.

    Args:
        classes: of the encoder.
        wordings: of each label, and its name; articles and plurals do not matter.

    >>> known = Classes(np.eye(3, dtype=np.float32), {"dog": (0, 1), "animal": (0, 1, 2), "poodle": (1,)})
    >>> [who.tolist() for who in class_rows(known, [["an animal"], ["a dog"]]).owners]
    [[0], [1]]
    """
    named = classes_by_stems(classes)
    found = [[named[plain(wording)] for wording in some if plain(wording) in named] for some in wordings]
    owners = [{min(who)} if who else who for who in _most_particular(len(classes.vectors), found)[0]]
    return _grouped(classes, owners, [at for at, who in enumerate(owners) if not who])


def label_rows(classes: Classes | None, wordings: Sequence[Sequence[str]]) -> ClassRows | None:
    """Assign classes to labels of any kind; some, such as "golden hour" or a brand, may have none.

    Labels with the most particular word for a class share it, also those that are only a kind of what it is: "kitten"
    and "cat". Before looking, the labels' classes together are four times as likely as all others. A picture of these
    others fits labels without a class as far as their texts say, and else none: without any class all is as the texts
    say. People wear and ride things, and are never why a picture shows none of these.

    Args:
        classes: of the encoder, which may have none.
        wordings: of each label, and its name.

    Returns:
        None where no label names a class.

    >>> known = Classes(np.eye(3, dtype=np.float32), {"dog": (0,), "cat": (1,)})
    >>> rows = label_rows(known, [["a photo of a cat"], ["my brand"]])
    >>> rows.owners[0].tolist(), rows.others.tolist(), len(rows.rest), rows.weight, label_rows(known, [["my brand"]])
    ([0], [1], 2, 0.125, None)
    """
    if classes is None:
        return None
    found = [[meant_by(classes, wording) for wording in some] for some in wordings]
    own = [any(each.places for each in some) for some in found]
    are_colours = [any(map(is_colour, some)) for some in wordings]
    if any(colour and not has_classes for colour, has_classes in zip(are_colours, own, strict=True)):
        # Beside "red", "orange" is no fruit.
        own = [has_classes and not colour for colour, has_classes in zip(are_colours, own, strict=True)]
    if not any(own):
        return None
    owners = _owners(len(classes.vectors), [some if has else () for some, has in zip(found, own, strict=True)])
    named = classes_by_stems(classes)
    beside = {at for word in SOMEBODY for at in named.get((word,), ())}
    rest = [at for at, who in enumerate(owners) if not who and at not in beside]
    rows = _grouped(classes, owners, rest)
    weight = _NONE_OF_THESE * len(rows.vectors) / max(1, len(rest))
    others = np.flatnonzero(~np.array(own))
    return replace(rows, weight=weight, others=others)


def _owners(count: int, meant: Sequence[Sequence[Meant]]) -> list[set[int]]:
    """Return the labels of each class: those that name it, and those of its kind that are as particular or more."""
    true_of, fewest = _most_particular(count, [[each.places for each in some if each.is_own] for some in meant])
    alike, fewest_alike = _most_particular(count, [[each.places for each in some if not each.is_own] for some in meant])
    return [
        one | other if least_alike <= least else one
        for one, other, least, least_alike in zip(true_of, alike, fewest, fewest_alike, strict=True)
    ]


def _most_particular(count: int, named: Sequence[Sequence[Sequence[int]]]) -> tuple[list[set[int]], list[int]]:
    """Return the labels with the most particular word for each class, and of how many classes that word is true.

    Args:
        count: of all classes.
        named: of each label, the classes that each of its words is true of.
    """
    owners: list[set[int]] = [set() for _ in range(count)]
    fewest = [count + 1] * count
    for at, some in enumerate(named):
        for places in some:
            for place in places:
                if len(places) < fewest[place]:
                    owners[place], fewest[place] = set(), len(places)
                if len(places) == fewest[place]:
                    owners[place].add(at)
    return owners, fewest


def _grouped(classes: Classes, owners: Sequence[set[int]], rest: Sequence[int]) -> ClassRows:
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, who in enumerate(owners):
        if who:
            groups.setdefault(tuple(sorted(who)), []).append(place)
    order = sorted(groups)
    starts = np.cumsum([0, *(len(groups[who]) for who in order)], dtype=np.intp)[:-1]
    vectors = classes.vectors[[place for who in order for place in groups[who]]]
    return ClassRows(vectors, starts, [np.array(who, dtype=np.intp) for who in order], classes.vectors[list(rest)])


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))
