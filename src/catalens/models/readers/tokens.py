"""Small steps between texts and token ids that every family takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalens.core.errors import InputError

Any = Any
"""An object of torch or transformers whose own types are partial."""


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Return a text's ids without marks of begin and end; empty for no text."""
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids if text else []
    return [int(each) for each in ids]


def decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return the text of ids, without special tokens and without spaces around it."""
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True)
    return text.strip()


def fitting(ids: list[int], most: int, text: str) -> list[int]:
    """Return the ids, if the model can read them and write a token more.

    Raises:
        InputError: there are too many.
    """
    if len(ids) >= most:
        raise InputError(f"{text[:60]!r} has {len(ids)} tokens; the model reads fewer than {most}")
    return ids


def as_ends(ids: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the end tokens of a generation config as a tuple.

    >>> as_ends(2), as_ends([2, 3]), as_ends(None)
    ((2,), (2, 3), ())
    """
    if ids is None:
        return ()
    return (ids,) if isinstance(ids, int) else tuple(ids)
