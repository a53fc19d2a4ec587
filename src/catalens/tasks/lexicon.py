"""Product terms of a schema and the shipped vocabularies: colours, materials, patterns, sizes and the like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

from catalens.tasks.claims import Phrase, load_claims
from catalens.tasks.english import stems
from catalens.tasks.facts import Fact
from catalens.tasks.phrasing import load_phrase_rules, plain_name
from catalens.tasks.schema import Schema
from catalens.tasks.vocabularies import load_vocabulary

KINDS: Mapping[str, tuple[str, ...]] = {
    "colour": ("fashion-colours",),
    "material": ("fashion-materials",),
    "pattern": ("fashion-patterns",),
    "size": ("fashion-sizes", "fashion-lengths"),
    "neckline": ("fashion-necklines", "fashion-collars"),
    "sleeves": ("fashion-sleeves",),
    "fit": ("fashion-fits",),
    "fastening": ("fashion-closures",),
    "heel": ("fashion-heels",),
    "toe": ("fashion-toes",),
}
"""Kind of fact that a text must not add → vocabularies with its terms."""

_KIND_OF = {"colour": "colour", "material": "material", "pattern": "pattern", "print": "pattern"}
"""Attribute → the kind whose terms its own wordings are, too."""

_ARTICLES = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The terms of a schema and of the vocabularies.

    Attributes:
        schema: of the facts' labels.
        kinds: kind → phrase → its spelling; reported in a text where no fact has it.
        groups: attribute → every wording of its labels.
    """

    schema: Schema
    kinds: Mapping[str, Mapping[Phrase, str]]
    groups: Mapping[str, Set[Phrase]]


def build_lexicon(schema: Schema) -> Lexicon:
    """Collect the terms by which added facts are recognised."""
    kinds: dict[str, dict[Phrase, str]] = {
        kind: {stems(term): term for name in names for term in load_vocabulary(name)} for kind, names in KINDS.items()
    }
    for kind, claims in load_claims().items():
        kinds[kind] = {**claims.words, **kinds[kind]}
    groups: dict[str, Set[Phrase]] = {}
    for group in schema.groups:
        wordings = {phrase_of(wording): wording for label in group.labels for wording in label.wordings}
        groups[_attribute(group.name)] = groups.get(_attribute(group.name), set()) | wordings.keys()
        if kind := kind_of(group.name):
            kinds[kind] |= wordings
    return Lexicon(
        schema, {kind: {key: term for key, term in terms.items() if key} for kind, terms in kinds.items()}, groups
    )


def rivals_of(fact: Fact, lexicon: Lexicon) -> Set[Phrase]:
    """Return the phrases of a fact's group and kind; a shorter phrase inside one of them does not state the fact."""
    rivals = lexicon.groups.get(_attribute(fact.name), frozenset()) | lexicon.kinds.get(kind_of(fact.name), {}).keys()
    # Several values are listed with "and": the men and the women of "men and women" are not its label Unisex.
    return rivals if len(fact.values) == 1 else {phrase for phrase in rivals if "and" not in phrase}


def _attribute(name: str) -> str:
    """Return one name for all names of an attribute."""
    rule = load_phrase_rules().of(name)
    return rule.name if rule else plain_name(name)


def kind_of(name: str) -> str:
    """Return the kind whose terms an attribute's wordings are; empty for most attributes."""
    rule = load_phrase_rules().of(name)
    return _KIND_OF.get(rule.name, "") if rule else ""


def phrase_of(words: str) -> Phrase:
    """Return the stems of a wording, without its article."""
    return stems(_ARTICLES.sub("", words))
