"""Indoors or outdoors where captions do not agree on it: likely ones to learn from, places seen by eye to judge by.

Captions of a room rarely say so: they name what people do or have there. Pictures of `val` were looked at one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from catalens.training.questions import INDOORS, OUTDOORS

_ENOUGH = 2
"""Captions that must name something of a place."""
OF_ROOMS = re.compile(
    r"\b(stage|concert|microphone|band|sings|singing|singer|guitar|piano|bowling|wrestl\w+|hockey|rink|gymnas\w+|karate|"
    r"dinner|birthday|computer|laptop|television|tv|video game|bathroom|bath|tub|toilet|floor|rug|hospital|school|"
    r"museum|mall|shop|church|bride|pub|club|party|audience|auditorium|theater|theatre|escalator|elevator|subway|blanket|pillow|"
    r"mattress|curtains?|fireplace|refrigerator|stove|oven|sink|cook\w*|christmas|dancers?|dancing|lamp|desk|recliner|"
    r"armchair|table|stairs|basketball|bunk|doctor|chef|meeting|conference|bowl|wine|beer|indoor)\b"
)
"""What is mostly in rooms, beside what the questions take for a proof."""
OF_THE_OUTDOORS = re.compile(
    r"\b(pool|bike|bicycle|bicyclist|motorcycle|motorbike|car|cars|truck|race|racing|soccer|football|baseball|"
    r"skateboard\w*|boat|canoe|kayak|water|wave|swing|swings|playground|outdoor|parade|climb\w*|horse|bull|rugby|tent|"
    r"fence|bridge|surf\w*|ski\w*|ramp|sidewalk|driveway|porch|statue|fountain|cyclist|rider|fishing|sunglasses|umbrella|"
    r"puddle|hydrant|backyard|building)\b"
)
"""What is mostly outdoors."""


def likely_place(captions: Sequence[str]) -> str:
    """Return where a photograph was probably taken, "indoors" or "outdoors", or "".

    Of the validation pictures that were looked at, nine in ten such rooms are rooms, and 99 in 100 outdoors.

    >>> likely_place(["A band on a stage .", "a man sings", "A man and a guitar on grass ."])
    ''
    >>> likely_place(["A band on a stage .", "a man sings", "A man in black ."])
    'indoors'
    >>> likely_place(["A man on a bike .", "a cyclist"])
    'outdoors'
    """
    texts = [text.lower() for text in captions]
    within = sum(bool(OF_ROOMS.search(text) or INDOORS.search(text)) for text in texts)
    without = sum(bool(OF_THE_OUTDOORS.search(text) or OUTDOORS.search(text)) for text in texts)
    if without >= _ENOUGH and not within:
        return "outdoors"
    is_room = within >= _ENOUGH > without and not any(OUTDOORS.search(text) for text in texts)
    return "indoors" if is_room else ""


def seen_places(table: str, ids: Sequence[str]) -> list[str | None]:
    """Return "indoors" or "outdoors" of validation pictures by eye; None where that is unclear or was not looked at.

    Args:
        table: "objects", all 500 of which were looked at, or "everyday": those whose captions do not agree.
        ids: of the pictures.

    >>> seen_places("objects", ["n03179701", "n09472597", "n02783161"])
    ['indoors', 'outdoors', None]
    """
    known: dict[str, str] = {}
    for line in (Path(__file__).parent / "seen_places.tsv").read_text(encoding="utf-8").splitlines():
        name, place, some = line.split("\t")
        known |= dict.fromkeys(some.split() if name == table else (), place)
    return [known.get(each) for each in ids]
