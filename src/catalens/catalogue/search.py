"""Search by texts, images and negative terms: by vector, by keyword, or hybrid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

import numpy as np

from catalens.catalogue.cutoff import Cutoff, scoring
from catalens.catalogue.encoder_mismatch import refusal
from catalens.catalogue.fusion import by_words, hybrid
from catalens.core.errors import CatalogueError, InputError
from catalens.core.filters import Filter, check_text
from catalens.core.images import Source, read_image
from catalens.core.protocols import Encoder, Index
from catalens.core.types import Hit, Vectors

T = TypeVar("T")

Mode: TypeAlias = Literal["vector", "keyword", "hybrid"]


@dataclass(frozen=True, slots=True)
class Weighted(Generic[T]):
    """A query term with its weight; negative weights push hits away from the term."""

    value: T
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight) or self.weight == 0:
            raise InputError(f"{self.value!r} weighs {self.weight}; a weight is a finite number other than zero")


@dataclass(frozen=True, slots=True)
class Query:
    """A search query.

    Attributes:
        texts: text terms.
        images: image terms.
        where: filter; only records that pass can be hits.
        mode: rank by vector, by keyword (BM25), or by both rankings fused. A keyword search excludes records that
            have all the words of a negative text; it refuses images and weights, which it cannot use.

    Raises:
        InputError: no positive term, an empty text, or a term that the mode cannot use.
    """

    texts: tuple[Weighted[str], ...] = ()
    images: tuple[Weighted[Source], ...] = ()
    where: Filter | None = None
    mode: Mode = "vector"

    def __post_init__(self) -> None:
        for term in self.texts:
            check_text(term.value, "the query")
            if not term.value.strip():
                raise InputError("a text of the query is empty; say what is looked for, or leave the text out")
        if not any(weight > 0 for weight in self.weights):
            raise InputError("the query has no positive term; add a text or an image beside the negative ones")
        if self.mode != "vector" and not self.words:
            raise InputError(f"a {self.mode} search needs words; add a text, or search by vector")
        if self.mode == "keyword":
            self._check_words()

    def _check_words(self) -> None:
        """Refuse terms that would have no effect on a keyword ranking."""
        if self.images:
            raise InputError("a keyword search cannot use images; search by vector or hybrid")
        for term in self.texts:
            weight = f"{abs(term.weight):g}"
            if weight != "1":
                raise InputError(
                    f"{term.value!r} has the weight {weight}, and a keyword search has no weights; leave it out, "
                    f"search by vector or hybrid, or write {f'{term.value}:{weight}:1'!r} if it is part of the text"
                )

    @property
    def weights(self) -> list[float]:
        """The weights of the texts, then of the pictures."""
        return [term.weight for term in self.texts] + [term.weight for term in self.images]

    @property
    def words(self) -> str:
        """The positive texts, joined."""
        return " ".join(term.value for term in self.texts if term.weight > 0)

    @property
    def unwanted(self) -> list[str]:
        """The negative texts."""
        return [term.value for term in self.texts if term.weight < 0]


def parse_weighted(text: str, *, minus: bool = False) -> Weighted[str]:
    """Parse a term with an optional weight after its last colon.

    A term that itself ends in a colon and a number needs an explicit weight: `ratio 4:3:1`.

    Args:
        text: such as "like.jpg:2".
        minus: make the weight negative.

    Raises:
        InputError: no term, or a weight that is not positive.

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
        raise InputError(f"{text!r}: the weight is {number}; it must be positive")
    return Weighted(value, -weight if minus else weight)


def query_vector(encoder: Encoder, query: Query) -> Vectors:
    """Return the (dim,) unit vector of a query: the weighted sum of its terms' unit vectors.

    Raises:
        ImageError: an image cannot be read.
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
        raise InputError("the terms of the query cancel each other out; lower the weight of the negative ones")
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
        encoder: encodes the query's terms.
        query: terms, mode and filter.
        k: maximum number of hits.
        min_score: minimum cosine, in every mode.
        cutoff: raises the minimum to what stands out for this query, in every mode.

    Returns:
        At most k hits. Keyword and hybrid hits are ordered by BM25 or by fused rank; their score is still the
        cosine. Negative terms lower the cosine, and exclude records from the keyword ranking.

    Raises:
        CatalogueError: the index was filled by another encoder, or cannot be read.
        InputError: the query or k is invalid, or an image cannot be read.
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
            return hybrid(index, query.words, vector, k, query.where, without=query.unwanted, min_score=floor)
