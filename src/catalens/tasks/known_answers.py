"""Open questions answered, and captions checked, by what is known of a picture: its attributes.

A small reader answers every open question with one of the few words that it was taught. What is known of a picture says
less, and only what reached its threshold; the rest is "unknown".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from catalens.tasks.attributes import Attribute, Attributes
from catalens.tasks.english import listed, with_article
from catalens.tasks.question_kinds import Question, QuestionKind, asks_what_it_is, parse_question
from catalens.tasks.schema import UNKNOWN, load_schema

HINT = "a larger reader may know: name one, such as blip-vqa"

_GROUPS: Mapping[QuestionKind, tuple[str, ...]] = {
    "thing": ("type", "subject"),
    "place": ("scene", "place"),
    "inside": ("place",),
    "count": ("people",),
    "action": ("doing",),
    "colour": ("colour",),
}
"""The groups that answer each kind of question, the most telling first; those of both shipped schemas."""
_OF_WHAT = {
    "pattern": "pattern",
    "material": "material",
    "made of": "material",
    "sleeve": "sleeve_length",
    "neck": "neck",
    "collar": "collar",
    "who is it for": "gender",
    "gender": "gender",
    "season": "season",
    "occasion": "occasion",
    "usage": "usage",
}
"""Words of a question → the group that it asks for."""
_PEOPLE = frozenset({"people", "persons", "person"})
_SEVERAL = frozenset({"two", "many"})
_DRAWN = frozenset({"drawing", "document or screenshot"})
"""Subjects that say what a picture is: whatever else is said of it is only drawn or written there."""
_UNTAUGHT = frozenset({"presence", "inside", "place", "count", "action"})
"""Kinds of questions that a small reader of products was never asked: it would answer "is there a person?" with a
material."""
_NOT_GUESSED = frozenset({"thing", "other"})
"""Kinds of questions that a small everyday reader cannot answer: it was trained on people, places and actions."""


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An answer to an open question.

    Attributes:
        value: the answer, or "unknown".
        probability: of the answer; 0 where it is unknown.
        source: the group of the schema that it is from; empty where it is unknown.
        hint: how to learn more; empty where the answer is known.
    """

    value: str
    probability: float = 0.0
    source: str = ""
    hint: str = ""


def answer_from_attributes(question: str, attributes: Attributes) -> KnownAnswer:
    """Answer an open question from what is known of a picture.

    Args:
        question: what is asked.
        attributes: as `read_attributes` returned them for the picture.

    Returns:
        A value that reached its threshold, or "unknown" with a hint.

    >>> from catalens.core.types import Tag
    >>> known = {"subject": Attribute("subject", (Tag("dog", 0.9),), 0.9, ())}
    >>> answer_from_attributes("What is it?", known).value
    'a dog'
    >>> answer_from_attributes("Is there a dog?", known).value, answer_from_attributes("Where is this?", known).value
    ('yes', 'unknown')
    """
    asked = parse_question(question)
    if asked.kind == "presence":
        return _presence(asked, attributes)
    if asked.kind == "count" and asked.about not in _PEOPLE:
        return _unknown()
    groups = _groups_named(question) if asked.kind == "other" else _GROUPS[asked.kind]
    for name in groups:
        attribute = attributes.get(name)
        if attribute is not None and attribute.values:
            return _value(attribute, attributes)
    return _unknown()


def checked_answer(question: str, written: str, attributes: Attributes) -> str:
    """Return what is known of a picture, else what a small reader wrote; what a thing is, is never guessed.

    >>> checked_answer("What is it?", "no", {}), checked_answer("How many people are there?", "two", {})
    ('unknown', 'two')
    """
    known = answer_from_attributes(question, attributes).value
    return known if known != UNKNOWN or parse_question(question).kind in _NOT_GUESSED else written


