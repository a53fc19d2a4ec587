"""Vocabularies: plain text, one term a line; shipped ones by name, your own by path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from catalens.core.errors import InputError

_SUFFIX = ".txt"


def vocabulary_names() -> list[str]:
    """List the shipped vocabularies.

    >>> "fashion-colours" in vocabulary_names()
    True
    """
    data = resources.files("catalens.tasks") / "data"
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in data.iterdir() if entry.name.endswith(_SUFFIX))


def load_vocabulary(name_or_path: str | Path) -> list[str]:
    """Read the terms of a vocabulary, in their order, each once.

    Blank lines and lines that start with # are skipped; a repeated term counts once.

    Args:
        name_or_path: a file (UTF-8), or a name that `vocabulary_names` lists.

    Raises:
        InputError: there is no such vocabulary, it is not text, or it has no term.

    >>> load_vocabulary("fashion-colours")[:3]
    ['black', 'white', 'grey']
    """
    lines = _read(str(name_or_path)).splitlines()
    terms = dict.fromkeys(term for line in lines if (term := line.strip()) and not term.startswith("#"))
    if not terms:
        raise InputError(f"the vocabulary {str(name_or_path)!r} has no term; put one on each line")
    return list(terms)


def _read(name: str) -> str:
    path = Path(name)
    try:
        if path.is_file():
            text = path.read_text(encoding="utf-8-sig")
        elif name in vocabulary_names():
            text = (resources.files("catalens.tasks") / "data" / (name + _SUFFIX)).read_text(encoding="utf-8")
        else:
            known = ", ".join(vocabulary_names())
            raise InputError(f"there is no vocabulary {name!r}: it is neither a file nor one of: {known}")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the vocabulary {name!r} as UTF-8 text: {error}") from error
    if "\0" in text:
        raise InputError(f"the vocabulary {name!r} is not a text file; it takes UTF-8, one term a line")
    return text
