"""Whether validation pictures were taken indoors or outdoors, as annotated by eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SEEN_PLACES = Path(__file__).parent / "seen_places.tsv"
"""Rows of table, place, and the ids of the pictures taken there, separated by spaces."""


def seen_places(table: str, ids: Sequence[str]) -> list[str | None]:
    """Return "indoors" or "outdoors" for each picture; None where it is unclear or was not annotated.

    Args:
        table: "objects", all 500 of which were annotated, or "everyday", where only those whose captions do not agree
            were.
        ids: of the pictures.

    >>> seen_places("objects", ["n03179701", "n09472597", "n02783161"])
    ['indoors', 'outdoors', None]
    """
    place_of: dict[str, str] = {}
    for line in SEEN_PLACES.read_text(encoding="utf-8").splitlines():
        annotated, place, pictures = line.split("\t")
        if annotated == table:
            place_of |= dict.fromkeys(pictures.split(), place)
    return [place_of.get(each) for each in ids]
