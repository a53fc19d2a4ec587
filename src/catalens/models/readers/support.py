"""Reduces a bundled reader's captions to what the encoder finds in the image, or names the thing that it recognises.

Two opinions of the encoder decide, both linear in its vector: how likely a person is to use a word of the image (one
logistic regression per word, fitted on human captions), and the probability of each of many kinds of things, from the
text tower (`docs/decisions/240-supported-captions.md`). English only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalens.core.types import Scores, Vectors
from catalens.models.readers.phrases import COLOURS, VERBS, Phrase, split_caption, stem, words_in

UNKNOWN = "a picture of something unknown"
"""The caption where nothing is supported."""
NAME_TEMPLATE = "a photo of {}"
SOMEBODY, SEVERAL = "*person", "*several"
"""Words of the regressions for any person, and for several."""

_ONE = words_in(
    "man woman boy girl child kid person baby toddler lady player surfer skier snowboarder skateboarder climber rider "
    "biker somebody"
)
_MANY = words_in("men women boys girls children kids people players skiers surfers climbers riders bikers")
_MODIFIERS = COLOURS | words_in(
    "young little small old large big printed striped checked men's women's boys' girls' unisex"
)
_NUMBERS = words_in("two three four five six several group crowd couple pair team")
_ARTICLES = _NUMBERS | {"a", "an"}
_OWNERS = words_in("its his her their")
_STILL = words_in("in on at near by beside outside inside behind under against next with wearing")
"""What a phrase can begin with where it follows no verb: "a dog in the snow", but not "a dog through the snow"."""
_DANGLING = re.compile(r"\s+(?:and|is|are|that|who|while|,)$")
_SAME = 0.5
"""Of the rivals' probability, the share that the caption's own thing needs: a fox is no dog."""

LEAST = (
    "person",
    "person beside",
    "several",
    "number",
    "sex or age",
    "head",
    "head beside",
    "modifier",
    "action",
    "scene",
    "clothing",
    "rival",
    "thing",
)
"""Claims that have a threshold of their own, for the probability of each of their words.

