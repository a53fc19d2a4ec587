"""JSON: the one parser of what comes from outside, and numbers as they are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - JSON is of any type
    """Return what a JSON text holds.

    Raises:
        ValueError: it is no JSON, or nested too deeply, which Python itself reports as RecursionError.

    >>> parse_json('{"colour": "red"}')
    {'colour': 'red'}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
        ...
    ValueError: it is nested too deeply
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its floats rounded to four places, also those of the rows that are listed in it.

    >>> rounded({"score": 0.123456, "tags": [{"score": 0.99999}], "of": 3})
    {'score': 0.1235, 'tags': [{'score': 1.0}], 'of': 3}
    """
    return {name: _rounded(value) for name, value in row.items()}


def _rounded(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    if isinstance(value, Mapping):
        return rounded(value)
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value
