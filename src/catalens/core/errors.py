"""Every error that Catalens raises on purpose, in one tree.

    CatalensError
    ├── InputError          the caller's data is wrong          exit 2
    │   └── ImageError      not a picture, or over the limits
    ├── ModelError          a model cannot be had, or failed    exit 3
    │   ├── AnswerError     it answered, but the answer is of no use
    │   ├── UnavailableError  it cannot be asked now; the same call may succeed later
    │   └── BatchError      some items of a batch failed, each for its own reason
    └── CatalogueError      the index refuses or is broken      exit 3

A message names the thing that was given and says what would be accepted.
"""

from __future__ import annotations

from collections.abc import Mapping


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


class UnavailableError(ModelError):
    """A model that cannot be asked now: busy, lost or out of reach. The same call may succeed later."""


class BatchError(ModelError):
    """Some items of a batch failed, each for its own reason; smaller batches would not help them.

    Attributes:
        errors: position in the batch → its error. The other items can be tried again without them.
    """

    def __init__(self, errors: Mapping[int, CatalensError], n: int) -> None:
        """Take the errors, at least one, of a batch of n items."""
        self.errors = dict(errors)
        first = next(iter(self.errors.values()))
        super().__init__(f"{len(self.errors)} of {n} failed, the first one because: {first}")


class CatalogueError(CatalensError):
    """The index refuses the request, or its file cannot be used."""
