"""Measured shares: as a table, and against those of the release."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalens.tasks.attributes import Attribute

KEPT = Path(__file__).with_name("figures.json")
"""Figures of the bundles as they were released."""
QUOTED = {
    "starter": ("products", "clothes at home"),
    "everyday": ("photographs", "objects", "groceries", "everywhere", "scientific pictures", "details"),
}
"""Bundle → the tables whose figures its card quotes."""
_WORDS = (
    "main tag",
    "what it is",
    "yes or no",
    "what is it?",
    "captions: ",
    "prompts: ",
    "whole catalogue",
    "women's",
    "place: wrong",
)
"""Beginnings or parts of the names of figures that cards quote: of what is said and found, as a user sees it."""
_HEADING = "## Judged by labels and captions"
CONFIDENT = 0.5
"""A wrong value counts as a confident falsehood from this probability on."""
SLACK = 0.01
"""What a figure may be worse by: two runtimes differ by up to .007 on the same pictures."""
_HARM = ("wrong", "something done", "confident", "false")
_NOT_JUDGED = ("sent to", ": unknown", "prompts: says a term")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured share.

    Attributes:
        table: the pictures it was measured on.
        name: what was measured.
        value: a share in [0, 1].
        majority: accuracy of always giving the most frequent answer; None where there is no such answer.
        rows: how many pictures, texts or answers it is a share of.
    """

    table: str
    name: str
    value: float
    majority: float | None
    rows: int


def value_figures(table: str, read: Sequence[Attribute], allowed: Sequence[Sequence[str]]) -> list[Figure]:
    """Compare the values read with those that are right; a row without any allowed value can only be wrong or unknown.

    >>> [f.value for f in value_figures("t", [Attribute("g", (), 0.2, ())], [("a",)])]
    [0.0, 0.0, 0.0]
    """
    right = np.array([each.value in some for each, some in zip(read, allowed, strict=True)])
    given = np.array([bool(each.values) for each in read])
    sure = np.array([each.confidence >= CONFIDENT for each in read])
    top = Counter(value for some in allowed for value in some).most_common(1)[0][1] / len(allowed)
    return [
        Figure(table, "right", float((given & right).mean()), top, len(read)),
        Figure(table, "wrong", float((given & ~right).mean()), None, len(read)),
        Figure(table, "confident and wrong", float((given & ~right & sure).mean()), None, len(read)),
    ]


def table_of(figures: Sequence[Figure]) -> str:
    """Return the figures as a table in Markdown.

    >>> print(table_of([Figure("products", "type", 0.5, None, 2)]))
    | pictures | figure | value | majority | rows |
    |---|---|---|---|---|
    | products | type | 0.500 | – | 2 |
    """
    lines = ["| pictures | figure | value | majority | rows |", "|---|---|---|---|---|"]
    for each in figures:
        majority = "–" if each.majority is None else f"{each.majority:.3f}"
        lines.append(f"| {each.table} | {each.name} | {each.value:.3f} | {majority} | {each.rows} |")
    return "\n".join(lines)


def proof(bundle: str, figures: Sequence[Figure]) -> str:
    """Return the section of a bundle's card that quotes figures."""
    of = [each for each in figures if each.table in QUOTED[bundle] and any(word in each.name for word in _WORDS)]
    told = (
        "Both bundled models together, each picture with the one that the gate chooses, by `make eval-bundled` on "
        "validation rows; the majority is what\nthe best constant answer reaches, and a false subject is a share of "
        "what is said."
    )
    return f"{_HEADING}\n\n{told}\n\n{table_of(of)}\n"


def quote(card: Path, bundle: str, figures: Sequence[Figure]) -> None:
    """Put figures into a card: in place of those that it quotes, or else before its limits."""
    text = card.read_text(encoding="utf-8")
    before, heading, rest = text.partition(f"{_HEADING}\n")
    if heading:
        after = rest[rest.index("\n## ") :]
    else:
        before, limits, rest = text.partition("## Limits\n")
        after = f"\n{limits}{rest}"
    card.write_text(before + proof(bundle, figures) + after, encoding="utf-8")


def read_figures(file: Path) -> list[Figure]:
    """Read figures from JSON."""
    return [Figure(**each) for each in json.loads(file.read_text(encoding="utf-8"))]


def shortfalls(figures: Sequence[Figure], released: Sequence[Figure]) -> list[str]:
    """Say what is worse than at the release, or is not measured any more.

    A share of wrong answers is worse when it is higher; how many pictures go to which encoder, and how often the answer
    is "unknown", is not judged.

    >>> then = [Figure("groceries", "wrong", 0.02, None, 600), Figure("products", "type", 0.87, 0.1, 1500)]
    >>> shortfalls([Figure("groceries", "wrong", 0.04, None, 600)], then)
    ['groceries, wrong: 0.040 (0.020 at the release)', 'products, type: not measured (0.870 at the release)']
    """
    now = {(each.table, each.name): each.value for each in figures}
    out = []
    for then in released:
        if any(words in then.name for words in _NOT_JUDGED):
            continue
        value = now.get((then.table, then.name))
        harm = any(word in then.name for word in _HARM)
        if value is None:
            out.append(f"{then.table}, {then.name}: not measured ({then.value:.3f} at the release)")
        elif (value - then.value if harm else then.value - value) > SLACK:
            out.append(f"{then.table}, {then.name}: {value:.3f} ({then.value:.3f} at the release)")
    return out
