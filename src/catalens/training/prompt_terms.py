"""Keep the terms of prompts that an encoder knows: `python -m catalens.training.prompt_terms everyday --data DATA`.

For each term that is true of ten validation images or more: does it rank them above the others (area under the curve),
and from which score on is it right in eight of ten, on each table that it is said of? Names of things that fewer images
show have one threshold together. At most one in a hundred enlarged details of photographs may get an everyday term that
nobody says of the whole. What cannot be measured is not said: light, moods, artists, most media.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalens.core.classes import THINGS
from catalens.core.protocols import Encoder
from catalens.core.types import Scores, Vectors
from catalens.models.registry import PROMPT_TERMS, load_encoder, shipped
from catalens.models.routing import EVERYDAY, PRODUCT
from catalens.tasks.class_labels import SOMEBODY
from catalens.tasks.class_words import classes_by_stems, plain
from catalens.tasks.prompts.evidence import BY_TEXT, Claim, class_shares, save_evidence
from catalens.tasks.prompts.tables import Kind, load_tables
from catalens.tasks.schema import load_schema
from catalens.training.kinds import read_classes
from catalens.training.prompt_images import Judged, Truths, detail_images, judged_images, sayable, truths_of
from catalens.training.prompt_truth import Sayable
from catalens.training.recipes.unified.evaluator import Evaluator, cache_folder
from catalens.training.things import things_of

PRECISION = 0.8
LEAST_AREA = 0.8
FEWEST = 10
"""True images that a threshold of a term's own needs."""
_SLIPS = 1
"""Wrong ones that a table may have besides, so that one label that lacks a word does not cost a term."""
DETAIL_SLIPS = 0.01
"""Share of the enlarged details that may get a false term."""
LEAST_SHARE = 0.2
"""Of the classes: tables show few kinds of images, and elsewhere a small share means nothing."""
OTHER_SENSES = frozenset(
    {
        *("knotted", "tapered", "spring", "nursery", "brass", "spiral", "docks", "robe", "terrace", "column", "bow"),
        *("ray", "bell", "monitor", "plane", "crane", "stag", "workwear", "landscape", "projectile"),
    }
)
"""Terms that are written as names of classes, and mean something else to people."""
_ARTICLE = re.compile(r"^an? ")


@dataclass(frozen=True, slots=True)
class Measured:
    """How well a term ranks images that it is true of, and what it needs; None: it is not said."""

    claim: Claim
    true: int
    area: float
    least: float | None


def area(scores: Scores, truth: Truths) -> float:
    """Return the share of pairs of a true and a false image in which the true one has the higher score.

    >>> area(np.array([0.9, 0.2, 0.5, 0.7]), np.array([1, 0, 0, -1]))
    1.0
    """
    true, false = scores[truth == 1], np.sort(scores[truth == 0])
    if not len(true) or not len(false):
        return float("nan")
    below = np.searchsorted(false, true, side="left") + np.searchsorted(false, true, side="right")
    return float(below.mean() / (2 * len(false)))


