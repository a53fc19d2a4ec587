"""A shipped writer without a model: repeats the facts of an instruction, for tests and dry runs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from catalens.core.errors import AnswerError


class FakeWriter:
    """Writes one sentence for every line of JSON with a fact, and ignores other lines."""

    name = "fake"

    def write(self, system: str, instruction: str, *, max_tokens: int = 400) -> str:  # noqa: ARG002
        """Return "The NAME is VALUE." for each fact.

        Raises:
            AnswerError: the text would have more words than `max_tokens`, or there is no fact.
        """
        text = " ".join(f"The {name.replace('_', ' ')} is {value}." for name, value in _facts(instruction))
        if not text:
            raise AnswerError("fake found no facts in the instruction: put one JSON object on each line")
        if len(text.split()) > max_tokens:
            raise AnswerError(f"fake was cut off after {max_tokens} tokens: allow more")
        return text

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


def _facts(instruction: str) -> Iterator[tuple[str, str]]:
    for line in instruction.splitlines():
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if isinstance(read, dict) and {"fact", "value"} <= read.keys():
            yield str(read["fact"]), str(read["value"])
