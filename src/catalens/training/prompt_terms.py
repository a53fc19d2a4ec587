"""Keep the terms of prompts that an encoder knows: `python -m catalens.training.prompt_terms everyday --data DATA`.

For each term that is true of ten validation images or more: does it rank them above the others (area under the curve),
and from which score on is it right in eight of ten, on each table that it is said of? Names of things that fewer images
show have one threshold together. What cannot be measured is not said: light, moods, artists, most media.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalens.core.classes import THINGS
from catalens.core.types import Scores
from catalens.models.registry import PROMPT_TERMS, load_encoder, shipped
from catalens.models.routing import EVERYDAY, PRODUCT
from catalens.tasks.class_words import classes_by_stems, plain
from catalens.tasks.prompts.evidence import BY_TEXT, Claim, class_shares, save_evidence
from catalens.tasks.prompts.tables import Kind, load_tables
from catalens.tasks.schema import load_schema
from catalens.training.kinds import read_classes
from catalens.training.prompt_images import Judged, Truths, judged_images, sayable, truths_of
from catalens.training.recipes.unified.evaluator import Evaluator, cache_folder
from catalens.training.things import things_of

PRECISION = 0.8
LEAST_AREA = 0.8
FEWEST = 10
"""True images that a threshold of a term's own needs."""
_SLIPS = 1
"""Wrong ones that a table may have besides, so that one label that lacks a word does not cost a term."""
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
        terms |= dict.fromkeys((_ARTICLE.sub("", thing.name) for thing in things_of(read_classes())), "flavor")
    terms = {term: kind for term, kind in terms.items() if world == PRODUCT or term not in OTHER_SENSES}
    by_stems = {plain(term): (term, kind) for term, kind in reversed(terms.items())}
    return list(reversed(by_stems.values()))


def learn(evaluator: Evaluator, world: str) -> tuple[list[Measured], Judged, dict[str, Scores], dict[str, Truths]]:
    """Measure every term that can be."""
    encoder = evaluator.product if world == PRODUCT else evaluator.everyday
    images = judged_images(evaluator, world)
    terms = candidates(world)
    truths = truths_of([term for term, _ in terms], images, sayable(evaluator.data))
    terms = [(term, kind) for term, kind in terms if (truths[term] == 1).any()]
    sets = getattr(encoder, "classes", {})
    claims, scores = [], {}
    texts = encoder.encode_texts([term for term, _ in terms])
    for (term, kind), text in zip(terms, texts, strict=True):
        name = next((name for name in sets if plain(term) in classes_by_stems(sets[name])), BY_TEXT)
        claims.append(Claim(term, kind, 0.0, name))
        if name == BY_TEXT:
            scores[term] = images.vectors @ text
    for name in sets:
        named = [each.text for each in claims if each.classes == name]
        scores |= class_shares(images.vectors, named, name, sets, encoder.logit_scale) if named else {}
    return list(measure(claims, scores, truths, images.tables)), images, scores, truths


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
