"""The vectors of a vocabulary's terms: encoded once, memory-mapped, ranked exactly.

They are float32, unlike those of labels: half precision rounds a cosine by up to 5e-4, which is more than what lies
between neighbours in a table of 100,000 terms, so it would change which term comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Scores, Vectors
from catalens.core.vectors import batched
from catalens.tasks.label_cache import cache_file, fingerprint_of, read_vectors, write_vectors
from catalens.tasks.labels import Progress, encode_batch, texts_per_call
from catalens.tasks.prompts.evidence import Evidence
from catalens.tasks.prompts.tables import Kind, Tables
from catalens.tasks.ranking import top_k

_BLOCK_SCORES = 1 << 24


@dataclass(frozen=True, slots=True)
class Term:
    """A term for a prompt, with its cosine with the picture."""

    text: str
    kind: Kind
    cosine: float


@dataclass(frozen=True, slots=True, eq=False)
class TermBank:
    """The terms of one kind: m of them, each once, none empty, with (m, dim) vectors."""

    kind: Kind
    terms: Sequence[str]
    vectors: Vectors

    def rank(self, vectors: Vectors, k: int) -> tuple[NDArray[np.int64], Scores]:
        """Find the k nearest terms of each of n vectors, exactly.

        Returns:
            Positions (n, min(k, m)), best first, equal ones in the table's order; and their cosines, of the same shape.
        """
        size = max(1, _BLOCK_SCORES // max(1, len(self.terms)))
        blocks = [slice(start, start + size) for start in range(0, len(vectors), size)]
        positions = np.empty((len(vectors), min(k, len(self.terms))), dtype=np.int64)
        scores = np.empty(positions.shape, dtype=np.float32)
        for rows in blocks:
            found = vectors[rows] @ self.vectors.T
            positions[rows] = top_k(found, k)
            scores[rows] = np.take_along_axis(found, positions[rows], axis=1)
        return positions, scores


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Tables with the vectors of one encoder.

    Attributes:
        encoder_name: only vectors of this encoder may be compared with the banks.
        tables: as the files have them.
        banks: one for each kind of term.
        evidence: what its terms need, where that was measured; without, the nearest are taken.
    """

    encoder_name: str
    tables: Tables
    banks: Mapping[Kind, TermBank]
    evidence: Evidence | None = None

    def nearest(self, kinds: Sequence[Kind], vectors: Vectors, k: int, *, farthest: bool = False) -> list[list[Term]]:
        """Return, for each of n vectors, the k nearest terms of some kinds, exactly; only those with enough evidence.

        Args:
            kinds: of the terms; equal cosines keep this order, and then the tables'.
            vectors: (n, dim), unit rows from the vocabulary's own encoder.
            k: at least 1.
            farthest: the k farthest instead, farthest first; evidence does not matter.
        """
        if self.evidence is None or farthest:
            return self._ranked(kinds, vectors, k, farthest=farthest)
        shares = self.evidence.shares(vectors)
        every = self._ranked(kinds, vectors, max(1, sum(len(self.banks[kind].terms) for kind in kinds)))
        return [
            [term for term in terms if self.evidence.holds(term.text, term.cosine, shares, at)][:k]
            for at, terms in enumerate(every)
        ]

    def _ranked(self, kinds: Sequence[Kind], vectors: Vectors, k: int, *, farthest: bool = False) -> list[list[Term]]:
        sign = np.float32(-1.0 if farthest else 1.0)
        banks = [self.banks[kind] for kind in kinds]
        ranked = [bank.rank(sign * vectors, k) for bank in banks]
        owners = [bank for bank, (positions, _) in zip(banks, ranked, strict=True) for _ in range(positions.shape[1])]
        positions = np.concatenate([each for each, _ in ranked], axis=1)
        scores = np.concatenate([each for _, each in ranked], axis=1)
        return [
            [Term(owners[at].terms[places[at]], owners[at].kind, float(sign * cosines[at])) for at in best]
            for best, places, cosines in zip(top_k(scores, k), positions, scores, strict=True)
        ]


def build_vocabulary(
    encoder: Encoder,
    tables: Tables,
    *,
    evidence: Evidence | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> Vocabulary:
    """Encode the terms of all tables, or load their vectors from the cache.

    Args:
        encoder: makes the vectors.
        tables: each is kept in a file of its own, so that a change of one costs only its own terms.
        evidence: what the terms need, if that was measured with this encoder.
        cache_dir: where vectors are kept; None keeps nothing.
        progress: called after each batch of a table; not called on a cache hit.

    Raises:
        InputError: every table is empty, or the cache cannot be written.
        ModelError: the encoder gives vectors of a wrong shape.
    """
    banks: dict[Kind, TermBank] = {}
    for kind, phrases in tables.phrases().items():
        terms = [term for term in dict.fromkeys(phrases) if term]
        banks[kind] = TermBank(kind, terms, _vectors(encoder, terms, cache_dir, progress))
    if not any(bank.terms for bank in banks.values()):
        raise InputError("the vocabulary has no term in any of its tables; put one on each line")
    return Vocabulary(encoder.name, tables, banks, evidence)


def _vectors(encoder: Encoder, terms: Sequence[str], cache_dir: Path | None, progress: Progress | None) -> Vectors:
    """Return (m, dim) for m terms."""
    path = cache_file(cache_dir, fingerprint_of(encoder), terms, "terms of prompts") if cache_dir and terms else None
    stored = read_vectors(path, (len(terms), encoder.dim), np.float32) if path is not None else None
    if stored is not None:
        return stored
    vectors = np.empty((len(terms), encoder.dim), dtype=np.float32)
    done = 0
    # Texts of like length share a batch, so that little of it is padding.
    for places in batched(sorted(range(len(terms)), key=lambda at: len(terms[at])), texts_per_call(encoder)):
        vectors[places] = encode_batch(encoder, [terms[at] for at in places])
        done += len(places)
        if progress is not None:
            progress(done, len(terms))
    if path is not None:
        write_vectors(path, vectors)
    return vectors
