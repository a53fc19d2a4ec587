"""Checks a description against its facts: missing facts, added facts, and which sentence states which fact.

English is matched with the schema's wordings and the shipped vocabularies. In another language the writer marks the
words of each fact, `[[colour|marineblau]]`; there, only added numbers are found, not added words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass

from catalens.tasks.claims import Claims, Phrase, load_claims
from catalens.tasks.english import find, stems
from catalens.tasks.facts import Fact, Facts
from catalens.tasks.lexicon import Lexicon, kind_of, phrase_of, rivals_of
from catalens.tasks.negation import is_denied
from catalens.tasks.phrasing import label_of, load_phrase_rules, worded
from catalens.tasks.schema import Schema
from catalens.tasks.template import Sentence

_NOT_TELLING = frozenset({("print",), ("pattern",), ("design",), ("small",), ("long",), ("short",)})
"""Wordings that are also everyday words, and claim nothing."""

_BETWEEN = frozenset(stems("a an the is are in of that which it has have with come comes"))
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|\n+")
_MARK = re.compile(r"\[\[([^\[\]|]+)\|([^\[\]]+)\]\]")
_NUMBER = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of a check.

    Attributes:
        sentences: of the text, each with the facts it states.
        missing: names of the facts that are not stated.
        denied: names of the facts that a sentence denies.
        invented: (words, kind) that are not among the facts.
        untraced: sentences that state no fact.
        keywords: requested search words that are missing.
    """

    sentences: tuple[Sentence, ...]
    missing: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    invented: tuple[tuple[str, str], ...] = ()
    untraced: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the problems as sentences; empty if the text matches the facts."""
        return (
            *(f"the fact {name!r} is missing" for name in self.missing),
            *(f"the fact {name!r} is denied" for name in self.denied),
            *(f"{words!r} ({kind}) is not among the facts" for words, kind in self.invented),
            *(f"the sentence {sentence!r} states none of the facts" for sentence in self.untraced),
            *(f"the search words {words!r} are missing" for words in self.keywords),
        )


def check(text: str, facts: Facts, lexicon: Lexicon, keywords: Sequence[str] = ()) -> Findings:
    """Check an English text against its facts.

    A fact is stated by its own words, by a wording of its label, or by an inflection of those; a word that belongs to a
    longer one does not count ("blue" in "navy blue"), and neither does one that is denied ("not blue"). Each value of a
    fact must be stated.

    Args:
        text: the description.
        facts: all that it must state, and may state.
        lexicon: of the schema of the facts' labels.
        keywords: search words that it must contain.
    """
    lines = [(line, stems(line)) for line in split(text)]
    wanted = [_Wanted.of(fact, lexicon) for fact in facts]
    stated: dict[str, set[int]] = {fact.name: set() for fact in facts}
    denied: set[str] = set()
    named: list[set[str]] = []
    for _, words in lines:
        found, against = _mentions(words, wanted)
        denied |= against
        named.append({name for name, values in found.items() if values})
        for name, values in found.items():
            stated[name] |= values
    held = [tuple(word for word in keywords if find(stems(word), words) >= 0) for _, words in lines]
    sentences = tuple(
        Sentence(line, tuple(fact.name for fact in facts if fact.name in names), words)
        for (line, _), names, words in zip(lines, named, held, strict=True)
    )
    return Findings(
        sentences,
        missing=tuple(fact.name for fact in facts if len(stated[fact.name]) < len(fact.values)),
        denied=tuple(fact.name for fact in facts if fact.name in denied),
        invented=invented(text, facts, lexicon, keywords),
        untraced=tuple(each.text for each in sentences if not each.facts and not each.keywords),
        keywords=tuple(word for word in keywords if not any(word in each for each in held)),
    )


def check_marked(text: str, facts: Facts, keywords: Sequence[str] = ()) -> Findings:
    """Check a text of any language in which the words of each fact are marked with its name.

    >>> found = check_marked("Ein [[colour|rotes]] Kleid.", (Fact("colour", ("Red",)), Fact("type", ("Dresses",))))
    >>> found.sentences, found.missing
    ((Sentence(text='Ein rotes Kleid.', facts=('colour',), keywords=()),), ('type',))
    """
    names = {fact.name for fact in facts}
    sentences = []
    for line in split(text):
        marked = {mark.group(1).strip() for mark in _MARK.finditer(line)} & names
        plain = _MARK.sub(lambda mark: mark.group(2), line)
        held = tuple(word for word in keywords if word.lower() in plain.lower())
        sentences.append(Sentence(plain, tuple(fact.name for fact in facts if fact.name in marked), held))
    stated = {name for each in sentences for name in each.facts}
    known = {word for text in (*(fact.value for fact in facts), *keywords) for word in stems(text)}
    return Findings(
        tuple(sentences),
        missing=tuple(fact.name for fact in facts if fact.name not in stated),
        invented=_numbers(" ".join(each.text for each in sentences), known),
        untraced=tuple(each.text for each in sentences if not each.facts and not each.keywords),
        keywords=tuple(word for word in keywords if not any(word in each.keywords for each in sentences)),
    )


def invented(text: str, facts: Facts, lexicon: Lexicon, keywords: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return the words of a text that claim what the facts do not, each with its kind."""
    words = stems(text)
    own = [phrase for fact in facts for phrase in _own_phrases(fact, lexicon.schema)]
    synonyms = [(phrase, kind_of(fact.name)) for fact in facts for phrase in _every_phrase(fact, lexicon.schema)]

    def held(phrase: Phrase, kind: str) -> bool:
        known = phrase in _NOT_TELLING or any(find(phrase, each) >= 0 for each in own)
        return known or any(_covers(whole, phrase, same_kind=of == kind) for whole, of in synonyms)

    found: dict[str, str] = {}
    for kind, terms in lexicon.kinds.items():
        for at, end in _longest(words, terms):
            if not held(words[at:end], kind):
                found.setdefault(terms[words[at:end]], kind)
    for kind, claims in load_claims().items():
        for word in _in_places(text, claims, general=not _has_any(facts, kind, claims)):
            phrase = stems(word)
            named = any(of == kind and find(phrase, stems(term)) >= 0 for term, of in found.items())
            if not named and not any(find(phrase, each) >= 0 for each in (*own, *(whole for whole, _ in synonyms))):
                found.setdefault(word, kind)
    stated = {word for phrase in (*own, *(phrase for phrase, _ in synonyms)) for word in phrase}
    return (*found.items(), *_numbers(text, stated.union(*map(stems, keywords))))


