"""Lists of texts that Python callers give."""

from __future__ import annotations

from collections.abc import Iterable

from catalens.core.errors import InputError


def each_text(values: Iterable[str], name: str) -> tuple[str, ...]:
    """Return the texts of a list; one text in its place would be taken for a list of letters.

    Args:
        values: as they were given.
        name: of the argument, for the message.

    Raises:
        InputError: it is one text, or something in it is not a text.

    >>> each_text(["cup", "plate"], "labels")
    ('cup', 'plate')
    """
    if isinstance(values, str):
        raise InputError(f"{name} is one text; give a list of texts, such as [{values[:60]!r}]")
    for value in (found := tuple(values)):
        if not isinstance(value, str):
            raise InputError(f"{name} holds {value!r}, which is not a text")
    return found
