"""Learn when none of the answers of a closed question fits, for the bundled readers.

`python -m catalens.training.none_of_these --data DATA` asks the questions of `closed_answers` about validation pictures
twice, with the right answer among those offered and without it. The limits are learned on one half of the pictures, so
that nearly every right answer is still given; what they do on the other half is printed. They go into `answers.json`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from catalens.core.types import Scores
from catalens.core.vectors import softmax
from catalens.models.bundle import load_bundle
from catalens.models.readers.bundled import BundleReader, load_bundle_reader
from catalens.models.registry import shipped
from catalens.tasks.answer_weights import (
    AnswerWeights,
    KindWeights,
    load_answer_weights,
    none_fits,
    pooled_logits,
    save_answer_weights,
)
from catalens.tasks.answers import AnswerChooser
from catalens.tasks.question_kinds import Question, QuestionKind, answers_not_offered, parse_question
from catalens.training.closed_answers import Asked, Collection, alike, encode_rows, read_collections, take

KEPT, KEPT_OF_THINGS = 0.97, 0.999
"""The share of the right answers that are given now and must still be given.

Of things nearly all: `tag --labels` with the same list is rarely "unknown", and answers must not be worse than tags.
"""
OFFERED: Mapping[QuestionKind, int] = {"colour": 5, "place": 4, "action": 4, "count": 2, "thing": 9}
"""How many answers are offered of each kind; of things, all but the right one of ten."""
LEARNED: Mapping[str, Sequence[QuestionKind]] = {
    "everyday": ("colour", "place", "action", "count", "thing"),
    "starter": ("colour",),
}
_PRODUCTS = 1000
_FEWEST = 25


@dataclass(frozen=True, slots=True)
class Offer:
    """One question with some answers offered.

    Attributes:
        offered: (1, m) logits of them.
        others: (1, k) logits of what else could be said.
        truth: position of the right answer; None where it is not offered.
        domain: the collection that the picture is from.
    """

    offered: Scores
    others: Scores
    truth: int | None
    domain: str = ""


def offers_of(
    chooser: AnswerChooser, collections: Sequence[Collection], kinds: Sequence[QuestionKind], chance: random.Random
) -> dict[QuestionKind, tuple[list[Offer], list[Offer]]]:
    """Return, for each kind, offers for even and for odd pictures; each question with its right answer and without."""
    found: dict[QuestionKind, tuple[list[Offer], list[Offer]]] = {kind: ([], []) for kind in kinds}
    for collection in collections:
        for question, answers, some in alike(collection.asked):
            asked = parse_question(question, answers)
            if asked.kind not in kinds:
                continue
            vectors, encoded = take(collection.encoded, [each.at for each in some])
            weights = chooser.weights.of(asked.kind)
            by_encoder = np.zeros((len(some), len(answers)), dtype=np.float32)
            by_reader = np.zeros_like(by_encoder)
            if weights.encoder:
                by_encoder = chooser.encoder_scores(vectors, asked, answers)
            if weights.reader and chooser.answerer is not None:
                by_reader = chooser.answerer.score(encoded, question, answers)
            rows = pooled_logits(by_encoder, by_reader, weights, None)
            for each, row in zip(some, rows, strict=True):
                found[asked.kind][each.at % 2].extend(
                    _offers(asked, answers, each.truth, row, chance, collection.domain)
                )
    return found


def _offers(
    asked: Question, answers: Sequence[str], truth: int, row: Scores, chance: random.Random, domain: str
) -> Iterator[Offer]:
    places = {name: at for at, name in enumerate(answers)}
    if asked.kind == "thing":
        wrong = [name for name in answers if name != answers[truth]]
    else:
        wrong = [name for name in answers_not_offered(asked, [answers[truth]]) if name in places]
    if not wrong:
        return
    count = min(OFFERED[asked.kind], len(wrong))
    for right in (True, False):
        names = chance.sample(wrong, count - right)
        names += [answers[truth]] if right else []
        others = [places[name] for name in answers_not_offered(asked, names) if name in places]
        offered = row[None, [places[name] for name in names]]
        yield Offer(offered, row[None, others], len(names) - 1 if right else None, domain)


def learn_limits(offers: Sequence[Offer], weights: KindWeights, kept: float = KEPT) -> KindWeights:
    """Return weights with the limit at which a share of the right answers of every domain are still given."""
    right = [each for each in offers if each.truth is not None and _given(each, weights) == each.truth]
    if len(right) < _FEWEST:
        return weights
    domains = [[each for each in right if each.domain == name] for name in {each.domain for each in right}]
    if all(each.others.shape[1] for each in right):
        behind = [[float(each.others.max() - each.offered.max()) for each in some] for some in domains]
        return replace(weights, most_behind=round(max(float(np.quantile(some, kept)) for some in behind), 4))
    least = [[float(each.offered.max()) for each in some] for some in domains]
    return replace(weights, least_logit=round(min(float(np.quantile(some, 1 - kept)) for some in least), 4))


def report(offers: Sequence[Offer], weights: KindWeights) -> dict[str, float]:
    """Return shares: answers that are right and wrong where one fits, and that are given where none does."""
    fitting = [(each, _given(each, weights)) for each in offers if each.truth is not None]
    without = [(each, _given(each, weights)) for each in offers if each.truth is None]
    sure = [given is not None and float(softmax(each.offered).max()) >= 0.5 for each, given in without]
    values: dict[str, Any] = {
        "questions": len(fitting),
        "right": np.mean([given == each.truth for each, given in fitting]),
        "wrong": np.mean([given not in (each.truth, None) for each, given in fitting]),
        "given where none fits": np.mean([given is not None for _, given in without]),
        "surely": np.mean(sure),
    }
    return {name: round(float(value), 3) for name, value in values.items()}


def _given(offer: Offer, weights: KindWeights) -> int | None:
    if none_fits(offer.offered, offer.others, weights)[0]:
        return None
    shares = softmax(offer.offered)[0]
    return int(shares.argmax()) if shares.max() >= weights.unknown_below else None


def _products(reader: BundleReader, data: Path) -> list[Collection]:
    """Return product pictures with the colour that their label names."""
    from pyarrow import parquet

    rows = parquet.read_table(data / "fashion" / "val.parquet").to_pylist()[:_PRODUCTS]
    names = answers_not_offered(Question("colour"), [])
    asked = []
    for at, row in enumerate(rows):
        label = (row["baseColour"] or "").lower()
        meant = [name for name in names if name not in answers_not_offered(Question("colour"), [label])]
        if len(meant) == 1:
            asked.append(Asked(at, "what colour is it?", names, names.index(meant[0])))
    return [Collection("products", encode_rows(reader, rows), asked)]


def _weights(name: str, folder: Path, encoder: str, reader: str) -> AnswerWeights:
    """Return a bundle's weights without limits; a reader that has none answers alone."""
    file = folder / "answers.json"
    found = load_answer_weights(file) if file.is_file() else AnswerWeights(encoder_name=encoder, reader_name=reader)
    kinds = {kind: found.of(kind) for kind in (*found.kinds, *LEARNED[name])}
    return replace(
        found, kinds={kind: replace(each, least_logit=None, most_behind=None) for kind, each in kinds.items()}
    )


def main() -> None:
    """Learn, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", default="everyday", choices=sorted(LEARNED))
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    folder = shipped(options.bundle)
    encoder = load_bundle(folder)
    reader = load_bundle_reader(folder, encoder)
    chooser = AnswerChooser(encoder, reader, _weights(options.bundle, folder, encoder.name, reader.name))
    if options.bundle == "starter":
        collections = _products(reader, options.data)
    else:
        collections = read_collections(reader, options.data, random.Random(0))
    kinds, scores = dict(chooser.weights.kinds), {}
    for kind, (here, there) in offers_of(chooser, collections, LEARNED[options.bundle], random.Random(0)).items():
        kept = KEPT_OF_THINGS if kind == "thing" else KEPT
        before, kinds[kind] = kinds[kind], learn_limits(here, kinds[kind], kept)
        scores[kind] = {"before": report(there, before), "after": report(there, kinds[kind])}
    save_answer_weights(replace(chooser.weights, kinds=kinds), folder / "answers.json")
    print(json.dumps(scores, indent=1))  # noqa: T201 - what was asked for


if __name__ == "__main__":
    main()
