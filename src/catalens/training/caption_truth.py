"""Judges captions phrase by phrase, by five human captions or by the label of an image.

A word counts as supported if one human caption has it, or a word for the same; what a label says nothing about (the
colour of a dog) is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from catalens.models.readers.phrases import CLOTHES, COLOURS, Phrase, split_caption, stem
from catalens.tasks.english import stems


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def names_in(names: str) -> frozenset[str]:
    """Return names that are separated by commas."""
    return frozenset(names.split(","))


_MALE = _set("man men boy boys guy guys male males father son gentleman")
_FEMALE = _set("woman women girl girls lady ladies female females mother daughter")
_CHILD = _set("boy boys girl girls child children kid kids baby babies toddler toddlers infant")
_ADULT = _set("man men woman women lady ladies adult adults guy guys")
PEOPLE_SAID = (
    _MALE
    | _FEMALE
    | _CHILD
    | _ADULT
    | _set(
        "person people player players rider riders biker bikers bicyclist bicyclists cyclist skier skiers snowboarder "
        "snowboarders surfer surfers climber climbers hiker hikers skateboarder skateboarders crowd team somebody "
        "someone couple teenager teenagers worker workers friends family individual swimmer dancer dancers performer "
        "performers runner runners motorcyclist athlete soldier soldiers teen teens group youth racer racers wrestler "
        "wrestlers cheerleader cheerleaders kayaker rollerblader musician band pedestrian pedestrians jogger gymnast "
        "acrobat clown bride student students"
    )
)
MANY_PEOPLE = _set(
    "men boys women girls people children kids players riders bikers skiers surfers climbers hikers crowd team couple "
    "teenagers workers friends family dancers performers runners soldiers group two three four five six several many "
    "bicyclists cyclists racers wrestlers band adults together cheerleaders"
)
DOGS = _set(
    "dog dogs puppy puppies greyhound greyhounds poodle terrier retriever collie labrador lab dalmatian spaniel hound "
    "dachshund shepherd bulldog beagle husky"
)
_KINDS = {
    "animal": DOGS
    | _set(
        "animal animals cat cats kitten kittens horse horses bird birds duck ducks seagull seagulls pigeon pigeons "
        "geese eagle parrot ostrich hummingbird swan cow cows calf bull ox oxen sheep lamb goat goats elephant "
        "monkey squirrel rabbit fox wolf deer donkey pig bear camel camels fish turtle whale dolphin crab lizard "
        "frog snake butterfly insect"
    ),
    "vehicle": _set(
        "vehicle vehicles car cars truck trucks firetruck bus van bike bikes bicycle bicycles motorcycle motorcycles "
        "train boat boats jeep suv tractor atv ambulance motorbike kayak raft canoe scooter wagon cart buggy sled "
        "sleds bobsled dogsled airplane plane jet helicopter watercraft"
    ),
}
"""What is true of a picture wherever a caption says one of these."""
_SEVERAL = _set("two three four five six several many some group dogs puppies greyhounds another")
_SAME_COLOUR = {
    "gray": "grey",
    "silver": "grey",
    "golden": "yellow",
    "gold": "yellow",
    "blond": "yellow",
    "blonde": "yellow",
    "tan": "brown",
    "beige": "brown",
    "maroon": "red",
    "purple": "pink",
    "navy": "blue",
    "dark": "black",
}
_SAME_ACTION = [
    {stem(word) for word in line.split()}
    for line in (
        "run race chase sprint jog play",
        "jump leap hop air midair trick flip fly dive",
        "stand pose wade",
        "ride bike bicycle cycle pedal wheelie surf",
        "swim dive paddle splash float",
        "sit seat",
        "climb scale",
        "play game fetch kick",
        "walk hike stroll cross",
        "catch fetch",
        "hold carry",
        "lie lay sleep rest",
        "look watch stare",
        "smile laugh",
        "slide sled",
    )
]
_SAME_PLACE = [
    _set(line)
    for line in (
        "snow snowy ski slope hill",
        "beach sand sandy shore ocean",
        "water ocean sea lake river pool pond wave waves surf splash",
        "grass grassy lawn field meadow yard park",
        "street sidewalk road city pavement",
        "mountain mountains cliff hill rock rocks peak",
        "forest woods trees tree wooded",
        "room couch sofa bed kitchen indoors inside carpet floor",
        "air jump jumping leaps",
        "dirt track trail path mud",
        "building wall",
        "playground swing slide",
    )
]

COMPOUNDS = names_in(
    "musical instrument,measuring instrument,medical instrument,electronic device,electronic equipment,"
    "sports equipment,household appliance,home appliance,kitchen appliance,packaged food,hot dog"
)
"""Names whose last word alone says something else, or nothing."""


class Truth(Protocol):
    """What is known of an image; None: nothing is known of that."""

    def noun(self, word: str, *, several: bool = False) -> bool | None:
        """Return whether the image shows it."""

    def action(self, verb: str) -> bool | None:
        """Return whether it is done there."""

    def colour(self, word: str) -> bool | None:
        """Return whether something there has the colour."""

    def place(self, words: Collection[str]) -> bool | None:
        """Return whether one of the words is where it is, or what is beside."""


class CaptionTruth:
    """What five human captions say."""

    def __init__(self, captions: Sequence[str]) -> None:
        self._said = {word for text in captions for word in words_of(text)}
        self._stems = {stem(word) for word in self._said}
        self._plain = {each for text in captions for each in stems(text)}

    def noun(self, word: str, *, several: bool = False) -> bool:
        """Return whether a caption has the noun; people by sex, age and number as far as captions say them."""
        said = self._said
        if word in PEOPLE_SAID:
            wrong_sex = any(word in one and said & other and not said & one for one, other in _OPPOSITE)
            return bool(said & PEOPLE_SAID) and not wrong_sex and not (several and not said & MANY_PEOPLE)
        if word in DOGS:
            return bool(said & DOGS) and not (several and not said & _SEVERAL)
        return bool(said & _KINDS.get(word, frozenset())) or {*stems(word)} <= self._plain

    def says(self, words: str) -> bool:
        """Return whether the captions have these very words, whatever else may be said of the same."""
        return {*stems(words)} <= self._plain

    def action(self, verb: str) -> bool:
        """Return whether a caption has the verb, or one for the same."""
        wanted = {verb}.union(*(same for same in _SAME_ACTION if verb in same))
        return bool(wanted & self._stems)

    def colour(self, word: str) -> bool:
        """Return whether a caption has the colour."""
        return _plain_colour(word) in {_plain_colour(each) for each in self._said}

    def place(self, words: Collection[str]) -> bool:
        """Return whether a caption has one of the words, or one for the same place."""
        return any(self.noun(word) or any(word in same and self._said & same for same in _SAME_PLACE) for word in words)


_OPPOSITE = ((_MALE, _FEMALE), (_FEMALE, _MALE), (_CHILD, _ADULT), (_ADULT, _CHILD))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is true of a caption: its subject, and each further kind of phrase; None where it is not judged."""

    is_unknown: bool
    subject: bool | None = None
    rest: tuple[tuple[str, bool], ...] = ()

    @property
    def has_false_phrase(self) -> bool:
        """Whether the subject is right and something else is not."""
        return self.subject is not False and any(not right for _, right in self.rest)


