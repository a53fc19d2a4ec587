"""Learn the weights of a bundle's encoder and reader in closed answers.

`python -m catalens.training.closed_answers --data DATA` asks both about validation pictures whose answers are known:
what captions agree on, and the labels of the wild tables; `--bundle starter`, about products and clothes at home. It
writes `answers.json` into the bundle.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from catalens.core.images import read_image
from catalens.core.types import Scores
from catalens.core.vectors import batched
from catalens.models.bundle import load_bundle
from catalens.models.readers.bundled import BundleImages, BundleReader, load_bundle_reader
from catalens.models.registry import shipped
from catalens.models.routing import PRODUCT
from catalens.tasks.answer_weights import (
    AnsweredCases,
    AnswerWeights,
    KindWeights,
    fit_weights,
    pooled_logits,
    save_answer_weights,
)
from catalens.tasks.answers import AnswerChooser, yes_among
from catalens.tasks.english import with_article
from catalens.tasks.question_kinds import QuestionKind
from catalens.tasks.schema import load_schema
from catalens.training.questions import COLOURS, DOING, PLACES, everyday_facts

PRECISION, PRECISION_OF_TWO = 0.6, 0.7
"""The share of chosen answers that must be right: over all domains, and in each domain where two answers are allowed.

Who lists the answers wants a best guess with its probability, but no likely error; of two answers one is as likely as
not without looking, and a wrong one always has a probability of .5 or more.
"""
CLOSED = {
    "inside": ("indoors", "outdoors"),
    "people": ("none", "one", "two", "many"),
    "colour": tuple(COLOURS),
    "doing": tuple(DOING),
    "place": tuple(PLACES),
    "thing": ("yes", "no"),
}
"""Kind of fact → all answers that it may have."""
GARMENTS = {"longsleeve": "long-sleeved top", "outwear": "jacket", "body": "bodysuit", "top": "sleeveless top"}
UNSEEN: Mapping[QuestionKind, KindWeights] = {
    kind: KindWeights(encoder=1.0, reader=0.0, unknown_below=1.0) for kind in ("inside", "place", "count", "action")
}
"""Kinds of questions that a picture of a product does not answer: always unknown."""
CHOICES = 10
_VAL_BUCKETS = 4
_PICTURES = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """One closed question about picture number `at` of a collection, with the position of its right answer."""

    at: int
    question: str
    answers: tuple[str, ...]
    truth: int


@dataclass(frozen=True, slots=True)
class Collection:
    """Encoded pictures of one origin, and what is known of each."""

    domain: str
    encoded: BundleImages
    asked: Sequence[Asked]


def is_val(identifier: str) -> bool:
    """Return whether a row of a wild table is kept for validation: a quarter is, by a hash of its id."""
    return hashlib.sha256(identifier.encode()).digest()[0] % 16 < _VAL_BUCKETS


def photograph_questions(captions: Sequence[Sequence[str]], chance: random.Random) -> list[Asked]:
    """Return the questions that captions answer; of each picture's things one that is there and two that are not."""
    asked: list[Asked] = []
    for at, texts in enumerate(captions):
        facts = everyday_facts(texts)
        things = [fact for fact in facts if fact.kind == "thing"]
        present = [fact for fact in things if fact.answer == "yes"]
        absent = [fact for fact in things if fact.answer == "no"]
        some = [*chance.sample(present, min(1, len(present))), *chance.sample(absent, min(2, len(absent)))]
        for fact in [*(fact for fact in facts if fact.kind not in {"thing", "animal"}), *some]:
            answers = CLOSED[fact.kind]
            if fact.answer in answers:
                asked.append(Asked(at, fact.asked[0], answers, answers.index(fact.answer)))
    return asked


