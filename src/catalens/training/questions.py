"""Questions with known answers, derived from the five reference captions of a photograph.

A fact counts when at least two captions say it and none says another of its kind; what is said once or
denied is left out, so that the reader learns from agreement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from catalens.training.facts import Fact

PEOPLE = (
    "man|woman|boy|girl|child|kid|person|baby|toddler|lady|guy|player|rider|biker|skier|surfer|climber|hiker|worker|"
    "teenager"
)
MANY = re.compile(
    r"\b(three|four|five|six|seven|eight|many|several|group|crowd|team|lots|people|men|women|children|kids|boys|girls)\b"
)
TWO = re.compile(rf"\b(two|couple|pair)\b (\w+ ){{0,3}}?(people|men|women|children|kids|boys|girls|{PEOPLE})")
ONE = re.compile(rf"\b({PEOPLE})\b")
ANIMALS = ("dog", "cat", "horse", "bird", "cow", "sheep", "duck", "monkey", "elephant", "camel", "goat", "bear")
SAME_ANIMAL = {
    "puppy": "dog",
    "puppies": "dog",
    "greyhound": "dog",
    "kitten": "cat",
    "seagull": "bird",
    "poodle": "dog",
}
OUTDOORS = re.compile(
    r"\b(grass|grassy|snow|snowy|beach|ocean|sea|field|street|mountain|park|rock|rocky|road|sand|sandy|river|lake|yard|"
    r"hill|forest|woods|outside|outdoors|sidewalk|waves?|desert|dirt|trail|tree|trees|sky|cliff|pond|garden|lawn)\b"
)
INDOORS = re.compile(
    r"\b(room|couch|sofa|bed|kitchen|indoors|inside|carpet|gym|restaurant|office|bar|store|hallway|living|bedroom|"
    r"ballroom|classroom|library|bathtub|crib|basement)\b"
)
PLACES = {
    "snow": "snow|snowy",
    "beach": "beach|sand|sandy",
    "water": "water|ocean|sea|lake|river|pool|pond|waves?",
    "grass": "grass|grassy|lawn|field|meadow",
    "street": "street|sidewalk|road|city",
    "mountains": "mountains?|cliff|hill",
    "forest": "forest|woods|woody",
    "room": "room|couch|sofa|bed|kitchen|carpet|indoors",
}
COLOURS = [
    "black",
    "white",
    "brown",
    "tan",
    "yellow",
    "grey",
    "red",
    "blue",
    "green",
    "orange",
    "pink",
    "purple",
    "golden",
]
DOING = [
    "running",
    "jumping",
    "swimming",
    "playing",
    "sitting",
    "standing",
    "walking",
    "riding",
    "climbing",
    "sleeping",
    "smiling",
    "skiing",
    "snowboarding",
    "surfing",
    "skateboarding",
    "dancing",
    "eating",
    "holding",
    "throwing",
    "catching",
    "fishing",
    "lying",
    "looking",
    "kicking",
    "digging",
    "splashing",
    "hiking",
    "posing",
]
STEMS = dict(
    pair.split(":")
    for pair in [
        "runs:running",
        "jumps:jumping",
        "leaps:jumping",
        "leaping:jumping",
        "swims:swimming",
        "plays:playing",
        "sits:sitting",
        "stands:standing",
        "walks:walking",
        "rides:riding",
        "climbs:climbing",
        "sleeps:sleeping",
        "smiles:smiling",
        "skis:skiing",
        "surfs:surfing",
        "dances:dancing",
        "eats:eating",
        "holds:holding",
        "throws:throwing",
        "catches:catching",
        "lies:lying",
        "laying:lying",
        "looks:looking",
        "kicks:kicking",
        "digs:digging",
        "hikes:hiking",
        "poses:posing",
        "snowboards:snowboarding",
    ]
)
"""What a caption says → the one word for it."""
THINGS = [
    "dog",
    "man",
    "woman",
    "boy",
    "girl",
    "child",
    "ball",
    "water",
    "snow",
    "beach",
    "grass",
    "bike",
    "car",
    "horse",
    "bird",
    "tree",
    "skateboard",
    "frisbee",
    "hat",
    "helmet",
    "rock",
    "boat",
    "camera",
    "bench",
    "stick",
    "toy",
    "cat",
    "swing",
    "guitar",
    "motorcycle",
    "surfboard",
    "fence",
    "building",
    "sunglasses",
    "pool",
    "mountain",
    "wall",
    "dress",
]
UNCOUNTED = {"water", "snow", "grass", "sunglasses"}
ASKED = {
    "animal": (
        "what animal is this?",
        "which animal is in the picture?",
        "what animal is in the photo?",
        "what kind of animal is it?",
    ),
    "inside": (
        "is this indoors or outdoors?",
        "indoors or outdoors?",
        "was the picture taken indoors or outdoors?",
        "is it inside or outside?",
    ),
    "people": (
        "how many people are there?",
        "how many people are in the picture?",
        "how many people?",
        "what is the number of people?",
    ),
    "colour": (
        "what color is the {}?",
        "what colour is the {}?",
        "what is the color of the {}?",
        "which colour has the {}?",
    ),
    "doing": ("what is the {} doing?", "what does the {} do?", "what is happening with the {}?"),
    "place": ("where is this?", "where was the picture taken?", "what place is this?", "where are they?"),
    "thing": ("is there {} in the picture?", "is there {}?", "do you see {}?", "can you see {} in the photo?"),
}


def everyday_facts(captions: Sequence[str]) -> list[Fact]:
    """Return what the captions of a photograph agree on, as questions and answers."""
    texts = [caption.lower() for caption in captions]
    found = [("inside", "", _inside(texts)), ("people", "", _people(texts)), ("animal", "", _animal(texts))]
    found += [("place", "", _agreed([_one(text, PLACES) for text in texts]))]
    for who in ("dog", "man", "woman", "boy", "girl", "shirt", "jacket", "hat", "child"):
        found.append(("colour", who, _agreed([_colour(text, who) for text in texts])))
    for who in ("dog", "man", "woman", "boy", "girl", "child"):
        found.append(("doing", who, _agreed([_doing(text, who) for text in texts])))
    facts = [Fact(kind, tuple(ask.format(who) for ask in ASKED[kind]), answer) for kind, who, answer in found if answer]
    for thing in THINGS:
        said = sum(bool(re.search(rf"\b{thing}s?\b", text)) for text in texts)
        if said != 1:
            one = thing if thing in UNCOUNTED else f"a {thing}"
            facts.append(Fact("thing", tuple(ask.format(one) for ask in ASKED["thing"]), "yes" if said else "no"))
    return facts


def _agreed(said: Sequence[str]) -> str:
    counts = Counter(each for each in said if each).most_common()
    alone = len(counts) == 1 or (len(counts) > 1 and counts[0][1] >= 2 * counts[1][1])
    return counts[0][0] if counts and counts[0][1] >= 2 and alone else ""


def _one(text: str, words: dict[str, str]) -> str:
    return next((name for name, pattern in words.items() if re.search(rf"\b({pattern})\b", text)), "")


def _inside(texts: Sequence[str]) -> str:
    out, within = (sum(bool(words.search(text)) for text in texts) for words in (OUTDOORS, INDOORS))
    if out >= 2 and not within:
        return "outdoors"
    return "indoors" if within >= 2 and not out else ""


def _people(texts: Sequence[str]) -> str:
    said = []
    for text in texts:
        if TWO.search(text):
            said.append("two")
        elif MANY.search(text):
            said.append("many")
        else:
            found = len(ONE.findall(text))
            said.append("one" if found == 1 else "two" if found == 2 else "" if found else "none")
    return _agreed(said) if said.count("none") in {0, len(said)} else ""


def _animal(texts: Sequence[str]) -> str:
    said = []
    for text in texts:
        words = [SAME_ANIMAL.get(word, word) for word in re.findall(r"\w+", text)]
        said.append(next((animal for animal in ANIMALS for word in words if word in {animal, f"{animal}s"}), ""))
    return _agreed(said)


def _colour(text: str, who: str) -> str:
    colours = "|".join(COLOURS)
    found = re.search(rf"\b({colours})( and (?:{colours}))? (?:\w+ )?{who}\b", text)
    return (found.group(1) + (found.group(2) or "")).replace("golden", "yellow") if found else ""


def _doing(text: str, who: str) -> str:
    found = re.search(rf"\b{who}\b(.*)", text)
    if not found:
        return ""
    words = (STEMS.get(word, word) for word in re.findall(r"\w+", found.group(1)))
    return next((word for word in words if word in DOING), "")
