"""Closed answers: every allowed answer is scored, and the most probable is returned with its probability.

`choose` asks a reader alone. `AnswerChooser` adds an encoder's opinion, weighed for each kind of question: a small
reader knows how many people there are and where they are, and an encoder knows many more things by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from catalens.core.classes import PEOPLE, SURROUNDINGS, THINGS
from catalens.core.errors import InputError, ModelError
from catalens.core.protocols import Answerer, EncodedImages, Encoder
from catalens.core.types import Scores, Turn, Vectors
from catalens.core.vectors import softmax
from catalens.tasks.answer_weights import AnswerWeights, none_fits, pooled_logits
from catalens.tasks.class_labels import SOMEBODY, classes_of, label_rows
from catalens.tasks.class_words import Meant, meant_by
from catalens.tasks.question_kinds import (
    YES,
    Question,
    answer_texts,
    answers_not_offered,
    counts_people,
    parse_question,
    standard_answers,
)
from catalens.tasks.schema import UNKNOWN
from catalens.tasks.yaml_files import shown


@dataclass(frozen=True, slots=True)
class ClosedAnswer:
    """The answer chosen among those that are allowed.

    Attributes:
        value: the likeliest answer, or "unknown" where it is not likely enough, or where none fits.
        probability: of the likeliest answer, in [0, 1], given that one of them is right.
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
    """Have a reader choose among allowed answers, for each picture.

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
    scores = _reader_scores(answerer, encoded, question, answers, history)
    return [_closed(row.tolist(), answers, unknown_below) for row in softmax(scores)]


class AnswerChooser:
    """Chooses answers by an encoder and a reader together.

    Args:
        encoder: compares pictures with sentences.
        answerer: scores answers; None where there is no reader, and the encoder chooses alone.
        weights: learned with these two.

    Raises:
        InputError: the weights were learned with other models.
    """

    def __init__(self, encoder: Encoder, answerer: Answerer | None, weights: AnswerWeights) -> None:
        names = (encoder.name, answerer.name if answerer is not None else weights.reader_name)
        if names != (weights.encoder_name, weights.reader_name):
            raise InputError(
                f"these answer weights were learned with {weights.encoder_name} and {weights.reader_name}, "
                f"not with {names[0]} and {names[1]}; use AnswerWeights.encoder_only or learn them again"
            )
        self.encoder, self.answerer, self.weights = encoder, answerer, weights
        # A folder of pictures is asked the same, batch after batch.
        self._texts = lru_cache(64)(encoder.encode_texts)

    def choose(
        self,
        vectors: Vectors,
        encoded: EncodedImages | None,
        question: str,
        answers: Sequence[str],
        *,
        unknown_below: float | None = None,
        history: Sequence[Turn] = (),
    ) -> list[ClosedAnswer]:
        """Choose among allowed answers, for each picture.

        The logit of an answer is the sum of both models' scores, each times its weight for this kind of question; the
        weights make the softmax over the answers a calibrated probability.

        Args:
            vectors: (n, dim), unit rows from the encoder.
            encoded: the same n pictures as the answerer encoded them; None without a reader.
            question: what is asked.
            answers: at least one, all different.
            unknown_below: the probability that the likeliest answer needs; None: as learned for the kind of question,
                and "unknown" too where none of the answers fits the picture.
            history: the conversation before; only the reader reads it.

        Returns:
            n answers, in the order of the pictures.

        Raises:
            InputError: no answers, an empty or repeated one, or a threshold outside [0, 1].
            ModelError: the reader returned scores that cannot be used.

        Source:
            A log-linear opinion pool (Genest and Zidek 1986, section 3.3).
        """
        _check(answers, unknown_below or 0.0)
        asked = self.parse(question, answers)
        weights = self.weights.of(asked.kind)
        alone = self.answerer is None or encoded is None
        if alone and not weights.encoder:
            weights = replace(weights, encoder=self.encoder.logit_scale)
        may_reject = unknown_below is None and not alone
        others = answers_not_offered(asked, answers) if may_reject and weights.most_behind is not None else ()
        every = [*answers, *others]
        by_encoder = np.zeros((len(vectors), len(every)), dtype=np.float32)
        by_reader = np.zeros_like(by_encoder)
        if weights.encoder:
            by_encoder = self.encoder_scores(vectors, asked, every)
        if self.answerer is not None and encoded is not None and weights.reader:
            by_reader = _reader_scores(self.answerer, encoded, question, every, history)
        logits = pooled_logits(by_encoder, by_reader, weights, yes_among(asked, answers))
        offered = logits[:, : len(answers)]
        rejected = none_fits(offered, logits[:, len(answers) :], weights) & may_reject
        needed = weights.unknown_below if unknown_below is None else unknown_below
        found = (_closed(row.tolist(), answers, needed) for row in softmax(offered))
        return [
            replace(each, value=UNKNOWN) if none else each for each, none in zip(found, rejected.tolist(), strict=True)
        ]

    def parse(self, question: str, answers: Sequence[str]) -> Question:
        """Recognise what a question asks for, and whether the encoder has classes for it."""
        asked = parse_question(question, answers)
        return replace(asked, kind="class") if asked.kind == "presence" and self._things(asked.about) else asked

    def encoder_scores(self, vectors: Vectors, question: Question, answers: Sequence[str]) -> Scores:
        """Return (n, m): how near each picture is to the sentences of each answer, as a cosine.

        Of several sentences the nearest counts most: their scaled cosines' log-mean-exp, scaled back. A question of
        presence compares with its phrase for "yes" and has 0 for "no"; of what the encoder has classes for, the score
        is the log-odds of these among all classes and "none of these", scaled back. Indoors and outdoors, and numbers
        of people, are compared by their classes where the encoder has such; a thing is as near as its text and its
        classes together.
        """
        scores = np.zeros((len(vectors), len(answers)), dtype=np.float32)
        yes = yes_among(question, answers)
        if question.kind == "class" and yes is not None:
            scores[:, yes] = self._log_odds(vectors, question.about) / np.float32(self.encoder.logit_scale)
            return scores
        known, names = classes_of(self.encoder, _set_of(question)), standard_answers(question, answers)
        if known is not None and all(name in known.named for name in names):
            return np.asarray(vectors @ known.vectors[[known.named[name][0] for name in names]].T)
        places = range(len(answers)) if yes is None else [yes]
        texts = [answer_texts(question, question.about if yes is not None else answers[at]) for at in places]
        cosines = vectors @ self._texts(tuple(text for some in texts for text in some)).T
        scale = np.float32(self.encoder.logit_scale)
        start = 0
        for at, some in zip(places, texts, strict=True):
            scaled = cosines[:, start : start + len(some)] * scale
            top = scaled.max(axis=1)
            scores[:, at] = (top + np.log(np.exp(scaled - top[:, None]).mean(axis=1))) / scale
            start += len(some)
        return self._with_classes(vectors, scores, answers) if question.kind == "thing" else scores

    def _things(self, about: str) -> tuple[int, ...]:
        """Return the encoder's classes of what a phrase names; none where it has no such classes."""
        known = classes_of(self.encoder, THINGS)
        meant = Meant() if known is None else meant_by(known, about)
        return meant.places if meant.is_own else ()

    def _with_classes(self, vectors: Vectors, scores: Scores, answers: Sequence[str]) -> Scores:
        """Return scores (n, m) in which an answer counts as its sentences and the classes that it names together."""
        rows = label_rows(classes_of(self.encoder, THINGS), [(answer,) for answer in answers])
        if rows is None:
            return scores
        scale = self.encoder.logit_scale
        no_unknown = np.zeros((len(scores), 0), dtype=np.float32)
        found, _ = rows.added(vectors, np.float32(scale) * scores, no_unknown, scale)
        return np.asarray(found / np.float32(scale))

    def _log_odds(self, vectors: Vectors, about: str) -> Scores:
        known = classes_of(self.encoder, THINGS)
        assert known is not None
        nothing = self._texts(tuple(self.encoder.unknown_texts))
        logits = np.float32(self.encoder.logit_scale) * (vectors @ np.concatenate([known.vectors, nothing]).T)
        asked = self._things(about)
        # People are no alternative to a thing: a motorcycle is there although somebody rides it.
        beside = {at for word in SOMEBODY for at in self._things(word)}
        others = np.ones(logits.shape[1], dtype=np.bool_)
        others[[*asked, *beside]] = False
        yes, no = (np.logaddexp.reduce(logits[:, some], axis=1) for some in (list(asked), others))
        return np.asarray(yes - no, dtype=np.float32)


