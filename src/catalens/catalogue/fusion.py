"""Rankings by words and by vectors: words with cosine scores, and both rankings fused into one."""

from __future__ import annotations

from collections.abc import Sequence

from catalens.catalogue.records import check_k, check_vectors
from catalens.catalogue.scan import rounded
from catalens.core.errors import InputError
from catalens.core.filters import Filter
from catalens.core.protocols import Index
from catalens.core.types import Hit, Record, Vectors

_MIN_DEPTH = 100
_FUSION_K = 60


def fuse(rankings: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Fuse rankings by reciprocal rank: each adds 1 / (60 + rank); equal sums keep the order of first appearance.

    Source:
        Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual
        Rank Learning Methods", with its constant.
    """
    hits: dict[str, Hit] = {}
    sums: dict[str, float] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, start=1):
            hits.setdefault(hit.record.id, hit)
            sums[hit.record.id] = sums.get(hit.record.id, 0.0) + 1 / (_FUSION_K + rank)
    return [hits[one] for one in sorted(hits, key=lambda one: -sums[one])]


def hybrid(
    index: Index,
    text: str,
    vector: Vectors,
    k: int,
    where: Filter | None = None,
    *,
    without: Sequence[str] = (),
    min_score: float | None = None,
) -> list[Hit]:
    """Return at most k hits of `query` and `keyword` fused by rank; the score stays the cosine with the vector.

    Each kind is asked for at least 100. `without` concerns the words only: what it excludes may still be found by its
    (dim,) vector.

    Raises:
        InputError: k is less than 1.
        CatalogueError: the vector has another shape.
    """
    k, vector = check_k(k), check_vectors(vector, (index.dim,))
    depth = max(k, _MIN_DEPTH)
    near = index.query(vector[None], depth, where, min_score)[0]
    worded = by_words(index, text, vector, depth, where, without=without, min_score=min_score)
    return fuse([near, worded])[:k]


def by_words(
    index: Index,
    text: str,
    vector: Vectors,
    k: int,
    where: Filter | None = None,
    *,
    without: Sequence[str] = (),
    min_score: float | None = None,
) -> list[Hit]:
    """Return at most k records by words, scored by their cosines with a (dim,) vector.

    Those below the minimum are left out, and the ranking is read deeper until k are left.
    """
    asked = max(k, _MIN_DEPTH)
    while True:
        found = index.keyword(text, asked, where, without=without)
        hits = _scored(index, found, vector)
        kept = [hit for hit in hits if min_score is None or hit.score >= min_score]
        if len(kept) >= k or len(found) < asked:
            return kept[:k]
        asked *= 4


def _scored(index: Index, records: Sequence[Record], vector: Vectors) -> list[Hit]:
    """Return the records with their cosines, in order; one that was removed since it was found is left out."""
    ids = [record.id for record in records]
    try:
        rows = index.vectors(ids)
    except InputError:
        there = {record.id for record in index.get(ids) if record is not None}
        records = [record for record in records if record.id in there]
        rows = index.vectors([record.id for record in records])
    return [Hit(record, score) for record, score in zip(records, rounded(rows @ vector).tolist(), strict=True)]