def label_questions(labels: Sequence[str], chance: random.Random, *, at_home: bool) -> list[Asked]:
    """Return what labels answer: which of ten it is, what is there; `at_home` is indoors with nobody."""
    names = sorted(set(labels))
    asked: list[Asked] = []
    for at, label in enumerate(labels):
        others = chance.sample([name for name in names if name != label], min(CHOICES, len(names)) - 1)
        answers = [label, *others]
        chance.shuffle(answers)
        asked.append(Asked(at, "what is it?", tuple(answers), answers.index(label)))
        for thing, truth in ((label, 0), (others[0], 1), (others[1], 1)):
            asked.append(Asked(at, f"is there {with_article(thing)}?", ("yes", "no"), truth))
        if at_home:
            asked.append(Asked(at, "is this indoors or outdoors?", CLOSED["inside"], 0))
            asked.append(Asked(at, "how many people are there?", CLOSED["people"], 0))
    return asked


def plain_label(row: dict[str, Any]) -> str:
    """Return a wild label as people write it."""
    plain = str(row.get("coarse") or row["label"]).replace("-", " ").lower()
    return GARMENTS.get(plain, plain)


def cases_of(chooser: AnswerChooser, collections: Sequence[Collection]) -> dict[QuestionKind, list[AnsweredCases]]:
    """Score every question by both models: kind → cases, those of one list of answers together."""
    rows: dict[tuple[QuestionKind, int], list[tuple[Scores, Scores, int, str, int | None]]] = {}
    for collection in collections:
        for question, answers, some in alike(collection.asked):
            kind = chooser.parse(question, answers)
            vectors, encoded = take(collection.encoded, [each.at for each in some])
            by_encoder = chooser.encoder_scores(vectors, kind, answers)
            assert chooser.answerer is not None
            by_reader = chooser.answerer.score(encoded, question, answers)
            found = rows.setdefault((kind.kind, len(answers)), [])
            for each, one, other in zip(some, by_encoder, by_reader, strict=True):
                found.append((one, other, each.truth, collection.domain, yes_among(kind, answers)))
    out: dict[QuestionKind, list[AnsweredCases]] = {}
    for (kind_name, _), found in rows.items():
        encoder, reader, truth, domains, yes = zip(*found, strict=True)
        out.setdefault(kind_name, []).append(
            AnsweredCases(np.stack(encoder), np.stack(reader), list(truth), list(domains), yes[0])
        )
    return out


def report(cases: AnsweredCases, weights: KindWeights) -> dict[str, dict[str, float]]:
    """Return, for each domain, the accuracy of the most frequent answer, of each model and of both."""
    truth, domains = np.asarray(cases.truth), np.asarray(cases.domains)
    logits = pooled_logits(cases.encoder, cases.reader, weights, cases.yes)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    best, right = shares.max(axis=1), shares.argmax(axis=1) == truth
    given = best >= weights.unknown_below
    alone = cases.encoder.copy()
    if cases.yes is not None:
        alone[:, cases.yes] += np.float32(weights.offset / max(weights.encoder, 1e-6))
    out = {}
    for domain in dict.fromkeys(cases.domains):
        of = domains == domain
        values = {
            "rows": of.sum(),
            "commonest": np.bincount(truth[of]).max() / of.sum(),
            "reader": (cases.reader.argmax(axis=1) == truth)[of].mean(),
            "encoder": (alone.argmax(axis=1) == truth)[of].mean(),
            "both": right[of].mean(),
            "given": given[of].mean(),
            "right": (right & given)[of].mean(),
            "confident_wrong": (~right & given & (best >= 0.5))[of].mean(),
        }
        out[domain] = {name: round(float(value), 3) for name, value in values.items()}
    return out


def read_collections(reader: BundleReader, data: Path, chance: random.Random) -> list[Collection]:
    """Encode the validation pictures and make their questions."""
    from pyarrow import parquet

    rows = parquet.read_table(data / "everyday" / "val.parquet").to_pylist()
    questions = photograph_questions([row["captions"] for row in rows], chance)
    found = [Collection("everyday", encode_rows(reader, rows), questions)]
    for name in ("objects", "grocery", "clothing"):
        rows = parquet.read_table(data / "wild" / f"{name}.parquet").to_pylist()
        rows = rows if name == "objects" else [row for row in rows if is_val(row["id"])][:_PICTURES]
        questions = label_questions([plain_label(row) for row in rows], chance, at_home=name != "objects")
        found.append(Collection(name, encode_rows(reader, rows), questions))
    return found