def _set_of(question: Question) -> str:
    """Return the set of classes that the answers to a question are; empty for none."""
    return SURROUNDINGS if question.kind == "inside" else PEOPLE if counts_people(question) else ""


def yes_among(question: Question, answers: Sequence[str]) -> int | None:
    """Return where "yes" stands among the answers to a question of presence; None for other questions."""
    if question.kind not in ("presence", "class"):
        return None
    return next(at for at, answer in enumerate(answers) if answer.strip().casefold() in YES)


def _reader_scores(
    answerer: Answerer, encoded: EncodedImages, question: str, answers: Sequence[str], history: Sequence[Turn]
) -> Scores:
    """Return (n, m) log-likelihoods that can be compared."""
    scores = answerer.score(encoded, question, answers, history=history)
    if scores.shape != (len(encoded), len(answers)):
        raise ModelError(
            f"{answerer.name} returned scores of shape {scores.shape} for {len(encoded)} images, {len(answers)} answers"
        )
    # An answer may be impossible (minus infinity); a picture for which all are is not scored at all.
    if np.isnan(scores).any() or not np.isfinite(scores.max(axis=1, initial=-np.inf)).all():
        raise ModelError(f"{answerer.name} returned scores for {question!r} that are not numbers; the model is broken")
    return scores


def _closed(probabilities: Sequence[float], answers: Sequence[str], unknown_below: float) -> ClosedAnswer:
    best = max(probabilities)
    value = answers[probabilities.index(best)] if best >= unknown_below else UNKNOWN
    return ClosedAnswer(value, best, dict(zip(answers, probabilities, strict=True)))


def _check(answers: Sequence[str], unknown_below: float) -> None:
    if isinstance(answers, str) or not answers or not all(answer.strip() for answer in answers):
        raise InputError(f"the answers to choose from are {shown(answers)}; name at least one, none of them empty")
    if twice := [answer for place, answer in enumerate(answers) if answer in answers[:place]]:
        raise InputError(f"the answer {shown(twice[0])} is listed twice; list each one once")
    if not 0 <= unknown_below <= 1:
        raise InputError(f"unknown_below is {unknown_below}; it is a probability, from 0 to 1")
