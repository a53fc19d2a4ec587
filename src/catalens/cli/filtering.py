"""`--where`: parses the filter, and explains one that can never match."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalens.cli import output
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalens.core.filters import Filter
    from catalens.core.protocols import Index
    from catalens.core.types import Record


def filter_of(text: str | None) -> Filter | None:
    """Read what was given as --where; None where nothing was.

    Raises:
        InputError: it cannot be understood, or is empty, as a shell variable may be that was never set.
    """
    from catalens.catalogue.filters import parse_filter

    if text is not None and not text.strip():
        raise InputError("--where is empty; leave it out to search everything, or give a filter such as 'price < 500'")
    return None if text is None else parse_filter(text)


def say_what_excludes_nothing(index: Index, where: Filter | None, found: Iterable[Record]) -> None:
    """Say, beside what was found, which fields with excluded values no record has."""
    from catalens.catalogue.filter_hints import unknown_exclusions

    for sentence in unknown_exclusions(index, where, found) if where else ():
        output.say(sentence, style="yellow")


def say_nothing_found(index: Index, where: Filter | None) -> None:
    """Say that nothing was found, and why a filter never can: unknown fields, and comparisons across kinds."""
    from catalens.catalogue.filter_hints import hints

    output.say("nothing found")
    for hint in hints(index.records(), where) if where else ():
        output.say(hint)
