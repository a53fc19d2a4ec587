"""Every error that Catalens raises on purpose, in one tree.

    CatalensError
    ├── InputError          the caller's data is wrong          exit 2
    │   └── ImageError      not a picture, or over the limits
    ├── ModelError          a model cannot be had, or failed    exit 3
    │   └── AnswerError     it answered, but the answer is of no use
    └── CatalogueError      the index refuses or is broken      exit 3

A message names the thing that was given and says what would be accepted.
"""

from __future__ import annotations


class CatalensError(Exception):
    """The root: catch this to catch everything Catalens raises on purpose."""


class InputError(CatalensError):
    """The caller's data is wrong; the message says what would be accepted."""


class ImageError(InputError):
    """Not a picture, a broken one, or one over the limits; the message names it."""


class ModelError(CatalensError):
    """A model cannot be had, does not fit its files, or failed."""


class AnswerError(ModelError):
    """A model that can be had gave an answer of no use: refused, cut off, empty or malformed."""


class CatalogueError(CatalensError):
    """The index refuses the request, or its file cannot be used."""
