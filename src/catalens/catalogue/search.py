"""Search by texts, pictures and mixtures of them, some of them unwanted, by meaning, by words, or by both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

import numpy as np

from catalens.catalogue.cutoff import Cutoff, scoring
from catalens.catalogue.encoder_mismatch import refusal
from catalens.catalogue.fusion import by_words
from catalens.core.errors import CatalogueError, InputError
from catalens.core.filters import Filter
from catalens.core.images import Source, read_image
from catalens.core.protocols import Encoder, Index
from catalens.core.types import Hit, Vectors

T = TypeVar("T")

Mode: TypeAlias = Literal["vector", "keyword", "hybrid"]


@dataclass(frozen=True, slots=True)
class Weighted(Generic[T]):
    """A term of a query and how much it counts; less than nothing for what is not wanted."""

    value: T
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight) or self.weight == 0:
            raise InputError(f"{self.value!r} weighs {self.weight}; a weight is a finite number other than zero")


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Attributes:
        texts: terms in words.
        images: terms in pictures.
        where: the records that may be found at all.
        mode: by vectors, by the words of the texts, or by both rankings fused. By words, a record that has all
            the words of an unwanted text is left out; pictures and weights say nothing, and are refused.

    Raises:
        InputError: nothing is looked for, or something that the mode cannot look for.
    """

    texts: tuple[Weighted[str], ...] = ()
    images: tuple[Weighted[Source], ...] = ()
    where: Filter | None = None
    mode: Mode = "vector"

    def __post_init__(self) -> None:
        if not any(weight > 0 for weight in self.weights):
            raise InputError("nothing is looked for; give a text or a picture, beside what is not wanted")
        if self.mode != "vector" and not self.words:
            raise InputError(f"a {self.mode} search looks for words; give a text, or search by vector")
        if self.mode == "keyword":
            self._check_words()

    def _check_words(self) -> None:
        """Refuse what could change nothing in a ranking by words."""
        if self.images:
            raise InputError("a keyword search looks for words, not for pictures; search by vector or hybrid")
        for term in self.texts:
            weight = f"{abs(term.weight):g}"
            if weight != "1":
                raise InputError(
                    f"{term.value!r} weighs {weight}, and a keyword search does not weigh; leave the weight out, "
                    f"search by vector or hybrid, or write {f'{term.value}:{weight}:1'!r} if it is none"
                )

    @property
    def weights(self) -> list[float]:
        """The weights of the texts, then of the pictures."""
        return [term.weight for term in self.texts] + [term.weight for term in self.images]

    @property
    def words(self) -> str:
        """The wanted texts, as one."""
        return " ".join(term.value for term in self.texts if term.weight > 0)

    @property
    def unwanted(self) -> list[str]:
        """The unwanted texts."""
        return [term.value for term in self.texts if term.weight < 0]


def parse_weighted(text: str, *, minus: bool = False) -> Weighted[str]:
    """Read a term with an optional weight behind its last colon.

    A term that itself ends in a colon and a number needs its weight said: `ratio 4:3:1`.

    Args:
        text: such as "like.jpg:2".
        minus: the term is not wanted.

    Raises:
        InputError: nothing before the weight, or a weight that is not above zero.

    >>> parse_weighted("like.jpg:2"), parse_weighted("floral", minus=True)
    (Weighted(value='like.jpg', weight=2.0), Weighted(value='floral', weight=-1.0))
    """
    value, colon, number = text.rpartition(":")
    try:
        weight = float(number) if colon else 1.0
    except ValueError:
        colon, weight = "", 1.0
    value = value if colon else text
    if not value.strip():
        raise InputError(f"{text!r} has no term; write one like 'red dress' or 'red dress:2'")
    if not (math.isfinite(weight) and weight > 0):
        raise InputError(f"{text!r}: the weight is {number}; it must be above zero (use minus for what is not wanted)")
    return Weighted(value, -weight if minus else weight)


def query_vector(encoder: Encoder, query: Query) -> Vectors:
    """Return the (dim,) unit vector of a query: the weighted sum of its terms' unit vectors.

    Raises:
        ImageError: a picture that cannot be read.
        InputError: the terms cancel each other out.
    """
    rows: list[Vectors] = []
    if query.texts:
        rows.append(encoder.encode_texts([term.value for term in query.texts]))
    if query.images:
        size_wh = encoder.input_size_wh
        rows.append(encoder.encode_images([read_image(term.value, at_least=size_wh) for term in query.images]))
    weights = np.array(query.weights, dtype=np.float32)
    summed = weights @ np.concatenate(rows)
    length = float(np.linalg.norm(summed))
    if length < 1e-3 * float(np.abs(weights).max()):
        raise InputError("the terms of the query cancel each other out; lower the weight of what is not wanted")
    return np.asarray(summed / length, dtype=np.float32)


def search(
    index: Index,
    encoder: Encoder,
    query: Query,
    *,
    k: int = 20,
    min_score: float | None = None,
    cutoff: Cutoff | None = None,
) -> list[Hit]:
    """Find records, best first.

    Args:
        index: filled by the encoder.
        encoder: for the query's terms.
        query: what is looked for, how, and among which records.
        k: hits wanted; fewer come back where fewer are good enough.
        min_score: lowest cosine wanted, in every mode.
        cutoff: raises that to what stands out for this query, in every mode.

    Returns:
        At most k hits. In the modes with words, the order is by words, or fused, and the score is still the cosine.
        What is not wanted lowers the cosine; by words it leaves records out; fused, it does either to its ranking.

    Raises:
        CatalogueError: the index was filled by another encoder, or cannot be read.
        InputError: the query or k makes no sense, or a picture cannot be read.
    """
    if encoder.name != index.encoder_name:
        raise CatalogueError(refusal(index.encoder_name, encoder.name))
    vector = query_vector(encoder, query)
    floor = -1.0 if min_score is None else min_score
    if cutoff is not None:
        floor = max(floor, cutoff.floor(scoring(index).scores(vector)))
    match query.mode:
        case "vector":
            return index.query(vector[None], k, query.where, floor)[0]
        case "keyword":
            return by_words(index, query.words, vector, k, query.where, without=query.unwanted, min_score=floor)
        case "hybrid":
            return index.hybrid(query.words, vector, k, query.where, without=query.unwanted, min_score=floor)