"beside" is where another thing is recognised; "several" is more than one person; "number" is "two" or "group"; "sex or
age" tells a man from a boy or a woman; "head" is any other noun of a subject; "modifier" is a colour, a size or whom a
product is for; a kind of phrase is its remaining words. "rival" is the probability of a rival that a caption names;
"thing" of what is named where nothing is left of a caption.
"""


@dataclass(frozen=True, slots=True)
class Thing:
    """What something is called, and the classes that it is true of."""

    name: str
    classes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportConfig:
    """What the arrays of a support mean, and the thresholds.

    Attributes:
        words: stems, one for each regression.
        things: what can be named, by its classes.
        rivals: classes of which an image shows one: animals, or a shop's kinds of products.
        scale: multiplies cosines with classes before the softmax.
        least: threshold of each kind of claim; see `LEAST`.
    """

    words: tuple[str, ...]
    things: tuple[Thing, ...]
    rivals: frozenset[int]
    scale: float
    least: Mapping[str, float]


class Support:
    """Checks captions of images.

    Args:
        config: what the arrays mean, and thresholds.
        weights: (dim + 1, words): the regressions, their biases last.
        classes: (classes, dim) unit rows.
    """

    def __init__(self, config: SupportConfig, weights: NDArray[np.float32], classes: Vectors) -> None:
        self.config = config
        self._weights, self._classes = weights, classes
        self._places = {word: at for at, word in enumerate(config.words)}
        self._members = np.zeros((len(classes), len(config.things)), dtype=np.float32)
        for at, thing in enumerate(config.things):
            self._members[list(thing.classes), at] = 1.0
        self._heads = _heads(config.things)

    def supported(self, captions: Sequence[str], image: Vectors) -> list[str]:
        """Return what remains of each caption of an image.

        Args:
            captions: of the image.
            image: (dim,), of length one.
        """
        words = 1.0 / (1.0 + np.exp(-(image @ self._weights[:-1] + self._weights[-1])))
        shares = self._shares(image)
        check = _Check(self, words, shares, self._named(shares @ self._members))
        return [check.caption(text) for text in captions]

    def chance(self, row: Scores, word: str) -> float:
        """Return the probability of a stem; 0 for one that there is no regression for."""
        at = self._places.get(word)
        return 0.0 if at is None else float(row[at])

    def classes_of(self, head: str) -> frozenset[int]:
        """Return the classes of the thing that is called so, else of all whose last word has this stem."""
        return self._heads.get(head, frozenset())

    def _shares(self, image: Vectors) -> Scores:
        logits = self.config.scale * (self._classes @ image)
        shares = np.exp(logits - logits.max())
        return np.asarray(shares / shares.sum())

    def _named(self, chances: Scores) -> Thing | None:
        """Return the most particular thing that is probable enough."""
        things = [self.config.things[at] for at in np.flatnonzero(chances >= self.config.least["thing"])]
        return min(things, key=lambda thing: len(thing.classes), default=None)


def _heads(things: Sequence[Thing]) -> dict[str, frozenset[int]]:
    plain: dict[str, frozenset[int]] = {}
    last: dict[str, frozenset[int]] = {}
    for thing in things:
        words = thing.name.removeprefix("a ").removeprefix("an ").split()
        found = plain if len(words) == 1 else last
        head = stem(words[-1])
        found[head] = found.get(head, frozenset()) | {*thing.classes}
    return {**last, **plain}


class _Check:
    """One image: the probabilities of words, and its main thing if it is recognised."""

    def __init__(self, support: Support, row: Scores, shares: Scores, thing: Thing | None) -> None:
        self._support, self._row, self._shares, self._thing = support, row, shares, thing
        self._least = support.config.least

    def caption(self, text: str) -> str:
        """Return what remains of a caption."""
        subject, *rest = split_caption(text)
        said = self._subject(subject)
        if not said:
            return self._name()
        is_one = not {*said.split()} & (_NUMBERS | _MANY | {"and"}) and not said.endswith("s")
        kept, told, goes_on, moves = [said], set(subject.claims()), True, True
        for phrase in rest:
            part = self._rest(phrase, told, goes_on=goes_on, moves=moves)
            goes_on = bool(part)
            moves = goes_on if phrase.kind == "action" else moves
            told.update(phrase.claims())
            if part:
                kept.append(_DANGLING.sub("", " ".join(_singular(part) if is_one else part)))
        return " ".join(kept)

    def _name(self) -> str:
        """Return what is recognised."""
        return NAME_TEMPLATE.format(self._thing.name) if self._thing else UNKNOWN

    def _holds(self, words: Sequence[str], kind: str) -> bool:
        return all(self._support.chance(self._row, stem(word)) >= self._least[kind] for word in words)

    def _subject(self, phrase: Phrase) -> str:
        words = list(phrase.words)
        people = [word for word in words if word in _ONE | _MANY]
        if people:
            return self._people(words, people)
        heads = [w for w in words if w not in _MODIFIERS | _NUMBERS and Phrase("subject", (w,)).claims()]
        if not heads or not self._holds(heads, "head") or any(self._is_denied(stem(head)) for head in heads):
            return ""
        if not self._holds([word for word in words if word in _NUMBERS], "number"):
            named = [word for word in words if word not in _NUMBERS | {"a", "of"}]
            words = ["a", *named[:-1], named[-1].removesuffix("s")]
        return self._modified(words)

    def _is_denied(self, head: str) -> bool:
        """Return whether what is recognised is another thing: a cat is no dog, but a dog may hold a tennis ball."""
        found, rivals = self._support.classes_of(head), self._support.config.rivals
        if found and found <= rivals:
            return self._among(found) < max(self._least["rival"], _SAME * self._among(rivals))
        if self._thing is None or found & {*self._thing.classes}:
            return False
        return self._support.chance(self._row, head) < self._least["head beside"]

    def _among(self, classes: frozenset[int]) -> float:
        return float(self._shares[list(classes)].sum())

    def _people(self, words: Sequence[str], people: Sequence[str]) -> str:
        needed = self._least["person beside" if self._thing else "person"]
        if self._support.chance(self._row, SOMEBODY) < needed:
            return ""
        several = len(people) > 1 or people[0] in _MANY
        if several and self._support.chance(self._row, SEVERAL) < self._least["several"]:
            return "a person"
        particular = [word for word in people if word not in ("people", "person", "somebody")]
        numbers = [word for word in words if word in _NUMBERS]
        if not self._holds(numbers, "number") or not self._holds(particular, "sex or age"):
            return "people" if several else "a person"
        return self._modified(words)

    def _modified(self, words: Sequence[str]) -> str:
        """Drop colours and sizes without support; "a black and white dog" may keep one of them."""
        kept = [w for w in words if w not in _MODIFIERS or self._holds([w], "modifier")]
        return re.sub(r"^(.+) and \1$", r"\1", _agreeing(" ".join(_without_loose_and(kept))))

    def _rest(self, phrase: Phrase, told: Collection[str], *, goes_on: bool, moves: bool) -> Sequence[str]:
        """Return what remains of a phrase; whether the phrase before stayed, and the last verb."""
        # "next to each other" claims nothing, and "in its mouth" is about a stick: both go with what is before.
        if not goes_on and (not phrase.claims() or not _OWNERS.isdisjoint(phrase.words)):
            return ()
        if not phrase.claims():
            return phrase.words
        if phrase.kind != "action" and not moves and phrase.words[0] not in _STILL:
            return ()
        words = _once(phrase)
        claims = [word for word in words if Phrase(phrase.kind, (word,)).claims()]
        firm = [word for word in claims if word not in _MODIFIERS]
        if not firm or {stem(word) for word in firm} <= {*told} or not self._holds(firm, phrase.kind):
            return ()
        dropped = [w for w in claims if w in _MODIFIERS and not self._holds([w], "modifier")]
        return _without_loose_and([w for w in words if w not in dropped])


def _once(phrase: Phrase) -> tuple[str, ...]:
    """Return the words of a phrase without what says the same again: "a blue shirt and a white shirt"."""
    if "and" not in phrase.words:
        return phrase.words
    at = phrase.words.index("and")
    first, again = ([w for w in part if w not in _MODIFIERS] for part in (phrase.words[:at], phrase.words[at + 1 :]))
    claims = Phrase(phrase.kind, tuple(again)).claims()
    return phrase.words[:at] if claims and {*claims} <= {*map(stem, first)} else phrase.words


def _singular(words: Sequence[str]) -> Sequence[str]:
    """Return a phrase about one that was said of several."""
    first, *rest = words
    if first == "are":
        return ["is", *rest]
    return [_third_person(first), *rest] if first in VERBS else words


def _third_person(verb: str) -> str:
    if re.search(r"[^aeiou]y$", verb):
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("ch", "sh", "ss", "o")) else f"{verb}s"


def _without_loose_and(words: Sequence[str]) -> list[str]:
    """Drop an "and" that lost one of its colours: of "a black and white dog" one may be left."""
    kept = []
    for at, word in enumerate(words):
        before, after = words[at - 1] if at else "", words[at + 1] if at + 1 < len(words) else ""
        lost = before in _ARTICLES or (before in _MODIFIERS and after not in _MODIFIERS | _ARTICLES)
        if word != "and" or not lost:
            kept.append(word)
    return kept


def _agreeing(words: str) -> str:
    """Return a phrase whose article fits the word that now follows it."""
    found = re.match(r"an?\s+(\S.*)$", words)
    return f"{'an' if found[1][0] in 'aeiou' else 'a'} {found[1]}" if found else words
