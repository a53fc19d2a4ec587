"""Keep text in a CSV or TSV cell from being run as a formula by a spreadsheet program.

Source:
    OWASP, "CSV Injection": a cell that starts with = + - @, a tab or a carriage return; an apostrophe before it makes
    it text. docs/decisions/041 has what we decided.
"""

from __future__ import annotations

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_GUARD = "'"


def guard_formula(text: str) -> str:
    """Return the text with an apostrophe before it if a spreadsheet might run it; numbers stay as they are.

    >>> [guard_formula(text) for text in ("=1+1", "-12.5", "- a list", "a=b", "")]
    ["'=1+1", '-12.5', "'- a list", 'a=b', '']
    """
    return _GUARD + text if text.startswith(_STARTS) and not _is_number(text) else text


def unguard_formula(text: str) -> str:
    """Return the text that `guard_formula` was given.

    >>> [unguard_formula(text) for text in ("'=1+1", "-12.5", "'tis a list")]
    ['=1+1', '-12.5', "'tis a list"]
    """
    bare = text.removeprefix(_GUARD)
    return bare if bare != text and guard_formula(bare) == text else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