def read_products_and_clothes(reader: BundleReader, data: Path, chance: random.Random) -> list[Collection]:
    """Encode products of the shop and clothes at home, and ask what they are."""
    from pyarrow import parquet

    types = load_schema("fashion").group("type").labels
    kinds = {label.name: re.sub(r"^an?\s", "", label.wordings[0]) for label in types}
    columns = ["image", "articleType"]
    sold = parquet.read_table(data / "fashion" / "val.parquet", columns=columns).to_pylist()
    sold = [row for row in sold if row["articleType"] in kinds][:_PICTURES]
    worn = parquet.read_table(data / "wild" / "clothing.parquet").to_pylist()
    worn = [row for row in worn if is_val(row["id"])][:_PICTURES]
    labels = {"products": [kinds[row["articleType"]] for row in sold], "clothing": [plain_label(row) for row in worn]}
    rows = {"products": sold, "clothing": worn}
    return [
        Collection(name, encode_rows(reader, rows[name]), label_questions(some, chance, at_home=False))
        for name, some in labels.items()
    ]


def learn_weights(
    chooser: AnswerChooser, collections: Sequence[Collection]
) -> tuple[AnswerWeights, dict[QuestionKind, dict[str, dict[str, float]]]]:
    """Learn the weights of each kind of question; the second value is what they do on the same pictures."""
    kinds: dict[QuestionKind, KindWeights] = {}
    scores: dict[QuestionKind, dict[str, dict[str, float]]] = {}
    for kind, cases in cases_of(chooser, collections).items():
        largest = max(cases, key=lambda each: len(each.truth))
        two = largest.encoder.shape[1] == 2
        kinds[kind] = fit_weights(largest, PRECISION_OF_TWO if two else PRECISION, everywhere=two)
        scores[kind] = report(largest, kinds[kind])
    default = kinds.get("thing", KindWeights())
    assert chooser.answerer is not None
    names = {"encoder_name": chooser.encoder.name, "reader_name": chooser.answerer.name}
    return AnswerWeights(**names, kinds=kinds, default=default), scores


def alike(asked: Sequence[Asked]) -> Iterator[tuple[str, tuple[str, ...], list[Asked]]]:
    """Yield the questions of equal wording and answers together."""
    groups: dict[tuple[str, tuple[str, ...]], list[Asked]] = {}
    for each in asked:
        groups.setdefault((each.question, each.answers), []).append(each)
    for (question, answers), some in groups.items():
        yield question, answers, some


def take(encoded: BundleImages, places: Sequence[int]) -> tuple[Any, BundleImages]:
    """Return the vectors and the encoded pictures of some places."""
    some = encoded.take(np.asarray(places, dtype=np.int64))
    return some.vectors, some


def encode_rows(reader: BundleReader, rows: Sequence[dict[str, Any]]) -> BundleImages:
    """Encode the pictures of a table's rows."""
    parts = [reader.encode_images([read_image(row["image"]["bytes"]) for row in some]) for some in batched(rows, 32)]
    return BundleImages(
        np.concatenate([part.vectors for part in parts]), np.concatenate([part.memory for part in parts], axis=2)
    )


def main() -> None:
    """Learn, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", default="everyday")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    folder = shipped(options.bundle)
    encoder = load_bundle(folder)
    reader = load_bundle_reader(folder, encoder)
    chooser = AnswerChooser(encoder, reader, AnswerWeights(encoder_name=encoder.name, reader_name=reader.name))
    of_products = options.bundle == PRODUCT
    read = read_products_and_clothes if of_products else read_collections
    weights, scores = learn_weights(chooser, read(reader, options.data, random.Random(0)))
    if of_products:
        # Of a product's colour, pattern or material the reader knows at least as much as the encoder.
        weights = replace(weights, kinds={**UNSEEN, **weights.kinds}, default=KindWeights())
    save_answer_weights(weights, folder / "answers.json")
    print(json.dumps(scores, indent=1))  # noqa: T201 - what was asked for


if __name__ == "__main__":
    main()
