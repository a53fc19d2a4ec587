"""Words that claim a colour, material, pattern or size, in addition to the vocabularies; read once.

Knows words and the places where an everyday word is a claim; knows nothing of facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from catalens.tasks.english import stems
from catalens.tasks.yaml_files import parse_yaml

Phrase = tuple[str, ...]
"""Stems of adjacent words."""

_NEVER = re.compile(r"(?!)")
_ENDS = r"(?=\s*(?:$|[.,;:!?)]|(?:and|or|to|as|with|for|by)\b))"
_EDGE = r"(?<![\w&'’.-])(?:{})(?![\w&'’-])"


@dataclass(frozen=True, slots=True)
class Claims:
    """The words of one kind.

    Attributes:
        words: phrase → how it is written; a claim wherever it stands.
        same: phrase → the phrases that mean what it means.
        exact: finds what is a claim as it is written, or in some places alone; a group then holds the word itself.
        general: finds what is a claim unless a fact of the kind is known.
        none: values that are no such fact: a plain cloth has no pattern.
    """

    words: Mapping[Phrase, str]
    same: Mapping[Phrase, Set[Phrase]]
    exact: re.Pattern[str]
    general: re.Pattern[str]
    none: Set[Phrase]


@cache
def load_claims() -> Mapping[str, Claims]:
    """Read `data/describing/claims.yaml`: kind → its words."""
    text = (resources.files("catalens.tasks") / "data" / "describing" / "claims.yaml").read_text(encoding="utf-8")
    return {kind: _claims(entry) for kind, entry in parse_yaml(text).items()}


def _claims(entry: Mapping[str, Any]) -> Claims:
    groups = list(_groups(entry["words"]))
    shades = [f"{shade} {basic}" for shade in entry.get("shades", ()) for basic in entry["of"]]
    same: dict[Phrase, Set[Phrase]] = {}
    for group in groups:
        phrases = frozenset(map(stems, group))
        for phrase in phrases:
            same[phrase] = same.get(phrase, frozenset()) | phrases
    return Claims(
        words={stems(word): word for word in (*shades, *(word for group in groups for word in group))},
        same=same,
        exact=_exact(entry),
        general=_any_of(entry.get("general", ())),
        none=frozenset(map(stems, entry.get("none", ()))),
    )


def _groups(lines: Sequence[Sequence[str | Sequence[str]]]) -> Iterator[Sequence[str]]:
    """Return groups of synonyms; most have one word."""
    for line in lines:
        for each in line:
            yield (each,) if isinstance(each, str) else each


def _exact(entry: Mapping[str, Any]) -> re.Pattern[str]:
    words = "|".join(map(re.escape, entry.get("in_place", ())))
    places = [
        re.escape(place.removesuffix("|")).replace(r"\{\}", f"({words})") + (_ENDS if place.endswith("|") else "")
        for place in entry.get("places", ())
    ]
    return _any_of(entry.get("exact", ()), places)


def _any_of(phrases: Sequence[str], patterns: Sequence[str] = ()) -> re.Pattern[str]:
    every = [_cased(phrase) for phrase in phrases] + [f"(?i:{pattern})" for pattern in patterns]
    return re.compile(_EDGE.format("|".join(every))) if every else _NEVER


def _cased(phrase: str) -> str:
    return re.escape(phrase) if phrase != phrase.lower() else f"(?i:{re.escape(phrase)})"
