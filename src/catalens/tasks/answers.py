"""Closed answers: the reader judges every answer that is allowed, and the likeliest is given with its probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import Answerer, EncodedImages
from catalens.core.types import Turn
from catalens.core.vectors import softmax
from catalens.tasks.schema import UNKNOWN


@dataclass(frozen=True, slots=True)
class ClosedAnswer:
    """What was chosen among the answers that are allowed.

    Attributes:
        value: the likeliest answer, or "unknown" where it is not likely enough.
        probability: of the likeliest answer, in [0, 1], whether it was likely enough or not.
        probabilities: answer → probability, as the answers were given; they sum to one.
    """

    value: str
    probability: float
    probabilities: Mapping[str, float]


def choose(
    answerer: Answerer,
    encoded: EncodedImages,
    question: str,
    answers: Sequence[str],
    *,
    unknown_below: float = 0.0,
    history: Sequence[Turn] = (),
) -> list[ClosedAnswer]:
    """Let a reader choose among allowed answers, for each picture.

    The probability of an answer is the softmax of the log-likelihoods of the whole answers, ends included: what the
    model itself would say, given that it says one of these. The sums are not divided by the answers' lengths. Divided,
    they are no probabilities of anything any more, and an answer that is long and easy to spell (every piece after the
    first is nearly certain) would win over a short one that the model is likelier to give.

    Args:
        answerer: looks and scores.
        encoded: n pictures that this answerer has looked at.
        question: in the wording that the reader knows best.
        answers: at least one, all different.
        unknown_below: the probability that the likeliest answer needs, in [0, 1].
        history: the conversation before.

    Returns:
        n answers, in the order of the pictures; of equally likely ones the first is given.

    Raises:
        InputError: no answers, an empty or repeated one, or a threshold outside [0, 1].
        ModelError: the reader gave scores of a wrong shape, or none that can be compared.

    Source:
        Li et al. 2022 (BLIP), section 5.3: answers ranked by the decoder's likelihood.
    """
    _check(answers, unknown_below)
    scores = answerer.score(encoded, question, answers, history=history)
    if scores.shape != (len(encoded), len(answers)):
        raise ModelError(
            f"{answerer.name} returned scores of shape {scores.shape} for {len(encoded)} images, {len(answers)} answers"
        )
    # An answer may be impossible (minus infinity); a picture for which all are is not judged at all.
    if np.isnan(scores).any() or not np.isfinite(scores.max(axis=1, initial=-np.inf)).all():
        raise ModelError(f"{answerer.name} returned scores for {question!r} that are not numbers; the model is broken")
    return [_closed(row.tolist(), answers, unknown_below) for row in softmax(scores)]


def _closed(probabilities: Sequence[float], answers: Sequence[str], unknown_below: float) -> ClosedAnswer:
    best = max(probabilities)
    value = answers[probabilities.index(best)] if best >= unknown_below else UNKNOWN
    return ClosedAnswer(value, best, dict(zip(answers, probabilities, strict=True)))


def _check(answers: Sequence[str], unknown_below: float) -> None:
    if isinstance(answers, str) or not answers or not all(answer.strip() for answer in answers):
        raise InputError(f"the answers to choose from are {answers!r}; give some, none of them empty")
    if twice := [answer for place, answer in enumerate(answers) if answer in answers[:place]]:
        raise InputError(f"the answer {twice[0]!r} is given twice; give each one once")
    if not 0 <= unknown_below <= 1:
        raise InputError(f"unknown_below is {unknown_below}; it is a probability, from 0 to 1")
