"""English phrases for attribute values: the rules of `data/describing/phrases.yaml`, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from catalens.tasks.english import is_plural, listed, lowered, with_article
from catalens.tasks.facts import Fact
from catalens.tasks.schema import Label, Schema
from catalens.tasks.yaml_files import parse_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseRule:
    """The phrases of one attribute; `{}` is its value, `{a}` the value with its article.

    Attributes:
        name: of the attribute.
        before: values that may stand before the noun; None: all of them.
        after: a phrase behind the noun; empty where there is none.
        clause: a verb and the rest; empty where there is none.
        several: the clause for a plural value.
        head: the noun that a value gets where it does not end in one of `heads`.
        heads: nouns that need no other.
        words: lower-case value → its wording.
    """

    name: str
    before: frozenset[str] | None = frozenset()
    after: str = ""
    clause: str = ""
    several: str = ""
    head: str = ""
    heads: frozenset[str] = frozenset()
    words: Mapping[str, str]

    def phrase(self, value: str) -> str:
        """Return a value in words, with a noun to stand on where the attribute has one."""
        words = self.words.get(value.lower(), value)
        last = words.lower().replace("-", " ").split()[-1]
        alone = not self.head or last in self.heads or words.startswith("no ") or (self.several and is_plural(words))
        return words if alone else f"{words} {self.head}"

    def may_stand_before(self, value: str) -> bool:
        """Return whether a value may stand before the noun as an adjective."""
        return self.before is None or value.lower() in self.before


@dataclass(frozen=True, slots=True)
class PhraseRules:
    """The table of `data/describing/phrases.yaml`."""

    attributes: Mapping[str, PhraseRule]
    order: Mapping[str, int]
    pairs: frozenset[str]
    openings: Mapping[str, tuple[str, ...]]
    subjects: Mapping[str, tuple[str, ...]]
    keywords: Mapping[str, str]

    def of(self, name: str) -> PhraseRule | None:
        """Return the rule of an attribute under any of its names; None for an unknown attribute."""
        return self.attributes.get(plain_name(name))


@lru_cache(maxsize=1024)
def plain_name(name: str) -> str:
    """Return a name without case and separators: `Sleeve Length`, `sleeveLength` and `sleeve_length` are one."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


@cache
def load_phrase_rules() -> PhraseRules:
    """Read the rules."""
    text = (resources.files("catalens.tasks") / "data" / "describing" / "phrases.yaml").read_text(encoding="utf-8")
    raw = parse_yaml(text)
    attributes: dict[str, PhraseRule] = {}
    for name, entry in raw["attributes"].items():
        rule = _rule(name, entry)
        for each in (name, *entry.get("also", ())):
            attributes[plain_name(each)] = rule
    return PhraseRules(
        attributes=attributes,
        order={name: place for place, name in enumerate(raw["attributes"])},
        pairs=frozenset(raw["pairs"]),
        openings={tone: tuple(lines) for tone, lines in raw["openings"].items()},
        subjects={tone: tuple(lines) for tone, lines in raw["subjects"].items()},
        keywords=raw["keywords"],
    )


def label_of(fact_name: str, value: str, schema: Schema) -> Label | None:
    """Find the label that a value means, by its name or by one of its wordings; None where the schema has none."""
    for group in schema.groups:
        if _same(group.name, fact_name):
            for label in group.labels:
                if value.lower() in {label.name.lower(), *(wording.lower() for wording in label.wordings)}:
                    return label
    return None


def worded(fact: Fact, schema: Schema) -> tuple[str, ...]:
    """Return each value of a fact as it stands in a sentence: a label's usual wording, else its own words.

    >>> from catalens.tasks.schema import load_schema
    >>> worded(Fact("type", ("Tshirts",)), load_schema()), worded(Fact("brand", ("Blue Ridge",)), load_schema())
    (('t-shirt',), ('Blue Ridge',))
    """
    known = load_phrase_rules().of(fact.name) is not None
    words = []
    for value in fact.values:
        label = label_of(fact.name, value, schema)
        if label is not None and value.lower() == label.name.lower():
            words.append(label.wordings[0])
        else:
            words.append(lowered(value) if known or label is not None else value)
    return tuple(words)


def phrases_of(fact: Fact, schema: Schema) -> tuple[str, ...]:
    """Return each value of a fact in words that can stand alone: "regular length" for the length "Regular"."""
    rule = load_phrase_rules().of(fact.name)
    values = worded(fact, schema)
    return values if rule is None else tuple(map(rule.phrase, values))


def fill(pattern: str, phrases: tuple[str, ...]) -> str:
    """Put values into a phrase, with or without their articles."""
    if "{a}" in pattern:
        return pattern.replace("{a}", listed([with_article(phrase) for phrase in phrases]))
    return pattern.replace("{}", listed(list(phrases)))


def clause_for(rule: PhraseRule, phrases: tuple[str, ...]) -> str:
    """Return the clause pattern, singular or plural."""
    return rule.several if rule.several and any(map(is_plural, phrases)) else rule.clause


def _same(group: str, fact_name: str) -> bool:
    known = load_phrase_rules()
    if plain_name(group) == plain_name(fact_name):
        return True
    rule = known.of(fact_name)
    return rule is not None and rule is known.of(group)


def _rule(name: str, entry: Mapping[str, Any]) -> PhraseRule:
    before = entry.get("before", [])
    return PhraseRule(
        name=name,
        before=None if before == "all" else frozenset(before),
        after=entry.get("after", ""),
        clause=entry.get("clause", ""),
        several=entry.get("several", ""),
        head=entry.get("head", ""),
        heads=frozenset(entry.get("heads", ())),
        words=entry.get("words", {}),
    )
