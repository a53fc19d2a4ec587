"""`--where`: the filter that a user wrote, and what is said where it names a field that no record has."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from catalens.cli import output
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.filters import Filter
    from catalens.core.protocols import Index

_MOST = 10


def filter_of(text: str | None) -> Filter | None:
    """Read what was given as --where; None where nothing was.

    Raises:
        InputError: it cannot be understood, or is empty, as a shell variable may be that was never set.
    """
    from catalens.catalogue.filters import parse_filter

    if text is not None and not text.strip():
        raise InputError("--where is empty; leave it out to search everything, or give a filter such as 'price < 500'")
    return None if text is None else parse_filter(text)


def say_unknown_fields(index: Index, where: Filter | None) -> None:
    """Say which fields of a filter no record has, and which there are; for when nothing was found.

    Reading goes on only until every field of the filter was met, so a filter that is right costs next to nothing.
    """
    from catalens.core.filters import fields_of

    missing = fields_of(where) if where else set()
    held: set[str] = set()
    if not missing:
        return
    for record in index.records():
        held |= record.fields.keys()
        if missing <= held:
            return
    for name in sorted(missing - held):
        output.say(f"no record has a field {name!r}; there are: {_listed(nearest_first(name, held)) or 'none'}")


def nearest_first(name: str, others: set[str]) -> list[str]:
    """Order names by how much they look like one, case aside.

    >>> nearest_first("Price", {"colour", "price", "prize"})
    ['price', 'prize', 'colour']
    """

    def likeness(other: str) -> float:
        return SequenceMatcher(None, name.lower(), other.lower()).ratio()

    return sorted(sorted(others), key=likeness, reverse=True)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
