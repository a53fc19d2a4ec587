"""Scores the terms that prompts of the bundled encoders add: how many are true, false, or cannot be judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from catalens.core.protocols import Encoder
from catalens.models.registry import bundled_prompt_terms
from catalens.models.routing import EVERYDAY, PRODUCT
from catalens.tasks.interrogation import Plan, Vocabulary, build_vocabulary, interrogate, load_evidence
from catalens.training.prompt_images import COMPLETE, DETAILS, Judged, detail_images, judged_images, sayable
from catalens.training.prompt_truth import term_truth
from catalens.training.recipes.unified.evaluator import Evaluator
from catalens.training.recipes.unified.figures import Figure
from catalens.training.recipes.unified.mistakes import Mistake, Mistakes

_PLAN = Plan(mode="fast")
"""Every term that has enough evidence, whether or not it would bring a caption nearer."""


def prompt_figures(evaluator: Evaluator, mistakes: Mistakes) -> list[Figure]:
    """Make a prompt without a caption for every image, and judge its terms."""
    said: dict[str, list[list[bool | None]]] = {}
    known = sayable(evaluator.data)
    for world, encoder in ((EVERYDAY, evaluator.everyday), (PRODUCT, evaluator.product)):
        images = judged_images(evaluator, world)
        for at, terms in enumerate(said_terms(encoder, bundled_vocabulary(encoder), images)):
            table = str(images.tables[at])
            right = [term_truth(term, images.truths[at], known, is_complete=table in COMPLETE) for term in terms]
            said.setdefault(table, []).append(right)
            wrong = ", ".join(term for term, is_true in zip(terms, right, strict=True) if is_true is False)
            if wrong:
                mistakes.add(f"prompts: {table}", [Mistake(images.pictures[at], wrong, images.told[at])])
    out = [figure for table, rows in said.items() for figure in term_figures(table, rows)]
    return [*out, detail_figure(evaluator)]


def detail_figure(evaluator: Evaluator) -> Figure:
    """Return the share of enlarged details that get a term which nobody says of the whole photograph."""
    images, known = detail_images(evaluator), sayable(evaluator.data)
    terms = said_terms(evaluator.everyday, bundled_vocabulary(evaluator.everyday), images)
    wrong = [
        any(term_truth(term, truth, known) is False for term in some)
        for some, truth in zip(terms, images.truths, strict=True)
    ]
    return Figure(DETAILS, "prompts: with a false term", float(np.mean(wrong)), None, len(wrong))


def bundled_vocabulary(encoder: Encoder) -> Vocabulary:
    """Return the terms that a bundled encoder says."""
    file = bundled_prompt_terms(encoder.name)
    assert file is not None
    evidence = load_evidence(file, encoder.name, getattr(encoder, "classes", {}), encoder.logit_scale)
    return build_vocabulary(encoder, evidence.tables(), evidence=evidence)


def said_terms(encoder: Encoder, vocabulary: Vocabulary, images: Judged) -> list[list[str]]:
    """Return the terms of the prompt of each image."""
    prompts = interrogate(encoder, vocabulary, images.vectors, [""] * len(images.vectors), _PLAN)
    return [[term.text for term in prompt.terms] for prompt in prompts]


def term_figures(table: str, rows: Sequence[Sequence[bool | None]]) -> list[Figure]:
    """Count what is true and false of the terms of each prompt; the rest cannot be judged.

    >>> [round(each.value, 2) for each in term_figures("t", [[True, False, None, True], []])]
    [0.5, 0.25, 0.5]
    """
    every = [right for row in rows for right in row]
    count = max(1, len(every))
    return [
        Figure(table, "prompts: true terms", every.count(True) / count, None, len(every)),
        Figure(table, "prompts: false terms", every.count(False) / count, None, len(every)),
        Figure(table, "prompts: says a term", float(np.mean([bool(row) for row in rows])), None, len(rows)),
    ]