def checked_product_answer(question: str, written: str, attributes: Attributes) -> str:
    """Return what is known where a small reader of products would guess, and otherwise what it wrote.

    The reader names a product in every picture; the type is known only where it reached its threshold. Whether
    something is there, how many, where and what is done, it was not taught to say, and it gives a watch sleeves.

    >>> checked_product_answer("What is it?", "caps", {}), checked_product_answer("What fit is it?", "slim", {})
    ('unknown', 'slim')
    >>> checked_product_answer("Is there a person?", "round neck", {})
    'unknown'
    """
    if asks_for_what_it_lacks(question, attributes):
        return UNKNOWN
    is_guessed = asks_what_it_is(question) or parse_question(question).kind in _UNTAUGHT
    return answer_from_attributes(question, attributes).value if is_guessed else written


def asks_for_what_it_lacks(question: str, attributes: Attributes) -> bool:
    """Return whether a question asks for an attribute that products of this type do not have.

    >>> from catalens.core.types import Tag
    >>> watch = {"type": Attribute("type", (Tag("Watches", 0.9),), 0.9, ())}
    >>> asks_for_what_it_lacks("What is the sleeve length?", watch), asks_for_what_it_lacks("What fit is it?", watch)
    (True, False)
    """
    if parse_question(question).kind not in ("thing", "other"):
        return False
    asked = _of_some_types() & {*_groups_named(question)}
    return bool(asked) and not asked & attributes.keys()


@cache
def _of_some_types() -> frozenset[str]:
    """Return the groups of the product schema that only some types have."""
    return frozenset(group.name for group in load_schema("fashion").groups if group.when)


def checked_caption(written: str, attributes: Attributes, unknown: str) -> str:
    """Return a small reader's caption, or the main thing that is known of a picture where the reader knows nothing.

    A drawing or a document is called that, whatever the reader sees in it.

    Args:
        written: by the reader.
        attributes: as `read_attributes` returned them for the picture.
        unknown: what the reader writes where it knows nothing.

    >>> from catalens.core.types import Tag
    >>> coffee, drawing = ({"subject": Attribute("subject", (Tag(name, 0.9),), 0.9, ())} for name in ("cup", "drawing"))
    >>> checked_caption("unknown", coffee, "unknown"), checked_caption("a dog", coffee, "unknown")
    ('a cup', 'a dog')
    >>> checked_caption("a dog", drawing, "unknown"), checked_caption("unknown", {}, "unknown")
    ('a drawing', 'unknown')
    """
    subject = attributes.get("subject")
    if subject is None or not subject.values or (written != unknown and subject.value not in _DRAWN):
        return written
    return _main_thing(subject, attributes)


def _groups_named(question: str) -> tuple[str, ...]:
    plain = question.casefold()
    named = (group for words, group in _OF_WHAT.items() if re.search(rf"\b{words}(?:s|line)?\b", plain))
    return tuple(dict.fromkeys(named))


def _value(attribute: Attribute, attributes: Attributes) -> KnownAnswer:
    is_subject = attribute.group == "subject"
    value = _main_thing(attribute, attributes) if is_subject else listed([tag.label for tag in attribute.values])
    return KnownAnswer(value, attribute.values[0].score, attribute.group)


def _main_thing(subject: Attribute, attributes: Attributes) -> str:
    """Return what a known subject is called; the subject "person" says nothing of the number."""
    number = attributes.get("people")
    if subject.value in _PEOPLE and number is not None and number.value in _SEVERAL:
        return "people"
    return with_article(str(subject.value))


def _presence(asked: Question, attributes: Attributes) -> KnownAnswer:
    """Answer "yes" where a known value is what is asked for; that something is absent cannot be known from values."""
    wanted = asked.about.removeprefix("a ").removeprefix("an ")
    names = _PEOPLE if wanted in _PEOPLE else {wanted, f"{wanted}s", wanted.removesuffix("s")}
    for attribute in attributes.values():
        for tag in attribute.values:
            if tag.label.casefold() in names:
                return KnownAnswer("yes", tag.score, attribute.group)
    return _unknown()


def _unknown() -> KnownAnswer:
    return KnownAnswer(UNKNOWN, hint=HINT)
