"""The modes of prompt search: pictures and captions → drafts of prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from catalens.core.types import Vectors
from catalens.tasks.english import stems
from catalens.tasks.prompts.banks import Term, Vocabulary
from catalens.tasks.prompts.chain import Chain, ChainSearch
from catalens.tasks.prompts.plan import Plan
from catalens.tasks.prompts.scoring import PromptScorer
from catalens.tasks.prompts.tables import Kind

POSITIVE: Final[tuple[Kind, ...]] = ("artist", "flavor", "medium", "movement", "site")
NEGATIVE: Final[tuple[Kind, ...]] = ("flavor", "negative")


@dataclass(frozen=True, slots=True)
class Draft:
    """A prompt under construction.

    Attributes:
        text: so far.
        terms: what was added, in order.
        left_out: words beyond the token limit.
        scored: how many prompts a chain compared for it.
    """

    text: str = ""
    terms: tuple[Term, ...] = ()
    left_out: tuple[str, ...] = ()
    scored: int = 0


class Modes:
    """The modes of prompt search; every method returns one draft per picture, in order.

    Args:
        scorer: compares texts with pictures and knows what fits.
        vocabulary: of the same encoder.
        plan: its mode does not matter here.
    """

    def __init__(self, scorer: PromptScorer, vocabulary: Vocabulary, plan: Plan) -> None:
        self._scorer, self._vocabulary, self._plan = scorer, vocabulary, plan

    def start(self, caption: str) -> Draft:
        """Start with as many words of a caption as fit."""
        words = caption.split()
        count = len(words)
        while count and not self._scorer.fits(" ".join(words[:count])):
            count -= 1
        rest = " ".join(words[count:])
        return Draft(" ".join(words[:count]), left_out=(rest,) if rest else ())

    def fast(self, vectors: Vectors, starts: Sequence[Draft]) -> list[Draft]:
        """Add the nearest terms of all tables."""
        nearest = self._vocabulary.nearest(POSITIVE, vectors, self._plan.most)
        return [self._plus_each(start, self._new(start, terms)) for start, terms in zip(starts, nearest, strict=True)]

    def classic(self, vectors: Vectors, starts: Sequence[Draft]) -> list[Draft]:
        """Add the nearest medium with the nearest artist, then the nearest site, movement and flavors."""
        counts: dict[Kind, int] = {"medium": 1, "artist": 1, "site": 1, "movement": 1, "flavor": self._plan.most}
        tables = [self._vocabulary.nearest([kind], vectors, count) for kind, count in counts.items()]
        return [
            self._classic(start, *(self._new(start, some) for some in terms))
            for start, *terms in zip(starts, *tables, strict=True)
        ]

    def chain(self, vectors: Vectors, starts: Sequence[Draft]) -> list[Draft]:
        """Repeatedly add the term that maximises the cosine of the whole prompt."""
        nearest = self._vocabulary.nearest(POSITIVE, vectors, self._plan.candidates)
        scores = (self._scorer.vectors([start.text for start in starts]) * vectors).sum(axis=1).tolist()
        drafts = []
        for vector, start, score, terms in zip(vectors, starts, scores, nearest, strict=True):
            if start.text:
                drafts.append(self._chain(vector, start, score, self._new(start, terms)))
            else:
                drafts.append(self._chain_of_terms(vector, start, terms))
        return drafts

    def negative(self, vectors: Vectors) -> list[Draft]:
        """Chain the terms that bring a prompt farthest, from the farthest flavors and all negative terms."""
        flavors = self._vocabulary.nearest(["flavor"], vectors, self._plan.candidates, farthest=True)
        bad = self._vocabulary.banks["negative"].terms
        named = self._vocabulary.nearest(["negative"], vectors, max(1, len(bad)), farthest=True)
        drafts = []
        for vector, *both in zip(vectors, flavors, named, strict=True):
            by_text = {term.text: term for terms in both for term in terms}
            terms = sorted(by_text.values(), key=lambda term: term.cosine)
            drafts.append(self._chain_of_terms(vector, Draft(), terms, sign=-1.0))
        return drafts

    def _new(self, start: Draft, terms: Sequence[Term]) -> Sequence[Term]:
        """Drop terms whose words a caption has already, where terms are facts and no means to come nearer."""
        if self._vocabulary.evidence is None:
            return terms
        said = {*stems(start.text)}
        return [term for term in terms if not {*stems(term.text)} <= said]

    def _plus(self, draft: Draft, terms: Sequence[Term], *, joint: str = ", ") -> Draft:
        """Add terms as one piece if it is within the token limit."""
        words = " ".join(term.text for term in terms)
        if not words:
            return draft
        text = f"{draft.text}{joint}{words}" if draft.text else words
        if self._scorer.fits(text):
            return replace(draft, text=text, terms=(*draft.terms, *terms))
        return replace(draft, left_out=(*draft.left_out, words))

    def _plus_each(self, draft: Draft, terms: Sequence[Term]) -> Draft:
        for term in terms:
            draft = self._plus(draft, [term])
        return draft

    def _classic(
        self,
        start: Draft,
        medium: Sequence[Term],
        artist: Sequence[Term],
        *others: Sequence[Term],
    ) -> Draft:
        if medium and start.text.startswith(medium[0].text):
            draft = self._plus(start, artist, joint=" ")
        else:
            draft = self._plus(start, [*medium, *artist])
        return self._plus_each(draft, [term for terms in others for term in terms])

    def _chain_of_terms(self, vector: Vectors, start: Draft, terms: Sequence[Term], *, sign: float = 1.0) -> Draft:
        """Start with the best term that fits; terms are sorted, best first."""
        for at, first in enumerate(terms):
            draft = self._plus(start, [first])
            if draft.text:
                return self._chain(vector, draft, first.cosine, terms[at + 1 :], sign=sign)
        return start

    def _chain(
        self, vector: Vectors, start: Draft, cosine: float, terms: Sequence[Term], *, sign: float = 1.0
    ) -> Draft:
        """Chain terms after a start whose cosine is known; a sign of -1 looks for the farthest prompt."""
        search = ChainSearch(
            [term.text for term in terms],
            lambda prompt, phrases: np.float32(sign) * self._scorer.after(vector, prompt, phrases),
            self._scorer.fitting,
            lazy=self._plan.search == "lazy",
        )
        begin = Chain(start.text, sign * cosine)
        found = search.run(begin, min_count=self._plan.min_flavors, max_count=self._plan.most)
        return replace(
            start,
            text=found.prompt,
            terms=(*start.terms, *(terms[at] for at in found.chosen)),
            scored=search.scored,
        )