def judge(caption: str, truth: Truth) -> Verdict:
    """Judge a caption.

    >>> truth = CaptionTruth(["A black dog runs on the beach ."])
    >>> judge("a white dog is running through the snow", truth).rest
    (('colour', False), ('action', True), ('scene', False))
    >>> judge("a cat", truth).subject, judge("something unknown", truth).is_unknown
    (False, True)
    """
    if "unknown" in caption:
        return Verdict(is_unknown=True)
    first, *phrases = split_caption(caption)
    rest = [("colour", truth.colour(word)) for word in first.words if word in COLOURS]
    for phrase in phrases:
        rest += _judged(phrase, truth)
    subject = _subject(first, truth)
    return Verdict(
        is_unknown=False, subject=subject, rest=tuple((kind, right) for kind, right in rest if right is not None)
    )


def holds(wordings: Sequence[str], truth: Truth) -> bool | None:
    """Return whether one of a label's wordings names what is there; None where nothing is known of it.

    >>> holds(["a kitten", "a cat"], CaptionTruth(["a cat sleeps"])), holds(["a cup"], CaptionTruth(["a cat sleeps"]))
    (True, False)
    """
    found = [judge(wording, truth).subject for wording in wordings]
    return True if True in found else None if None in found else False


def _subject(phrase: Phrase, truth: Truth) -> bool | None:
    plain = [word for word in phrase.words if word not in COLOURS]
    groups = [part.split() for part in re.split(r"\band\b|,", " ".join(plain))]
    heads = [_head(part) for part in groups if part and part[-1] not in ("a", "an", "the")]
    several = bool({*plain} & _SEVERAL) or (len(heads) > 1 and all(head in PEOPLE_SAID for head in heads))
    found = [truth.noun(head, several=several) for head in heads]
    return False if False in found or not found else None if None in found else True


def _head(words: Sequence[str]) -> str:
    compound = " ".join(words[-2:])
    return compound if compound in COMPOUNDS else words[-1]


def _judged(phrase: Phrase, truth: Truth) -> list[tuple[str, bool | None]]:
    if phrase.kind == "action":
        verb = next((word for word in phrase.words if word not in ("is", "are", "while")), "")
        return [("action", truth.action(stem(verb)))]
    if phrase.kind == "clothing":
        worn = [truth.noun(word) for word in phrase.words if word in CLOTHES]
        worn += [truth.colour(word) for word in phrase.words if word in COLOURS]
        return [("clothing", False if False in worn else None if None in worn else True)]
    nouns = [word for word in phrase.words if Phrase("scene", (word,)).claims() and word not in COLOURS]
    return [("scene", truth.place(nouns))] if nouns else []


def words_of(text: str) -> list[str]:
    """Return the words of a human caption in lower case."""
    return re.findall(r"[a-z]+(?:[-'][a-z]+)*", text.lower())


def _plain_colour(word: str) -> str:
    return _SAME_COLOUR.get(word, word)
