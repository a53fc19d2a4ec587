"""Rows of JSON files: one object per line, or an array of objects; also from .gz."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from catalens.catalogue.sources.items import Row
from catalens.catalogue.sources.lines import BROKEN_FILE, MAX_LINE, LongLine, read_lines
from catalens.core.json_text import parse_json

_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")
_TOO_LONG = f"longer than {MAX_LINE >> 20} million characters; write the file as JSON lines"


def json_rows(path: Path, encoding: str | None = None) -> Iterator[Row]:
    """Read JSON lines, or one array of objects; anything but an object is a `Row` with an error.

    A file whose first character is `[` holds an array, whose items are read one by one.
    """
    line_number = number = 0
    lines = read_lines(path, encoding)
    try:
        for line_number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            if number == 0 and line.lstrip().startswith("[") and not isinstance(line, LongLine):
                yield from _array_rows(path, chain([line.lstrip()[1:]], lines))
                return
            yield _row_of_line(path, f"line {line_number}", number, line)
            number += 1
    except (*BROKEN_FILE, UnicodeError) as broken:
        yield Row(path, f"line {line_number + 1}", number, error=f"the rest of the file cannot be read: {broken}")


def _row_of_line(path: Path, place: str, number: int, line: str) -> Row:
    if isinstance(line, LongLine):
        return Row(path, place, number, error=f"the line is {_TOO_LONG}")
    try:
        return _row(path, place, number, parse_json(line))
    except ValueError as error:
        return Row(path, place, number, error=f"not JSON: {error}")


def _array_rows(path: Path, lines: Iterator[str]) -> Iterator[Row]:
    """Read the items of an array whose opening bracket was taken off."""
    text, at, number = "", 0, 0
    while True:
        at = _gap_end(text, at)
        if text[at : at + 1] == "]":
            return
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as broken:
            # Perhaps the item goes on in the next lines; twice as much each time, so the work stays linear.
            more = _longer(text[at:], lines)
            if more is None:
                reason = f"not JSON ({broken}), so the rest of the array was not read"
                yield Row(path, f"item {number + 1}", number, error=reason)
                return
            text, at = more, 0
            continue
        yield _row(path, f"item {number + 1}", number, value)
        number += 1


def _gap_end(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at


def _longer(text: str, lines: Iterator[str]) -> str | None:
    """Return the text with as many characters again from the next lines; None where there is no more to read."""
    parts, length = [text], len(text)
    for line in lines:
        if isinstance(line, LongLine):
            return None
        parts.append(line)
        length += len(line)
        if length > 2 * len(text):
            break
    return "".join(parts) if len(parts) > 1 and length <= 2 * MAX_LINE else None


def _row(path: Path, place: str, number: int, values: object) -> Row:
    if isinstance(values, dict):
        return Row(path, place, number, values)
    return Row(path, place, number, error=f'a JSON object is needed, like {{"file_name": …}}, not {values!r:.40}')
