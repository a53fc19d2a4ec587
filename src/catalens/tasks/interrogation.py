"""Prompts from pictures: the terms that maximise (or minimise) the cosine of a text with a picture.

A task over an encoder and a vocabulary; captions are given to it, wherever they come from. How the modes are made
is that of clip-interrogator; what is found is exact, where that tool approximates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from catalens.core.errors import InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.tasks.prompts.banks import Term, Vocabulary, build_vocabulary
from catalens.tasks.prompts.clip_interrogator_compat import Likeness
from catalens.tasks.prompts.evidence import NOTHING_KNOWN, Evidence, load_evidence
from catalens.tasks.prompts.modes import NEGATIVE, POSITIVE, Draft, Modes
from catalens.tasks.prompts.plan import Plan
from catalens.tasks.prompts.scoring import PromptScorer
from catalens.tasks.prompts.tables import Tables, load_tables

__all__ = [
    "Evidence",
    "Plan",
    "Prompt",
    "Tables",
    "Term",
    "Vocabulary",
    "build_vocabulary",
    "interrogate",
    "load_evidence",
    "load_tables",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt for a picture.

    Attributes:
        text: the prompt.
        cosine: of the whole prompt with the picture.
        terms: what was added to the caption, in order, each with a cosine of its own; empty for compatible plans.
        tokens: of the whole prompt, marks included; None where the encoder does not count them.
        left_out: words that the token limit left no room for, the end of a long caption among them.
        runners_up: of each table, the terms that came next.
        scored: how many prompts the chain compared.
    """

    text: str
    cosine: float
    terms: Sequence[Term] = ()
    tokens: int | None = None
    left_out: Sequence[str] = ()
    runners_up: Sequence[Term] = ()
    scored: int = 0


def interrogate(
    encoder: Encoder, vocabulary: Vocabulary, vectors: Vectors, captions: Sequence[str], plan: Plan
) -> list[Prompt]:
    """Find a prompt for each of n pictures.

    Args:
        encoder: a `PrefixEncoder` is many times faster here than another.
        vocabulary: its terms, encoded by this encoder.
        vectors: (n, dim), unit rows of the pictures, from this encoder.
        captions: n of them; an empty one leaves the beginning to the terms. Mode negative has no use for them.
        plan: what is wanted.

    Returns:
        One prompt per picture, in order.

    Raises:
        InputError: the vocabulary is of another encoder or has no term that can be used or fits, there is not one
            caption per vector, or a compatible plan has no caption to begin with.
        ModelError: the encoder failed.
    """
    _check(encoder, vocabulary, vectors, captions, plan)
    scorer = PromptScorer(encoder, token_limit=plan.token_limit)
    if plan.compatible:
        drafts = _compatible(Likeness(encoder, vocabulary, candidates=plan.candidates), vectors, captions, plan)
    else:
        drafts = _drafts(
            Modes(scorer, vocabulary, plan), vectors, captions, plan, facts=vocabulary.evidence is not None
        )
    drafts = [[draft for draft in among if draft.text] for among in drafts]
    if vocabulary.evidence is not None:
        drafts = [among or [Draft(NOTHING_KNOWN)] for among in drafts]
    if not all(drafts):
        raise InputError(f"a limit of {plan.token_limit} tokens leaves no room for any term; raise it")
    found = _nearest(scorer, vectors, drafts)
    followers = _runners_up(vocabulary, vectors, [draft for draft, _ in found], plan)
    return [
        Prompt(
            text=draft.text,
            cosine=cosine,
            terms=draft.terms,
            tokens=scorer.tokens(draft.text),
            left_out=draft.left_out,
            runners_up=following,
            scored=sum(each.scored for each in among),
        )
        for (draft, cosine), following, among in zip(found, followers, drafts, strict=True)
    ]


