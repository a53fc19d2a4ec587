"""Reproduces clip-interrogator 0.6.0, quirks included, from the same weights, tables and caption.

It is here so that the two can be compared in one run. Its habits, each kept as it is: vectors are rounded to half
precision; a table of more than 2,048 terms is ranked in pieces that give an equal number of terms each; the farthest
terms of such a table are put in order of nearness; the first score of a negative chain has the wrong sign; a term
that is cut off by the encoder's limit may be taken, and the chain ends after it (where it cuts within a word, our
encoders cut before that word, so such a last term may be another).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.tasks.prompts.banks import Vocabulary
from catalens.tasks.prompts.scoring import CountsTokens, PromptScorer, most_tokens
from catalens.tasks.prompts.tables import Kind

CHUNK = 2048
MERGED: tuple[Kind, ...] = ("artist", "flavor", "medium", "movement", "site")
NEGATIVE_MIN_COUNT = 8


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """m terms as a file has them, empty and repeated ones included, with (m, dim) vectors of half precision."""

    terms: Sequence[str]
    vectors: Vectors

    def rank(self, vector: Vectors, k: int, *, reverse: bool = False) -> list[str]:
        """Return about k terms for a (dim,) vector, as its `LabelTable.rank` does."""
        if len(self.terms) <= CHUNK:
            return [self.terms[at] for at in self._top(vector, np.arange(len(self.terms)), k, reverse=reverse)]
        pieces = math.ceil(len(self.terms) / CHUNK)
        places = np.arange(len(self.terms))
        kept = [
            self._top(vector, places[start : start + CHUNK], CHUNK // pieces, reverse=reverse)
            for start in range(0, len(places), CHUNK)
        ]
        # Its second look is without `reverse`, whatever the first one was.
        return [self.terms[at] for at in self._top(vector, np.concatenate(kept), k, reverse=False)]

    def _top(self, vector: Vectors, places: NDArray[np.intp], k: int, *, reverse: bool) -> NDArray[np.intp]:
        cosines = self.vectors[places] @ vector
        return places[np.argsort(cosines if reverse else -cosines, kind="stable")[:k]]


class Likeness:
    """Its `Interrogator`, over one of our encoders.

    Args:
        encoder: must count tokens.
        vocabulary: of this encoder.
        candidates: its `flavor_intermediate_count`.

    Raises:
        InputError: the encoder does not count tokens.
    """

    def __init__(self, encoder: Encoder, vocabulary: Vocabulary, *, candidates: int = CHUNK) -> None:
        if not isinstance(encoder, CountsTokens):
            raise InputError(f"{encoder.name} does not count tokens, which clip-interrogator's rules need")
        self._encoder, self._candidates = encoder, candidates
        self._scorer = PromptScorer(encoder)
        self.scored = 0
        """Number of prompts scored so far."""
        self._most_tokens = most_tokens(encoder)
        self._tables = raw_tables(vocabulary, self._scorer)
        self._merged = RawTable(
            [term for kind in MERGED for term in self._tables[kind].terms],
            np.concatenate([self._tables[kind].vectors for kind in MERGED]),
        )

    def best(self, vector: Vectors, caption: str, *, min_count: int, max_count: int) -> str:
        """Return the result of its `interrogate`."""
        [score] = self._similarities(vector, [caption])
        flavors = self._merged.rank(vector, self._candidates)
        chained = self._chain(vector, flavors, caption, score, min_count=min_count, max_count=max_count)
        fast = self.fast(vector, caption, max_count=max_count)
        classic = self.classic(vector, caption, max_count=max_count)
        texts = [caption, classic, fast, chained]
        return texts[int(np.argmax(self._similarities(vector, texts)))]

    def fast(self, vector: Vectors, caption: str, *, max_count: int) -> str:
        """Return the result of its `interrogate_fast`."""
        return self._fitted(caption + ", " + ", ".join(self._merged.rank(vector, max_count)))

    def classic(self, vector: Vectors, caption: str, *, max_count: int) -> str:
        """Return the result of its `interrogate_classic`."""
        kinds: tuple[Kind, ...] = ("medium", "artist", "site", "movement")
        medium, artist, site, movement = (self._tables[kind].rank(vector, 1)[0] for kind in kinds)
        flavors = ", ".join(self._tables["flavor"].rank(vector, max_count))
        start = caption if caption.startswith(medium) else f"{caption}, {medium}"
        return self._fitted(f"{start} {artist}, {site}, {movement}, {flavors}")

    def negative(self, vector: Vectors, *, max_count: int) -> str:
        """Return the result of its `interrogate_negative`."""
        flavors = self._tables["flavor"].rank(vector, self._candidates, reverse=True)
        left = list(dict.fromkeys([*flavors, *self._tables["negative"].terms]))
        scores = self._similarities(vector, left)
        first = int(np.argmin(scores))
        start = left.pop(first)
        # The sign of this score is the wrong one, and it is what the others are measured by.
        return self._chain(
            vector, left, start, scores[first], min_count=NEGATIVE_MIN_COUNT, max_count=max_count, reverse=True
        )

    def _chain(
        self,
        vector: Vectors,
        phrases: Sequence[str],
        start: str,
        score: float,
        *,
        min_count: int,
        max_count: int,
        reverse: bool = False,
    ) -> str:
        left = list(dict.fromkeys(phrases))
        sign = -1.0 if reverse else 1.0
        best = now = start
        best_score = now_score = score
        for count in range(max_count):
            scores = sign * self._scorer.after(vector, now, left)
            self.scored += len(left)
            top = int(np.argmax(scores))
            longer, reached = f"{now}, {left[top]}", float(scores[top])
            if reached > best_score:
                best, best_score = longer, reached
            if reached <= now_score and count >= min_count:
                break
            now, now_score = longer, reached
            if self._is_full(now):
                break
            left.pop(top)
        return best

    def _similarities(self, vector: Vectors, texts: Sequence[str]) -> list[float]:
        found: list[float] = (self._scorer.vectors(texts) @ vector).tolist()
        return found

    def _is_full(self, text: str) -> bool:
        return self._encoder.count_tokens(text)[0] >= self._most_tokens

    def _fitted(self, text: str) -> str:
        """Cut as it does, which looks at a text without the last comma."""
        fitted, *parts = text.split(", ")
        for part in parts:
            if self._is_full(fitted + part):
                break
            fitted += f", {part}"
        return fitted


def raw_tables(vocabulary: Vocabulary, scorer: PromptScorer) -> dict[Kind, RawTable]:
    """Return every table as its file has it; vectors are those of the banks, rounded, and of the empty text."""
    [nothing] = scorer.vectors([""])
    tables: dict[Kind, RawTable] = {}
    for kind, phrases in vocabulary.tables.phrases().items():
        bank = vocabulary.banks[kind]
        places = {term: at for at, term in enumerate(["", *bank.terms])}
        vectors = np.concatenate([nothing[None], bank.vectors]).astype(np.float16).astype(np.float32)
        tables[kind] = RawTable(phrases, vectors[[places[phrase] for phrase in phrases]])
    return tables
