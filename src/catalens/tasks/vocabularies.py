"""Vocabularies: shipped ones by name, your own by path, in any form that label files have."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from catalens.core.errors import InputError
from catalens.tasks.label_files import load_labels

_SUFFIX = ".txt"


def vocabulary_names() -> list[str]:
    """List the shipped vocabularies.

    >>> "fashion-colours" in vocabulary_names()
    True
    """
    data = resources.files("catalens.tasks") / "data"
    return sorted(entry.name.removesuffix(_SUFFIX) for entry in data.iterdir() if entry.name.endswith(_SUFFIX))


def load_vocabulary(name_or_path: str | Path) -> list[str]:
    """Read the terms of a vocabulary, in their order; a repeated term counts once.

    Args:
        name_or_path: a file as `load_labels` reads them, such as one term a line, or a name that `vocabulary_names`
            lists.

    Raises:
        InputError: there is no such vocabulary, it cannot be read, or it has no term.

    >>> load_vocabulary("fashion-colours")[:3]
    ['black', 'white', 'grey']
    """
    name = str(name_or_path)
    if Path(name).is_file():
        return list(dict.fromkeys(load_labels(name)))
    if name not in vocabulary_names():
        known = ", ".join(vocabulary_names())
        raise InputError(f"there is no vocabulary {name!r}: it is neither a file nor one of: {known}")
    text = (resources.files("catalens.tasks") / "data" / (name + _SUFFIX)).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