def _in_places(text: str, claims: Claims, *, general: bool) -> list[str]:
    """Return the words that are claims in their context."""
    matches = [*claims.exact.finditer(text), *(claims.general.finditer(text) if general else ())]
    return [next(filter(None, match.groups()), match[0]) for match in matches]


def _has_any(facts: Facts, kind: str, claims: Claims) -> bool:
    return any(
        phrase_of(value) not in claims.none for fact in facts if kind_of(fact.name) == kind for value in fact.values
    )


def split(text: str) -> list[str]:
    """Return the sentences of a text, without list markers."""
    lines = (re.sub(r"^[\s\-*•#]+", "", line).strip() for line in _SENTENCE_END.split(text.strip()))
    return [line for line in lines if re.search(r"\w", line)]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The phrases that state a fact: those of each value, and all among which the longest match counts.

    A fact that something is not so ("waterproof: no") is stated where its name is denied.
    """

    name: str
    values: Sequence[Set[Phrase]]
    known: Set[Phrase]
    negative: bool

    @classmethod
    def of(cls, fact: Fact, lexicon: Lexicon) -> _Wanted:
        """Collect the phrases of a fact."""
        values = [set(_every_phrase(Fact(fact.name, (value,)), lexicon.schema)) for value in fact.values]
        negative = fact.values == ("no",) and load_phrase_rules().of(fact.name) is None
        return cls(fact.name, values, set(rivals_of(fact, lexicon)).union(*values), negative)


def _mentions(words: Phrase, wanted: Sequence[_Wanted]) -> tuple[dict[str, set[int]], set[str]]:
    """Return which values of which facts a sentence states, and which facts it denies."""
    whole: list[tuple[int, int, str, int]] = []
    apart: list[tuple[int, int, str, int]] = []
    for fact in wanted:
        for at, end in _longest(words, fact.known):
            whole += [(at, end, fact.name, place) for place, own in enumerate(fact.values) if words[at:end] in own]
        for place, own in enumerate(fact.values):
            apart += [(at, end, fact.name, place) for phrase in own for at, end in _apart(words, phrase)]
    negative = {fact.name for fact in wanted if fact.negative}
    mentioned = {place for at, end, name, _ in whole + apart if name not in negative for place in range(at, end)}
    found: dict[str, set[int]] = {fact.name: set() for fact in wanted}
    denied: set[str] = set()
    for at, end, name, place in whole + apart:
        # Only words side by side hold a shorter phrase back: "sweatshirt with a hood" says the hood too.
        within = any(
            other != name and start <= at and end <= stop and stop - start > end - at for start, stop, other, _ in whole
        )
        if within and not kind_of(name):
            continue
        if is_denied(words, at, end, mentioned) != (name in negative):
            denied.add(name)
        else:
            found[name].add(place)
    return found, denied


def _longest(words: Phrase, known: Collection[Phrase]) -> list[tuple[int, int]]:
    """Find phrases from left to right, the longest at each position."""
    most = max(map(len, known), default=0)
    spans, at = [], 0
    while at < len(words):
        ends = (at + n for n in range(min(most, len(words) - at), 0, -1))
        end = next((end for end in ends if words[at:end] in known), None)
        if end is not None:
            spans.append((at, end))
        at = end or at + 1
    return spans


def _apart(words: Phrase, phrase: Phrase) -> list[tuple[int, int]]:
    """Find "sleeves are short" and "short in the sleeves" for "short sleeves"."""
    if len(phrase) != 2:
        return []
    spans = []
    for at, word in enumerate(words):
        if word in phrase:
            other = phrase[1 - phrase.index(word)]
            end = at + 1
            while end < len(words) and words[end] in _BETWEEN:
                end += 1
            if end < len(words) and words[end] == other:
                spans.append((at, end + 1))
    return spans


def _own_phrases(fact: Fact, schema: Schema) -> list[Phrase]:
    """Return the fact's values as written and as the template words them."""
    rule = load_phrase_rules().of(fact.name)
    stated = worded(fact, schema)
    if rule is not None:
        stated = (*stated, *map(rule.phrase, stated))
    name = fact.name.replace("_", " ")
    with_name = [f"{before} {after}" for value in fact.values for before, after in ((name, value), (value, name))]
    return [phrase for words in (*fact.values, *stated, name, *with_name) if (phrase := phrase_of(words))]