def threshold(scores: Scores, truth: Truths, tables: NDArray[np.str_]) -> float | None:
    """Return the lowest score from which on a term is right often enough, in each table and over all.

    >>> tables = np.array(["a"] * 8)
    >>> threshold(np.arange(8) / 8, np.array([0, 0, 0, 1, 1, 1, 1, 1]), tables)
    0.375
    """
    known = truth >= 0
    order = np.argsort(-scores[known], kind="stable")
    score, right, table = scores[known][order], truth[known][order] == 1, tables[known][order]
    said = np.arange(1, len(right) + 1)
    fine = np.cumsum(right) >= PRECISION * said
    for name in np.unique(table):
        of = np.cumsum(table == name)
        fine &= np.cumsum((table == name) & ~right) <= (1 - PRECISION) * of + _SLIPS
    # Equal scores are said together.
    fine &= right & np.append(score[1:] < score[:-1], True) & (np.cumsum(right) >= FEWEST // 2)
    places = np.flatnonzero(fine)
    return float(score[places[-1]]) if len(places) else None


def quiet_from(scores: Scores, truth: Truths) -> float:
    """Return the score above which at most one in a hundred details gets a term that is false of it.

    >>> quiet_from(np.arange(200) / 200, np.array([0] * 199 + [1])).__round__(2)
    0.98
    """
    false = np.sort(scores[truth == 0])[::-1]
    allowed = int(DETAIL_SLIPS * len(scores))
    return float(np.nextafter(np.float32(false[allowed]), np.float32(np.inf))) if len(false) > allowed else -1.0


def measure(
    claims: Sequence[Claim], scores: Mapping[str, Scores], truths: Mapping[str, Truths], tables: NDArray[np.str_]
) -> Iterator[Measured]:
    """Measure terms; those of things that few images show are measured together.

    Args:
        claims: without thresholds.
        scores: term → (n,) of all images.
        truths: term → (n,).
        tables: (n,) the table of each image.
    """
    areas = {each.text: area(scores[each.text], truths[each.text]) for each in claims}
    counts = {each.text: int((truths[each.text] == 1).sum()) for each in claims}
    known = [each for each in claims if areas[each.text] >= LEAST_AREA]
    few = [each.text for each in known if each.classes == THINGS and 0 < counts[each.text] < FEWEST]
    together = None
    if few:
        score, truth = (np.concatenate([of[term] for term in few]) for of in (scores, truths))
        together = threshold(score, truth, np.full(len(score), "together"))
    for each in claims:
        least = None
        if each.text in few:
            least = together
        elif each in known and counts[each.text] >= FEWEST:
            least = threshold(scores[each.text], truths[each.text], tables)
        if least is not None and each.classes:
            least = max(least, LEAST_SHARE)
        if counts[each.text] >= FEWEST or each.classes == THINGS:
            yield Measured(each, counts[each.text], areas[each.text], least)


def candidates(world: str) -> list[tuple[str, Kind]]:
    """Return the terms that an encoder might know: those of its tables, and for photographs the names of classes."""
    tables = load_tables("fashion" if world == PRODUCT else None)
    terms: dict[str, Kind] = dict.fromkeys(tables.mediums, "medium")
    terms |= dict.fromkeys(tables.flavors, "flavor")
    if world == EVERYDAY:
        groups = [group for group in load_schema(EVERYDAY).groups if group.name != "people"]
        terms |= dict.fromkeys((label.name for group in groups for label in group.labels), "flavor")
        terms |= dict.fromkeys(SOMEBODY, "flavor")  # the schema has one subject for any number of them
        terms |= dict.fromkeys((_ARTICLE.sub("", thing.name) for thing in things_of(read_classes())), "flavor")
    terms = {term: kind for term, kind in terms.items() if world == PRODUCT or term not in OTHER_SENSES}
    by_stems = {plain(term): (term, kind) for term, kind in reversed(terms.items())}
    return list(reversed(by_stems.values()))


def learn(evaluator: Evaluator, world: str) -> tuple[list[Measured], Judged, dict[str, Scores], dict[str, Truths]]:
    """Measure every term that can be."""
    images = judged_images(evaluator, world, learning=True)
    terms = candidates(world)
    truths = truths_of([term for term, _ in terms], images, sayable(evaluator.data))
    terms = [(term, kind) for term, kind in terms if (truths[term] == 1).any()]
    encoder = evaluator.product if world == PRODUCT else evaluator.everyday
    sets = getattr(encoder, "classes", {})
    names = [next((n for n in sets if plain(term) in classes_by_stems(sets[n])), BY_TEXT) for term, _ in terms]
    claims = [Claim(term, kind, 0.0, name) for (term, kind), name in zip(terms, names, strict=True)]
    scores = scores_of(encoder, claims, images.vectors)
    measured = list(measure(claims, scores, truths, images.tables))
    if world == EVERYDAY:
        measured = kept_off_details(measured, encoder, detail_images(evaluator), sayable(evaluator.data))
    return measured, images, scores, truths


def scores_of(encoder: Encoder, claims: Sequence[Claim], vectors: Vectors) -> dict[str, Scores]:
    """Return term → (n,) cosines with its text, or the share of the classes of its name."""
    by_text = [each.text for each in claims if each.classes == BY_TEXT]
    scores = dict(zip(by_text, (vectors @ encoder.encode_texts(by_text).T).T, strict=True)) if by_text else {}
    sets = getattr(encoder, "classes", {})
    for name in sets:
        named = [each.text for each in claims if each.classes == name]
        scores |= class_shares(vectors, named, name, sets, encoder.logit_scale) if named else {}
    return scores


def kept_off_details(measured: Sequence[Measured], encoder: Encoder, images: Judged, said: Sayable) -> list[Measured]:
    """Raise thresholds until hardly any detail gets a term that is false of it."""
    claims = [each.claim for each in measured]
    scores = scores_of(encoder, claims, images.vectors)
    truths = truths_of([each.text for each in claims], images, said)
    return [
        each
        if each.least is None
        else replace(each, least=max(each.least, quiet_from(scores[each.claim.text], truths[each.claim.text])))
        for each in measured
    ]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", choices=(EVERYDAY, PRODUCT))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("runs/evaluation"), help="folder for image vectors")
    options = parser.parse_args()
    product, everyday = load_encoder(PRODUCT), load_encoder(EVERYDAY)
    evaluator = Evaluator(product, everyday, options.data, cache=cache_folder(options.cache, product, everyday))
    measured, *_ = learn(evaluator, options.world)
    kept = [
        Claim(each.claim.text, each.claim.kind, round(each.least, 4), each.claim.classes)
        for each in measured
        if each.least is not None
    ]
    encoder = product if options.world == PRODUCT else everyday
    save_evidence(shipped(options.world) / PROMPT_TERMS, encoder.name, kept)
    for each in sorted(measured, key=lambda each: -each.area):
        least = "-" if each.least is None else f"{each.least:.3f}"
        print(f"{each.claim.text}\t{each.claim.classes or 'text'}\t{each.true}\t{each.area:.3f}\t{least}")  # noqa: T201
    print(f"{len(kept)} of {len(measured)} terms that can be measured are kept")  # noqa: T201


if __name__ == "__main__":
    main()
