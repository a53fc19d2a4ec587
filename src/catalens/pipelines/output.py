"""What takes the results of a job."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from catalens.core.errors import InputError
from catalens.core.types import Record
from catalens.pipelines.halving import each_half
from catalens.pipelines.stages import Values

T = TypeVar("T")
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


@dataclass(frozen=True, slots=True)
class OutputRow:
    """What the stages found in one picture.

    Attributes:
        record: id, source and fields of the item.
        values: by name.
        content_hash: of the item, where an output asks for it.
    """

    record: Record
    values: Values
    content_hash: str | None = None


class Output(Protocol):
    """Takes results; `Sidecars`, `Table`, `VectorFile` and `IndexOutput` are some."""

    def holds(self, record: Record) -> bool:
        """Return whether there is nothing to do for this picture.

        Raises:
            InputError: there is no place for its result.
        """

    def write(self, results: Sequence[OutputRow]) -> None:
        """Take results; the same ones again change nothing, since a resumed job may give them twice.

        Raises:
            InputError, OSError: they cannot be written; the job tries each by itself.
        """

    def finish(self) -> None:
        """Write what waits for the end of the job."""


@runtime_checkable
class ContentOutput(Output, Protocol):
    """An output that remembers the content of what it holds, so that only what has changed is done again."""

    def fingerprints(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the content hash of what is held under some ids."""

    def stored(self, ids: Sequence[str]) -> Mapping[str, Values]:
        """Return the values held of some ids, for items whose picture has not changed."""


def write_each(
    output: Output, results: Sequence[T], row: Callable[[T], OutputRow], fail: Callable[[T, Exception], None]
) -> Sequence[T]:
    """Pass results to an output, and return those that it accepted.

    Args:
        output: takes them together, or one by one where it refuses some.
        results: of pictures.
        row: returns what the output takes of a result.
        fail: called with each result that the output refused.

    Raises:
        InputError, OSError: a disk is full, read-only or broken, which fails every later picture too.
    """

    def write(some: Sequence[T]) -> Sequence[T]:
        output.write([row(each) for each in some])
        return some

    def refused(result: T, error: Exception) -> None:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, OSError) and cause.errno in _DISK_ERRORS:
            raise error
        fail(result, error)

    return each_half(write, results, (InputError, OSError), refused) if results else results
