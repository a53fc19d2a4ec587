"""What a job has found so far, line by line on disk, so that a killed job goes on where it was.

Knows keys and values; knows nothing of pictures, models or outputs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from catalens.core.caching import try_to_keep
from catalens.core.errors import InputError
from catalens.core.files import write_error
from catalens.core.json_text import parse_json

Key = tuple[str, str]
"""What names an item of a job: its id and where its picture is."""


class Note(NamedTuple):
    """How far an item is.

    Attributes:
        done: how many stages are done for it.
        values: what they found, as JSON values.
    """

    done: int
    values: Mapping[str, Any]


class Journal:
    """A file of JSON lines: which job it is of, then one line for each item that got further.

    A line that was cut off by a kill is dropped, and its item done again.
    """

    def __init__(self, path: Path, job: object, *, in_cache: bool = False) -> None:
        """Name the file and the job.

        Args:
            path: made when there is the first thing to note, deleted when the job is complete.
            job: everything that the results depend on (model, options …), as JSON values.
            in_cache: the file is a convenience, so the job goes on without it where it cannot be written.
        """
        self.path = path
        self._in_cache, self._given_up = in_cache, False
        self._job = json.loads(json.dumps(job, default=str))
        self._file: TextIO | None = None

    def read(self) -> dict[Key, Note]:
        """Return the latest note of every item; none where the file is not there.

        Raises:
            InputError: the file is of another job, or no journal.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(self.path, len(whole))
        head, *lines = whole.splitlines() or [b"null"]
        try:
            if whole and parse_json(head) != {"job": self._job}:
                raise InputError(
                    f"{self.path} is what an unfinished job left, and that job had another model or other options: "
                    "finish it with those, or delete the file to begin anew"
                )
            return {(id, source): Note(done, values) for id, source, done, values in map(parse_json, lines)}
        except ValueError as error:
            raise InputError(
                f"{self.path} is not the journal of a job ({error}); delete it, or move it away"
            ) from error

    def append(self, notes: Sequence[tuple[Key, Note]]) -> None:
        """Note how far some items are; they are on the disk when this returns.

        Raises:
            InputError: the file cannot be written, and is not in the cache.
        """
        if not notes or self._given_up:
            return
        if self._in_cache:
            self._given_up = not try_to_keep(lambda: self._append(notes), self.path.parent)
            return
        try:
            self._append(notes)
        except OSError as error:
            raise write_error(error, self.path) from error

    def _append(self, notes: Sequence[tuple[Key, Note]]) -> None:
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("a", encoding="utf-8")
                if self._file.tell() == 0:
                    self._file.write(_line({"job": self._job}))
            self._file.write("".join(_line([*key, *note]) for key, note in notes))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            with suppress(OSError):  # what is still buffered cannot be written either
                self.close()
            self._file = None
            raise

    def close(self) -> None:
        """Close the file; what it holds stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def delete(self) -> None:
        """Close and delete the file: the job is complete."""
        self.close()
        self.path.unlink(missing_ok=True)


def _line(value: object) -> str:
    return json.dumps(value, default=_listed) + "\n"


def _listed(value: Any) -> object:  # noqa: ANN401 - whatever JSON does not know
    """Return an array as a list."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
