"""What users write on the command line, made into values: pictures, words, sizes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import InputError
from catalens.core.folders import existing

if TYPE_CHECKING:
    from catalens.pipelines.pictures import Entries

__all__ = ["catalogue", "entries", "existing", "pairs", "piped_lines", "words"]
STANDARD_INPUT = "-"


def entries(arguments: Sequence[str]) -> Entries:
    """Return the items that arguments mean, in order; what does not exist is found before work begins.

    Raises:
        InputError: nothing has that name; the message offers the nearest names.
    """
    from catalens.core.content import Limits, read_stream
    from catalens.pipelines.pictures import named_entries

    given = b""
    if STANDARD_INPUT in arguments:
        given = read_stream(sys.stdin.buffer, max_bytes=Limits().max_bytes)
    return named_entries(arguments, given)


def catalogue(name: str) -> str | Path:
    """Return the address of an index, or the path of a catalogue that exists.

    Raises:
        InputError: there is no such file; the message offers the nearest names.
    """
    from catalens.catalogue.opening import scheme_of

    return name if scheme_of(name) else existing(name)


def piped_lines() -> bytes:
    """Return what comes on standard input from a pipe or a file; nothing from a terminal."""
    return b"" if sys.stdin.isatty() else sys.stdin.buffer.read()


def words(value: str) -> list[str]:
    """Return the texts of a list between commas, or of a file.

    >>> words("a red dress, a blue shirt")
    ['a red dress', 'a blue shirt']

    Raises:
        InputError: there are none, or the file cannot be read.
    """
    from catalens.tasks.label_files import load_labels

    return load_labels(value)


def pairs(values: Sequence[str], flag: str, example: str) -> list[tuple[str, str]]:
    """Return the (name, value) pairs of a flag that is given as NAME=VALUE, several times.

    Raises:
        InputError: one is not of that form.
    """
    found: list[tuple[str, str]] = []
    for value in values:
        name, equals, other = value.partition("=")
        if not equals or not name or not other:
            raise InputError(f"{flag} {value}: give NAME=COLUMN, such as {example}")
        found.append((name, other))
    return found
