"""The template: facts as plain English sentences, varied by a seed; each sentence lists the facts it states.

It needs no model and adds nothing: every word is a fact's own or from the phrase rules.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from catalens.core.errors import InputError
from catalens.tasks.english import article, capital, is_plural, listed
from catalens.tasks.facts import Fact, Facts
from catalens.tasks.phrasing import PhraseRule, clause_for, fill, load_phrase_rules, plain_name, worded
from catalens.tasks.schema import Schema

Length = Literal["short", "medium", "long"]
LENGTHS: tuple[Length, ...] = get_args(Length)

_AFTER_NOUN: Mapping[Length, tuple[int, ...]] = {"short": (2, 3), "medium": (1, 2), "long": (0,)}
_IN_CLAUSE: Mapping[Length, int] = {"short": 4, "medium": 2, "long": 1}
_IN_SENTENCE: Mapping[Length, int] = {"short": 3, "medium": 2, "long": 1}
_BEFORE_NOUN = 3
_SEVERAL = {"is": "are", "has": "have", "comes": "come", "suits": "suit"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence, the names of the facts it states, and the keywords it contains."""

    text: str
    facts: tuple[str, ...]
    keywords: tuple[str, ...] = ()


def tones() -> tuple[str, ...]:
    """Return the tones that the template can write in."""
    return tuple(load_phrase_rules().openings)


def compose(
    facts: Facts,
    schema: Schema,
    *,
    tone: str = "plain",
    length: Length = "medium",
    keywords: Sequence[str] = (),
    seed: int = 0,
) -> tuple[Sentence, ...]:
    """State every fact; the seed and the facts choose order and words.

    Args:
        facts: what to state.
        schema: gives the everyday words of labels such as "Tshirts".
        tone: one of `tones()`.
        length: "short" puts more facts into a sentence, "long" fewer.
        keywords: search words, listed in a last sentence.
        seed: random seed; the same facts and seed give the same sentences.

    Raises:
        InputError: the tone or the length is unknown.

    >>> from catalens.tasks.schema import load_schema
    >>> shirt = (Fact("type", ("Tshirts",)), Fact("colour", ("Navy Blue",)), Fact("sleeve_length", ("Short Sleeves",)))
    >>> [each.text for each in compose(shirt, load_schema(), length="short")]
    ['A navy blue t-shirt with short sleeves.']
    """
    if tone not in tones():
        raise InputError(f"the template has no tone {tone!r}; it has: {', '.join(tones())}; a model may take others")
    if length not in LENGTHS:
        raise InputError(f"unknown length {length!r}; choose one of: {', '.join(LENGTHS)}")
    chance = random.Random(repr((seed, [(fact.name, fact.values) for fact in facts])))
    product = _product(facts, schema)
    parts = [_Part.of(fact, schema) for fact in facts if fact.name != product.fact]
    opening, said = _opening(product, parts, tone, length, chance)
    rest = [part for part in parts if part.fact not in said]
    sentences = [*opening, *_clauses(product, rest, tone, length, chance, follows=bool(opening)), *_own(rest, length)]
    if keywords:
        line = (
            load_phrase_rules().keywords[tone].format(listed(list(keywords)), it="it" if not product.plural else "them")
        )
        sentences.append(Sentence(line, (), tuple(keywords)))
    return tuple(sentences)


@dataclass(frozen=True, slots=True)
class _Product:
    """What is described: its noun, its number, and the fact that states it, if any."""

    fact: str
    noun: str
    pair: bool
    plural: bool

    def named(self, before: Iterable[str] = ()) -> str:
        """Return the noun with its adjectives: "pair of blue jeans"."""
        return ("pair of " if self.pair else "") + " ".join([*before, self.noun])

    def subject(self, pattern: str) -> tuple[str, bool]:
        """Return a sentence's subject, and whether its verb is of several."""
        if pattern == "{It}":
            return ("They", True) if self.plural else ("It", False)
        if pattern == "{This} {noun}":
            return (f"These {self.noun}", True) if self.plural else (f"This {self.named()}", False)
        return f"The {self.noun}", self.plural or self.pair


def _product(facts: Facts, schema: Schema) -> _Product:
    """Choose the noun: of several columns that name the kind of thing, the most specific one."""
    known = load_phrase_rules()
    by_rank = list(known.attributes)
    kinds = [fact for fact in facts if (rule := known.of(fact.name)) and rule.name == "type"]
    if not kinds:
        return _Product("", "product", pair=False, plural=False)
    fact = min(kinds, key=lambda each: by_rank.index(plain_name(each.name)))
    rule = known.attributes[plain_name(fact.name)]
    noun = listed([rule.phrase(value) for value in worded(fact, schema)]).removeprefix("pair of ")
    pair = noun.replace("-", " ").split()[-1].lower() in known.pairs
    return _Product(fact.name, noun, pair=pair, plural=is_plural(noun) and not pair)


@dataclass(frozen=True, slots=True)
class _Part:
    """The forms of one fact: before the noun, after it, in a clause, or in a sentence of its own."""

    fact: str
    order: int
    phrases: tuple[str, ...]
    before: str = ""
    after: str = ""
    clause: str = ""
    own: str = ""

    @classmethod
    def of(cls, fact: Fact, schema: Schema) -> _Part:
        """Apply the phrase rules to a fact."""
        known = load_phrase_rules()
        values, rule = worded(fact, schema), known.of(fact.name)
        if rule is None or not rule.clause:
            return cls(fact.name, len(known.order), values, own=_own_words(fact.name, values))
        phrases = tuple(map(rule.phrase, values))
        return cls(
            fact.name,
            known.order[rule.name],
            phrases,
            before=_adjective(rule, values),
            after=rule.after,
            clause=clause_for(rule, phrases),
        )


