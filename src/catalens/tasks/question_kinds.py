"""What a question asks for, and how its answers are written for an encoder that compares sentences with pictures.

English only: a question in another language is of the kind "other", whose answers stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, get_args

from catalens.tasks.english import is_plural, with_article
from catalens.tasks.yaml_files import parse_yaml

QuestionKind = Literal["presence", "class", "inside", "count", "colour", "place", "action", "thing", "other"]
QUESTION_KINDS: tuple[QuestionKind, ...] = get_args(QuestionKind)

YES = frozenset({"yes", "yeah", "yep", "true"})
NO = frozenset({"no", "nope", "false"})
PEOPLE = frozenset({"people", "persons", "person", "men", "women", "children", "kids"})

_PRESENCE = re.compile(
    r"^(?:is|are|was|were|do|does|did|can|could|has|have)\s+"
    r"(?:(?:there|it|this|that|these|those|they|you|we|one|the\s+(?:picture|photo|image))\s+)?"
    r"(?:(?:see|show|shows|contain|contains|have|depict)\s+)?(?P<about>.+)$"
)
_IN_PICTURE = re.compile(r"\s+(?:in|on)\s+(?:the|this)\s+(?:picture|photo|photograph|image)\b|\s+(?:here|visible)$")
_THE = re.compile(r"^(?:the|this|that|these|those|his|her|their|its|any|some)\s+")
_COLOUR = re.compile(r"\bcolou?rs?\b(?:\s+(?:is|are|has|have|of|does))*(?:\s+(?P<about>.+?))?(?:\s+have)?$")
_COUNT = re.compile(r"\b(?:how many|what number of|(?:what is )?the number of)\s+(?P<about>\w+)")
_ACTION = re.compile(
    r"\bwhat\s+(?:is|are|does|do)\s+(?P<about>.+?)\s+(?:doing|do)$|\b(?:happening|going on|activity|action)\b"
)
_THING = re.compile(
    r"^(?:what|which|who|name)\b(?!.*\b(?:made|material|pattern|size|brand|style|season|occasion|wearing|for|neck|"
    r"sleeves?|old|time)\b)"
)
_WHOLE = re.compile(
    r"^(?:what(?:'s|\s+is|\s+are|\s+(?:do|can)\s+you\s+see|\s+does)|name|identify)"
    r"(?:\s+(?:it|this|that|these|those|there|the|main|shown|show|thing|object|item|product|subject|picture|photo|"
    r"image))*$"
)
_PREPOSITION = re.compile(r"^(?:in|on|at|under|by|near|inside|outside|over|behind|indoors|outdoors)\b")
_NOBODY = frozenset({"it", "this", "that", "they", "there", "he", "she", "you", "is", "are"})


@dataclass(frozen=True, slots=True)
class Question:
    """What a question asks for.

    Attributes:
        kind: decides which texts stand for an answer, and how far each model is trusted. "class" is the presence of
            something that an encoder has classes for; `parse_question`, which knows no encoder, never returns it.
        about: what it is asked of, without its article: "shirt" in "what colour is the shirt?"; empty for the whole
            picture. For "presence" the phrase that is or is not so: "a dog" in "is there a dog?".
    """

    kind: QuestionKind
    about: str = ""


def parse_question(text: str, answers: Sequence[str] = ()) -> Question:
    """Recognise what a question asks for.

    Args:
        text: the question.
        answers: those that are allowed; none for an open question.

    >>> parse_question("Is there a dog in the picture?", ["yes", "no"])
    Question(kind='presence', about='a dog')
    >>> parse_question("What colour is the shirt?").about, parse_question("What is it?").kind
    ('shirt', 'thing')
    """
    plain = _plain(text)
    given = {answer.strip().casefold() for answer in answers}
    inside = _table().inside
    if (given and given <= inside) or (not given and re.search(r"\b(?:in|out)(?:doors|side) or\b", plain)):
        return Question("inside")
    if (not given or (len(given) == 2 and given & YES and given & NO)) and (found := _PRESENCE.match(plain)):
        return Question("presence", _THE.sub("", found["about"]))
    for kind, pattern in (("count", _COUNT), ("colour", _COLOUR), ("action", _ACTION)):
        if found := pattern.search(plain):
            return Question(kind, _about(found["about"]))  # type: ignore[arg-type]
    if re.match(r"where\b|(?:what|which) (?:place|location|scene)\b", plain):
        return Question("place")
    return Question("thing" if _THING.match(plain) else "other")


def asks_what_it_is(text: str) -> bool:
    """Return whether a question asks what the picture shows as a whole, and not for one of its attributes.

    >>> asks_what_it_is("What is it?"), asks_what_it_is("what is this item in the photo")
    (True, True)
    >>> asks_what_it_is("What fit is it?"), asks_what_it_is("What is the type of the neck?")
    (False, False)
    """
    return _WHOLE.match(_plain(text)) is not None


def answer_texts(question: Question, answer: str) -> tuple[str, ...]:
    """Return the sentences by which an encoder recognises an answer: an answer is as near as they are on average.

    >>> answer_texts(Question("thing"), "apple")
    ('apple', 'a photo of an apple')
    >>> answer_texts(Question("colour", "shirt"), "red")
    ('a red shirt', 'a photo of a red shirt', 'somebody with a red shirt')
    """
    words, plain = answer.strip(), answer.strip().casefold()
    table = _table()
    if question.kind == "inside":
        return table.wordings["inside"][table.same_as[plain]]
    if question.kind == "count":
        return _count_texts(question.about, plain, words)
    if question.kind == "place" and _PREPOSITION.match(plain):
        return (words, f"a photo taken {words}", f"somebody {words}")
    templates = table.templates["colour_of_it" if question.kind == "colour" and not question.about else question.kind]
    about = question.about or "person"
    return tuple(
        template.replace("{about}", about).replace("{an answer}", with_article(words)).replace("{answer}", words)
        for template in templates
    )


def standard_answers(question: Question, answers: Sequence[str]) -> tuple[str, ...]:
    """Return answers in the words of the table: "outside" is "outdoors", and "2" people are "two".

    >>> standard_answers(Question("inside"), ["inside", "outside"])
    ('indoors', 'outdoors')
    >>> standard_answers(Question("count", "people"), ["0", "1"]), standard_answers(Question("count", "dogs"), ["0"])
    (('none', 'one'), ('0',))
    """
    same: Mapping[str, str] = {}
    if question.kind == "inside":
        same = _table().same_as
    elif counts_people(question):
        same = _table().numbers
    plain = [answer.strip().casefold() for answer in answers]
    return tuple(same.get(answer, answer) for answer in plain)


def counts_people(question: Question) -> bool:
    """Return whether a question asks how many people there are, and not how many dogs."""
    return question.kind == "count" and (not question.about or question.about in PEOPLE)


def answers_not_offered(question: Question, answers: Sequence[str]) -> tuple[str, ...]:
    """Return what else could be answered to a question; nothing where one of the answers is not known.

    >>> answers_not_offered(Question("count", "people"), ["one", "2"])
    ('none', 'many')
    >>> answers_not_offered(Question("colour"), ["navy blue", "sunny"])
    ()
    """
    families = _table().families.get(question.kind, {})
    offered: set[str] = set()
    for answer in answers:
        words = {*re.findall(r"\w+(?:-\w+)?", answer.casefold())}
        meant = {name for name, synonyms in families.items() if words & synonyms}
        if not meant:
            return ()
        offered |= meant
    return tuple(name for name in families if name not in offered)


def is_colour(word: str) -> bool:
    """Return whether a word is the name of a colour; it may be the name of a thing too.

    >>> is_colour("Orange"), is_colour("apple")
    (True, False)
    """
    return any(word.strip().casefold() in names for names in _table().families["colour"].values())


def _plain(text: str) -> str:
    return _IN_PICTURE.sub("", " ".join(text.casefold().replace("’", "'").split()).strip(" ?.!"))


def _count_texts(about: str, plain: str, words: str) -> tuple[str, ...]:
    table = _table()
    number = table.numbers.get(plain, plain)
    if about in PEOPLE or not about:
        return table.wordings["people"].get(number, (f"{words} people",))
    many = about if is_plural(about) else f"{about}s"
    if number == "one":
        return (f"one {about.removesuffix('s')}", with_article(about.removesuffix("s")))
    return (f"{'no' if number == 'none' else words} {many}",)


def _about(words: str | None) -> str:
    about = _THE.sub("", (words or "").strip())
    return "" if about in _NOBODY else re.sub(r"^an?\s+", "", about)


@dataclass(frozen=True, slots=True)
class _Table:
    """The table of `data/questions.yaml`."""

    templates: Mapping[str, tuple[str, ...]]
    wordings: Mapping[str, Mapping[str, tuple[str, ...]]]
    same_as: Mapping[str, str]
    numbers: Mapping[str, str]
    families: Mapping[str, Mapping[str, frozenset[str]]]

    @property
    def inside(self) -> frozenset[str]:
        """Answers to "indoors or outdoors?"."""
        return frozenset(self.same_as)


@cache
def _table() -> _Table:
    raw = parse_yaml((resources.files("catalens.tasks") / "data" / "answers" / "texts.yaml").read_text("utf-8"))
    return _Table(
        templates={kind: tuple(texts) for kind, texts in raw["templates"].items()},
        wordings={
            name: {answer: tuple(texts) for answer, texts in entry.items()} for name, entry in raw["wordings"].items()
        },
        same_as={word: answer for answer, words in raw["same"].items() for word in words},
        numbers={word: number for number, words in raw["numbers"].items() for word in words},
        families={
            kind: {name: frozenset(words) for name, words in entry.items()} for kind, entry in raw["families"].items()
        },
    )
