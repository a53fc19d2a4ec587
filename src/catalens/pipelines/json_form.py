"""Lines of a JSON lines file kept as they are written, but for the values that are new."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def whole_line(row: Mapping[str, Any]) -> str:
    """Return a row as a line of its own."""
    return f"{json.dumps(row, ensure_ascii=False)}\n"


def edited_line(line: str, before: Mapping[str, Any], row: Mapping[str, Any], keys: Sequence[str]) -> str:
    r"""Return a line with new values; where they are all of new names, the rest of it stays letter for letter.

    Args:
        line: as written, with its end.
        before: its values.
        row: its values now.
        keys: names of values that stay as they are.

    >>> edited_line('{"n": 1.10}', {"n": 1.1}, {"n": 1.1, "caption": "a cup"}, ())
    '{"n": 1.10, "caption": "a cup"}\n'
    """
    changed = {name: value for name, value in row.items() if name not in keys and before.get(name) != value}
    if not changed:
        return line if line.endswith("\n") else f"{line}\n"
    body = line.rstrip()
    end = line[len(body) :] or "\n"
    if before.keys() & changed.keys() or not body.endswith("}"):
        return json.dumps({**before, **changed}, ensure_ascii=False) + end
    inner = body[:-1].rstrip()
    comma = "" if inner.endswith("{") else ", "
    return f"{inner}{comma}{json.dumps(changed, ensure_ascii=False)[1:]}{end}"
