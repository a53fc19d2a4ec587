"""Text from strangers as it may be written to a terminal or a log."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0 but for tabs and line ends, DEL, C1, what turns the direction of text around, and bytes that are not text."""


def printable(text: str) -> str:
    r"""Escape control characters, so that text from strangers cannot drive a terminal.

    >>> printable("red\x1b[31m \x9b1m ok")
    'red\\u001b[31m \\u009b1m ok'
    """
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
