"""Names of columns: which of a table's columns is meant by a usual name."""

from __future__ import annotations

from collections.abc import Iterable


def plain_name(name: str) -> str:
    """Return a name without case and punctuation: `Sleeve Length` and `sleeve_length` are one.

    >>> plain_name("Sleeve Length"), plain_name("sleeve_length")
    ('sleevelength', 'sleevelength')
    """
    return "".join(letter for letter in name.lower() if letter.isalnum())


def matching_column(wanted: Iterable[str], columns: Iterable[str]) -> str | None:
    """Return the first column, as the table spells it, that has one of the wanted names, best first.

    >>> matching_column(["image", "file_name"], ["id", "File Name"])
    'File Name'
    """
    by_plain_name: dict[str, str] = {}
    for column in columns:
        by_plain_name.setdefault(plain_name(column), column)
    return next((by_plain_name[plain_name(name)] for name in wanted if plain_name(name) in by_plain_name), None)