def _check(encoder: Encoder, vocabulary: Vocabulary, vectors: Vectors, captions: Sequence[str], plan: Plan) -> None:
    if vocabulary.encoder_name != encoder.name:
        raise InputError(f"the vocabulary was encoded by {vocabulary.encoder_name}, not by {encoder.name}")
    if vectors.ndim != 2 or vectors.shape[1] != encoder.dim or len(vectors) != len(captions):
        raise InputError(
            f"vectors of shape {vectors.shape} and {len(captions)} captions do not match; "
            f"pass (n, {encoder.dim}) vectors and n captions"
        )
    kinds = NEGATIVE if plan.mode == "negative" else POSITIVE
    if not any(vocabulary.banks[kind].terms for kind in kinds):
        raise InputError(f"the vocabulary has no {' or '.join(kinds)}; prompts of mode {plan.mode} are made of these")
    if plan.compatible and plan.mode != "negative" and not all(captions):
        raise InputError("clip-interrogator starts from a caption; pass one for every picture")
    if plan.compatible and not all(vocabulary.banks[kind].terms for kind in kinds):
        raise InputError("clip-interrogator needs terms in every table; pass some for each")


def _drafts(modes: Modes, vectors: Vectors, captions: Sequence[str], plan: Plan, *, facts: bool) -> list[list[Draft]]:
    """Return, for each picture, the candidate prompts; where terms are facts, the best one says them all."""
    if plan.mode == "negative":
        return [[draft] for draft in modes.negative(vectors)]
    starts = [modes.start(caption) for caption in captions]
    if plan.mode == "fast" or (plan.mode == "best" and facts):
        return [[draft] for draft in modes.fast(vectors, starts)]
    classic = modes.classic(vectors, starts)
    if plan.mode == "classic":
        return [[draft] for draft in classic]
    fast, chained = modes.fast(vectors, starts), modes.chain(vectors, starts)
    # Of equal ones, the first is taken: the shorter, the better.
    return [list(drafts) for drafts in zip(starts, classic, fast, chained, strict=True)]


def _compatible(likeness: Likeness, vectors: Vectors, captions: Sequence[str], plan: Plan) -> list[list[Draft]]:
    def text(vector: Vectors, caption: str) -> str:
        if plan.mode == "negative":
            return likeness.negative(vector, max_count=plan.most)
        if plan.mode == "fast":
            return likeness.fast(vector, caption, max_count=plan.most)
        if plan.mode == "classic":
            return likeness.classic(vector, caption, max_count=plan.most)
        return likeness.best(vector, caption, min_count=plan.min_flavors, max_count=plan.most)

    drafts = []
    for vector, caption in zip(vectors, captions, strict=True):
        before = likeness.scored
        drafts.append([Draft(text(vector, caption), scored=likeness.scored - before)])
    return drafts


def _nearest(scorer: PromptScorer, vectors: Vectors, drafts: Sequence[Sequence[Draft]]) -> list[tuple[Draft, float]]:
    """Return, for each picture, its nearest draft and the cosine; all texts are encoded together."""
    rows = iter(scorer.vectors([draft.text for among in drafts for draft in among]))
    found = []
    for vector, among in zip(vectors, drafts, strict=True):
        cosines = np.stack(list(islice(rows, len(among)))) @ vector
        best = int(np.argmax(cosines))
        found.append((among[best], float(cosines[best])))
    return found


def _runners_up(
    vocabulary: Vocabulary, vectors: Vectors, drafts: Sequence[Draft], plan: Plan
) -> list[tuple[Term, ...]]:
    """Return, for each picture, the next best terms of each table after those of its prompt."""
    if plan.runners_up == 0 or not len(drafts):
        return [()] * len(drafts)
    negative = plan.mode == "negative"
    count = plan.runners_up + max(len(draft.terms) for draft in drafts)
    tables = [
        vocabulary.nearest([kind], vectors, count, farthest=negative) for kind in (NEGATIVE if negative else POSITIVE)
    ]
    return [
        tuple(
            chain.from_iterable(
                islice((term for term in ranked if term not in draft.terms), plan.runners_up) for ranked in of_one
            )
        )
        for draft, *of_one in zip(drafts, *tables, strict=True)
    ]
