"""Scores the main tag of any picture as `catalens tag` gives it: the gate chooses the encoder, and that its schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from catalens.tasks.attributes import Attribute
from catalens.tasks.schema import load_schema
from catalens.training.caption_truth import Truth, holds
from catalens.training.recipes.unified.evaluator import Evaluator
from catalens.training.recipes.unified.figures import CONFIDENT, Figure
from catalens.training.recipes.unified.mistakes import Mistake, Mistakes
from catalens.training.recipes.unified.tables import LabelledTable

EVERYWHERE = "everywhere"
"""All tables together."""
_CONSTANTS = 20
"""Tags given most often, of which the best constant one is the majority's share."""


def main_tag_figures(evaluator: Evaluator, tables: Sequence[LabelledTable], mistakes: Mistakes) -> list[Figure]:
    """Judge the article type or the main subject of every picture, for each table and for all together."""
    out: list[Figure] = []
    tags: list[Attribute] = []
    truths: list[Truth] = []
    for table in tables:
        found = main_tags(evaluator, table)
        out += tag_figures(table.name, found, table.truths)
        tags += found
        truths += table.truths
        mistakes.add(f"main tags: {table.name}", _wrong(table, found))
    return [*out, *tag_figures(EVERYWHERE, tags, truths)]


def main_tags(evaluator: Evaluator, table: LabelledTable) -> list[Attribute]:
    """Return the article type of each picture that the gate takes for a product, and the main subject of the others."""
    name = {"everyday": f"everyday-{evaluator.split}", "objects": "objects"}.get(table.file, f"{table.file}-val")
    product, everyday = (
        evaluator.images(encoder, name, lambda: table.pictures) for encoder in (evaluator.product, evaluator.everyday)
    )
    types = evaluator.read("fashion", evaluator.product, product)
    subjects = evaluator.read("everyday", evaluator.everyday, everyday)
    sold = evaluator.are_products(name, lambda: table.pictures)
    return [a["type"] if is_sold else b["subject"] for is_sold, a, b in zip(sold, types, subjects, strict=True)]


def tag_figures(table: str, tags: Sequence[Attribute], truths: Sequence[Truth]) -> list[Figure]:
    """Count what is right, wrong, and wrong with a probability of one half or more; the rest is unknown.

    What a label says nothing about, as people beside a guitar, is neither right nor wrong.
    """
    words = _wordings()
    verdicts = [holds(words[tag.value], truth) if tag.values else None for tag, truth in zip(tags, truths, strict=True)]
    sure = [verdict is False and tag.confidence >= CONFIDENT for verdict, tag in zip(verdicts, tags, strict=True)]
    constants = [value for value, _ in Counter(tag.value for tag in tags if tag.values).most_common(_CONSTANTS)]
    best = max((sum(holds(words[value], truth) is True for truth in truths) for value in constants), default=0)
    count = len(tags)
    return [
        Figure(table, "main tag: right", verdicts.count(True) / count, best / count, count),
        Figure(table, "main tag: wrong", verdicts.count(False) / count, None, count),
        Figure(table, "main tag: confident and wrong", sum(sure) / count, None, count),
    ]


def _wordings() -> Mapping[str, Sequence[str]]:
    """Return each article type and main subject with all that it is called."""
    groups = (load_schema("fashion").group("type"), load_schema("everyday").group("subject"))
    return {label.name: (label.name.lower(), *label.wordings) for group in groups for label in group.labels}


def _wrong(table: LabelledTable, tags: Sequence[Attribute]) -> list[Mistake]:
    words = _wordings()
    return [
        Mistake(picture, tag.value, told, tag.confidence)
        for picture, tag, truth, told in zip(table.pictures, tags, table.truths, table.told, strict=True)
        if tag.values and holds(words[tag.value], truth) is False
    ]