def _every_phrase(fact: Fact, schema: Schema) -> list[Phrase]:
    """Return every phrase that states a fact: its own words and its label's wordings."""
    rule = load_phrase_rules().of(fact.name)
    phrases: list[Phrase] = []
    for value, stated in zip(fact.values, worded(fact, schema), strict=True):
        label = label_of(fact.name, value, schema)
        by_name = label is not None and value.lower() == label.name.lower()
        texts = [stated, *(label.wordings if label else ()), *(() if by_name else (value,))]
        if rule is not None:
            texts += [rule.phrase(text) for text in texts]
        if value in {"yes", "no"}:
            name = fact.name.replace("_", " ")
            texts = [name] if rule is None else [*texts, name]
        phrases += [phrase_of(text) for text in texts]
    if claims := load_claims().get(kind_of(fact.name)):
        phrases += [other for phrase in phrases for other in sorted(claims.same.get(phrase, ()))]
    return [phrase for phrase in dict.fromkeys(phrases) if phrase]


def _covers(whole: Phrase, part: Phrase, *, same_kind: bool) -> bool:
    """Return whether a synonym allows a word: any part of it for its kind, else its head ("cream" of "face cream")."""
    return find(part, whole) >= 0 if same_kind else whole[-len(part) :] == part


def _numbers(text: str, known: Set[str]) -> tuple[tuple[str, str], ...]:
    return tuple((word, "number") for word in dict.fromkeys(stems(text)) if _NUMBER.search(word) and word not in known)
