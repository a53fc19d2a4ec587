"""Counts what a command did, reports failures as they come, and knows the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from catalens.cli import output
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.core.types import Outcome


class Tally:
    """Done and failed items of one command."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.done = 0
        self.failed = 0

    def fail(self, failure: Outcome) -> None:
        """Report a failure: a red line, and a JSON line where those are written."""
        self.failed += 1
        output.say(f"failed: {failure.error}", style="red")
        if self.as_json:
            output.emit({"id": failure.id, "error": output.message(failure.error or "")})

    def report(self, failures: Sequence[Outcome]) -> None:
        """Report several failures."""
        for failure in failures:
            self.fail(failure)

    def finish(self, *, empty_is_fine: bool = False) -> None:
        """End the command with 1 if some items failed.

        Raises:
            InputError: there was not a single item.
        """
        if self.done + self.failed == 0 and not empty_is_fine:
            raise InputError("no pictures were found; give files, folders or tables with some")
        if self.failed:
            output.say(f"{self.failed} of {self.done + self.failed} items failed", style="red")
            raise typer.Exit(1)


class Silent(Tally):
    """Counts nothing and reports nothing, where the same pictures are read again."""

    def __init__(self) -> None:
        super().__init__(as_json=False)

    def fail(self, failure: Outcome) -> None:
        """Ignore a failure that was reported before."""
