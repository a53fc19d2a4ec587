"""The message for a query with another encoder than the index was filled by, and the remedy."""

from __future__ import annotations

from pathlib import Path


def refusal(filled_by: str, given: str, path: Path | str | None = None) -> str:
    """Return the message that refuses an encoder; for another revision of the same encoder, only re-encoding helps.

    Args:
        filled_by: encoder of the vectors in the index, such as "everyday@3".
        given: encoder of the query or of the new records.
        path: the index's file or address, if it has one.

    >>> refusal("everyday@3", "starter@4", Path("shop.catalens"))  # doctest: +NORMALIZE_WHITESPACE
    'shop.catalens was filled by everyday@3 and cannot be searched or extended with starter@4; use that encoder
    with --model everyday, or re-encode it with: catalens index reencode shop.catalens --model starter'
    """
    theirs, ours = model_of(filled_by), model_of(given)
    stay = "" if theirs == ours else f"use that encoder with --model {theirs}, or "
    return (
        f"{path or 'the catalogue'} was filled by {filled_by} and cannot be searched or extended with {given}; "
        f"{stay}{way_out(given, path)}"
    )


def way_out(given: str, path: Path | str | None = None) -> str:
    """Name the command that brings an index to an encoder."""
    return f"re-encode it with: catalens index reencode {path or 'CATALOGUE'} --model {model_of(given)}"


def model_of(encoder_name: str) -> str:
    """Return an encoder's name without its revision.

    >>> model_of("everyday@3"), model_of("fake-16")
    ('everyday', 'fake-16')
    """
    return encoder_name.rpartition("@")[0] or encoder_name
