"""Conversions between texts and token ids that every family needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalens.core.errors import InputError


def plain_ids(tokenizer: Any, text: str) -> list[int]:
    """Return a text's ids without special tokens; empty for an empty text."""
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids if text else []
    return [int(each) for each in ids]


def decode_ids(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return the text of ids, without special tokens and surrounding whitespace."""
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True)
    return text.strip()


def check_fits(ids: list[int], max_positions: int, text: str) -> list[int]:
    """Return the ids if the model can read them and generate at least one token.

    Raises:
        InputError: there are too many.
    """
    if len(ids) >= max_positions:
        raise InputError(f"{text[:60]!r} has {len(ids)} tokens; the model reads fewer than {max_positions}")
    return ids


def end_token_ids(ids: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the end tokens of a generation config as a tuple.

    >>> end_token_ids(2), end_token_ids([2, 3]), end_token_ids(None)
    ((2,), (2, 3), ())
    """
    if ids is None:
        return ()
    return (ids,) if isinstance(ids, int) else tuple(ids)
