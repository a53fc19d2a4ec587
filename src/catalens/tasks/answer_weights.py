"""How far an encoder and a reader are trusted with each kind of question: learned once per pair, kept as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import InputError, ModelError
from catalens.core.files import write_atomically
from catalens.core.json_text import parse_json
from catalens.core.types import Scores
from catalens.tasks.question_kinds import QUESTION_KINDS, QuestionKind
from catalens.tasks.thresholds import lowest_threshold

_FORMAT = "catalens answer weights 1"
_ENCODER_GRID = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 17.0, 20.0, 24.0, 28.0, 40.0, 56.0, 80.0)
_READER_GRID = tuple(tenths / 10 for tenths in range(11))
_OFFSETS = tuple(quarters / 4 for quarters in range(-40, 41))
_FEWEST = 50
"""A kind with fewer known answers keeps the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindWeights:
    """How the answers to one kind of question are weighed.

    Attributes:
        encoder: factor of the cosines between picture and answer; 0 leaves the encoder out.
        reader: factor of the reader's log-likelihoods; 0 leaves the reader unasked.
        offset: added to the logit of "yes" in questions of presence.
        unknown_below: the probability below which neither model knows the answer.
        least_logit: of the likeliest answer; below it none of the answers fits. None asks for nothing.
        most_behind: how far the likeliest answer may be behind another one that is not offered, as a difference of
            logits; further, and none of the answers fits. None compares with no others.
    """

    encoder: float = 0.0
    reader: float = 1.0
    offset: float = 0.0
    unknown_below: float = 0.0
    least_logit: float | None = None
    most_behind: float | None = None

    def __post_init__(self) -> None:
        numbers = (self.encoder, self.reader, self.offset, self.unknown_below)
        if not all(map(math.isfinite, numbers)) or min(self.encoder, self.reader) < 0 or not any(numbers[:2]):
            raise InputError(f"the weights of answers are {numbers}; they must be numbers, the first two not negative")
        if not all(math.isfinite(each) for each in (self.least_logit, self.most_behind) if each is not None):
            raise InputError(
                f"the limits of answers are {self.least_logit} and {self.most_behind}, which are no numbers"
            )
        if not 0.0 <= self.unknown_below <= 1.0:
            raise InputError(f"unknown_below is {self.unknown_below}; it is a probability, from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWeights:
    """What was learned with one encoder and one reader; kinds that are missing use `default`."""

    encoder_name: str
    reader_name: str
    kinds: Mapping[QuestionKind, KindWeights] = field(default_factory=dict)
    default: KindWeights = KindWeights()

    @classmethod
    def encoder_only(cls, encoder_name: str, logit_scale: float) -> Self:
        """Return weights that ask no reader: of an encoder for which none were learned."""
        default = KindWeights(encoder=logit_scale, reader=0.0)
        return cls(encoder_name=encoder_name, reader_name="", default=default)

    def of(self, kind: QuestionKind) -> KindWeights:
        """Return the weights for a kind of question."""
        return self.kinds.get(kind, self.default)


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredCases:
    """n questions of one kind with their right answers, each among m answers.

    Attributes:
        encoder: (n, m), as `encoder_scores` returns them.
        reader: (n, m) log-likelihoods.
        truth: (n,) positions of the right answers.
        domains: (n,) names of the collections that the pictures are from; each counts alike, whatever its size.
        yes: position of "yes" where the kind is "presence", else None.
    """

    encoder: Scores
    reader: Scores
    truth: Sequence[int]
    domains: Sequence[str]
    yes: int | None = None


def fit_weights(cases: AnsweredCases, precision: float, *, everywhere: bool = False) -> KindWeights:
    """Choose weights by maximum likelihood, and the threshold below which too little is right.

    The product of both models' opinions, each to a power (a log-linear pool), is calibrated by the same two powers. If
    the encoder alone is right more often, the reader is left out.

    Args:
        cases: validation questions.
        precision: the share of given answers that must be right, in (0, 1].
        everywhere: in every domain, not only in all of them together.

    Raises:
        InputError: there are fewer than 50 cases.
    """
    truth = np.asarray(cases.truth)
    if len(truth) < _FEWEST:
        raise InputError(f"there are {len(truth)} questions of this kind; {_FEWEST} are needed to learn weights")
    names, places = np.unique(np.asarray(cases.domains), return_inverse=True)
    share = 1.0 / (len(names) * np.bincount(places)[places])

    def loss(weights: KindWeights) -> float:
        return float(-(share * np.log(np.maximum(_shares(cases, weights)[np.arange(len(truth)), truth], 1e-9))).sum())

    def right(weights: KindWeights) -> float:
        return float((share * (_shares(cases, weights).argmax(axis=1) == truth)).sum())

    best, alone = (_search(loss, reader, has_offset=cases.yes is not None) for reader in (_READER_GRID, (0.0,)))
    best = alone if right(alone) > right(best) else best
    shares = _shares(cases, best)
    sure, hits = shares.max(axis=1), shares.argmax(axis=1) == truth
    parts = [places == at for at in range(len(names))] if everywhere else [places >= 0]
    # A domain where enough is right asks for no threshold, however sure its least sure answer is.
    needed = [lowest_threshold(sure[part], hits[part], precision) for part in parts if hits[part].mean() < precision]
    threshold = max(needed, default=0.0)
    return KindWeights(
        encoder=best.encoder, reader=best.reader, offset=best.offset, unknown_below=min(1.0, round(threshold, 4))
    )


def pooled_logits(encoder: Scores, reader: Scores, weights: KindWeights, yes: int | None) -> Scores:
    """Return (n, m) logits: both models' scores, weighed and added."""
    logits = np.float32(weights.encoder) * encoder + np.float32(weights.reader) * reader
    if yes is not None:
        logits[:, yes] += np.float32(weights.offset)
    return np.asarray(logits, dtype=np.float32)


def none_fits(offered: Scores, others: Scores, weights: KindWeights) -> NDArray[np.bool_]:
    """Return (n,): whether none of the answers fits a picture.

    Args:
        offered: (n, m) logits of the answers.
        others: (n, k) logits of answers that are not offered; k may be 0.
        weights: with the limits.
    """
    best = offered.max(axis=1)
    rejected = np.zeros(len(offered), dtype=np.bool_)
    if weights.least_logit is not None:
        rejected |= best < weights.least_logit
    if weights.most_behind is not None and others.shape[1]:
        rejected |= best < others.max(axis=1) - weights.most_behind
    return rejected


def save_answer_weights(weights: AnswerWeights, path: Path) -> None:
    """Write weights as JSON.

    Raises:
        InputError: the file cannot be written.
    """
    body = {"format": _FORMAT, **asdict(weights)}
    text = json.dumps(body, indent=2) + "\n"
    try:
        write_atomically(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise InputError(f"cannot write the answer weights {path}: {error}") from error


def load_answer_weights(path: Path) -> AnswerWeights:
    """Read what `save_answer_weights` wrote.

    Raises:
        ModelError: the file is missing or damaged, or holds impossible weights.
    """
    try:
        body = parse_json(path.read_text(encoding="utf-8"))
        if body["format"] != _FORMAT:
            raise ModelError(f"{path} is not a file of answer weights")
        kinds = {kind: KindWeights(**body["kinds"][kind]) for kind in QUESTION_KINDS if kind in body["kinds"]}
        return AnswerWeights(
            encoder_name=str(body["encoder_name"]),
            reader_name=str(body["reader_name"]),
            kinds=kinds,
            default=KindWeights(**body["default"]),
        )
    except (OSError, ValueError, KeyError, TypeError, InputError) as error:
        raise ModelError(f"the answer weights {path} cannot be used: {error}") from error


def _search(loss: Callable[[KindWeights], float], readers: Sequence[float], *, has_offset: bool) -> KindWeights:
    """Change one model's weights after the other's until neither improves; the loss is convex in all of them."""
    offsets = _OFFSETS if has_offset else (0.0,)
    best = KindWeights(encoder=_ENCODER_GRID[-1], reader=readers[len(readers) // 2])
    before = None
    while before != best:
        before = best
        # Cosines have a mean of their own, so that the encoder's weight and the offset are found together.
        pairs = [replace(best, encoder=encoder, offset=offset) for encoder in _ENCODER_GRID for offset in offsets]
        best = min(pairs, key=loss)
        best = min((replace(best, reader=reader) for reader in readers), key=loss)
    return best


def _shares(cases: AnsweredCases, weights: KindWeights) -> Scores:
    logits = pooled_logits(cases.encoder, cases.reader, weights, cases.yes)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
