"""The one parser of JSON that comes from outside."""

from __future__ import annotations

import json
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
