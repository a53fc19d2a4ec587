"""Splits a small reader's caption into its subject and what is said of it, word by word. English only.

It knows the plain sentences that bundled readers write: "a black and white dog is running through the snow", "women's
black heels with an open toe". Whatever else comes passes through as words of the phrase before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PhraseKind = Literal["subject", "action", "scene", "clothing"]


def words_in(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


COLOURS = words_in(
    "black white brown tan yellow grey gray red blue green orange pink purple golden gold silver beige blond "
    "blonde maroon cream navy colorful"
)
CLOTHES = words_in(
    "shirt shirts t-shirt jacket jackets dress dresses hat hats cap caps coat coats pants jeans shorts suit "
    "suits top tops sweater sweaters uniform uniforms helmet helmets swimsuit sunglasses glasses outfit "
    "outfits jersey jerseys vest skirt shoes boots costume costumes collar"
)
_PLACES = words_in(
    "in on at near through down up over along across into by behind under around beside outside inside "
    "against off from for to out with"
)
VERBS = words_in(
    "run jump play sit stand walk ride climb swim leap hold carry wear look pose smile lie lay sleep eat "
    "drive fly ski surf slide swing kick throw catch chase race perform wait rest dance hang work watch do "
    "wrestle laugh splash dig fish paddle take blow push pull fight hit wade skate snowboard skateboard talk "
    "go cross make drink read row jog hike dive point clap reach bite hug kiss overlook"
)
_BEFORE_NOUNS = _PLACES | COLOURS | words_in("a an the his her its their two three four five some one of and")
_SILENT = words_in(
    "a an the is are was be while and or of in on at near through down up over along across into by behind "
    "under around beside outside inside against off from for to out with his her its their him it them some "
    "one another other each next front side top edge middle background that who as very large small big wear "
    "do does take go camera"
)
"""Words that claim nothing that a picture could confirm."""
_OPENING = re.compile(r"^(?:a|the) (?:photo|picture|image) of\s+")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A part of a caption: what it is about, and its words in their order."""

    kind: PhraseKind
    words: tuple[str, ...]

    def claims(self) -> list[str]:
        """Return the stems of the words that a picture can confirm."""
        return [each for each in map(stem, self.words) if each not in _SILENT_STEMS]


def stem(word: str) -> str:
    """Return what inflections of one English word have in common.

    >>> {stem(word) for word in ("run", "runs", "running")}, {stem(word) for word in ("ride", "rides", "riding")}
    ({'run'}, {'rid'})
    """
    word = word.lower()
    for ending in ("ing", "es", "s", "ed"):
        if word.endswith(ending) and not word.endswith("ss") and len(word) - len(ending) >= 3 - (ending == "s"):
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] in "ey" else word


def split_caption(caption: str) -> list[Phrase]:
    """Split a caption; the first phrase is its subject.

    >>> [(each.kind, " ".join(each.words)) for each in split_caption("a man in a red shirt is sitting on a bed")]
    [('subject', 'a man'), ('clothing', 'in a red shirt'), ('action', 'is sitting'), ('scene', 'on a bed')]
    """
    words = _OPENING.sub("", " ".join(caption.split()).rstrip(" .")).split()
    parts: list[list[str]] = [[]]
    has_verb = False
    for at, word in enumerate(words):
        before, after = words[at - 1] if at else "", words[at + 1] if at + 1 < len(words) else ""
        if word in ("is", "are", "while"):
            parts.append([word])
        elif at and _is_verb(word, before, after, has_verb=has_verb):
            if parts[-1] in (["is"], ["are"], ["while"]):
                parts[-1].append(word)
            else:
                parts.append([word])
            has_verb = True
        elif (word in _PLACES or (word, after) == ("next", "to")) and at and not _goes_on(parts[-1]):
            parts.append([word])
        else:
            parts[-1].append(word)
    return [Phrase(_kind(part) if at else "subject", tuple(part)) for at, part in enumerate(parts) if part or not at]


def _is_verb(word: str, before: str, after: str, *, has_verb: bool) -> bool:
    if (before in _BEFORE_NOUNS and before != "and") or after in ("pool", "suit", "room", "ball") or word == "building":
        return False
    if stem(word) not in _VERB_STEMS:
        return False
    return word.endswith("ing") or not has_verb or before in ("is", "are")


def _goes_on(part: Sequence[str]) -> bool:
    """Return whether a phrase that has only begun takes in a preposition: "is in", "on top of"."""
    return len(part) == 1 and part[0] in _PLACES | {"is", "are", "next"}


def _kind(part: Sequence[str]) -> PhraseKind:
    first = next((word for word in part if word not in ("is", "are", "while")), "")
    if any(word in CLOTHES for word in part) and (first in ("in", "with") or stem(first) == stem("wear")):
        return "clothing"
    return "action" if stem(first) in _VERB_STEMS else "scene"


_SILENT_STEMS = frozenset(stem(word) for word in _SILENT)
_VERB_STEMS = frozenset(stem(verb) for verb in VERBS)