def _adjective(rule: PhraseRule, values: tuple[str, ...]) -> str:
    fits = all(map(rule.may_stand_before, values))
    return listed([rule.words.get(value.lower(), value) for value in values]) if fits else ""


def _own_words(name: str, values: tuple[str, ...]) -> str:
    words = " ".join(name.replace("_", " ").split())
    if values in {("yes",), ("no",)}:
        return f"{words}: {values[0]}"
    return f"the {words} {'are' if len(values) > 1 and is_plural(words) else 'is'} {listed(list(values))}"


def _opening(
    product: _Product, parts: Sequence[_Part], tone: str, length: Length, chance: random.Random
) -> tuple[list[Sentence], set[str]]:
    """Return the first sentence, which names the product, and the facts it states."""
    before = [part for part in parts if part.before and chance.random() < 0.7][:_BEFORE_NOUN]
    before.sort(key=lambda part: part.order)
    behind = [part for part in parts if part.after and part not in before]
    after = _behind(behind, chance.choice(_AFTER_NOUN[length]), chance)
    said = {part.fact for part in (*before, *after)} | ({product.fact} if product.fact else set())
    if not said:
        return [], said
    phrase = " ".join([product.named(part.before for part in before), *_joined(after, "after")])
    one, a_or_an = ("These", "") if product.plural else ("This", article(phrase) + " ")
    pattern = chance.choice(load_phrase_rules().openings[tone])
    if product.plural:
        pattern = pattern.replace("This is {", "These are {").replace(" is {", " are {")
    words = {"{A}": capital(a_or_an + phrase), "{a}": a_or_an + phrase, "{this}": f"{one.lower()} {phrase}"}
    [mark] = (mark for mark in words if mark in pattern)
    return [Sentence(pattern.replace(mark, words[mark]), _in_order(parts, product, said))], said


def _behind(parts: Sequence[_Part], count: int, chance: random.Random) -> list[_Part]:
    """Choose what follows the noun: no preposition twice, unless one list can follow it."""
    chosen: list[_Part] = []
    for part in chance.sample(parts, len(parts)):
        rivals = [other.after for other in chosen if other.after.split()[0] == part.after.split()[0]]
        if len(chosen) < count and all(rival == part.after for rival in rivals):
            chosen.append(part)
    return sorted(chosen, key=lambda part: part.order)


def _joined(parts: Sequence[_Part], form: Literal["after", "clause"]) -> list[str]:
    """Join parts that share a pattern into one phrase: "with short sleeves and a round neck"."""
    phrases = []
    for pattern, alike in groupby(parts, key=lambda part: getattr(part, form)):
        # Two attributes may have one value: a pattern and a print that are both a self design are said once.
        phrases.append(fill(pattern, tuple(dict.fromkeys(phrase for part in alike for phrase in part.phrases))))
    return phrases


def _clauses(
    product: _Product, parts: Sequence[_Part], tone: str, length: Length, chance: random.Random, *, follows: bool
) -> list[Sentence]:
    """Return sentences about the product; the first one names it."""
    units: list[list[_Part]] = []
    ready = sorted((part for part in parts if part.clause), key=lambda part: part.clause)
    for _, alike in groupby(ready, key=lambda part: part.clause):
        some = list(alike)
        chance.shuffle(some)
        units += [some[at : at + _IN_CLAUSE[length]] for at in range(0, len(some), _IN_CLAUSE[length])]
    chance.shuffle(units)
    sentences: list[Sentence] = []
    last = ""
    for at in range(0, len(units), _IN_SENTENCE[length]):
        together = units[at : at + _IN_SENTENCE[length]]
        choices = [each for each in load_phrase_rules().subjects[tone] if each != last]
        last = chance.choice(choices) if sentences or follows else "{This} {noun}"
        subject, several = product.subject(last)
        parts_of_subject = sorted((part for unit in together for part in unit), key=lambda part: part.clause)
        clauses = [_agreeing(words, several=several) for words in _joined(parts_of_subject, "clause")]
        facts = tuple(part.fact for part in parts_of_subject)
        sentences.append(Sentence(f"{subject} {_in_a_row(clauses)}.", facts))
    return sentences


def _own(parts: Sequence[_Part], length: Length) -> list[Sentence]:
    alone = [part for part in parts if part.own]
    size = 1 if any(":" in part.own for part in alone) else _IN_SENTENCE[length]
    return [
        Sentence(capital(_in_a_row([part.own for part in some])) + ".", tuple(part.fact for part in some))
        for some in (alone[at : at + size] for at in range(0, len(alone), size))
    ]


def _in_a_row(clauses: Sequence[str]) -> str:
    """Join clauses, which may hold lists of their own."""
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _agreeing(clause: str, *, several: bool) -> str:
    verb, _, rest = clause.partition(" ")
    return f"{_SEVERAL[verb] if several else verb} {rest}"


def _in_order(parts: Sequence[_Part], product: _Product, said: set[str]) -> tuple[str, ...]:
    return tuple(name for name in (product.fact, *(part.fact for part in parts)) if name in said)
