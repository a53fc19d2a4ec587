"""What is said where an encoder is not the one that filled an index, and the way out."""

from __future__ import annotations

from pathlib import Path


def refusal(filled_by: str, given: str, path: Path | None = None) -> str:
    """Return the sentence that refuses an encoder; of another revision of the same one, only encoding again helps.

    Args:
        filled_by: the encoder whose vectors an index holds, such as "everyday@3".
        given: the encoder that was to search or extend it.
        path: of the index's file, where it has one.

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


def way_out(given: str, path: Path | None = None) -> str:
    """Name the command that brings an index to an encoder."""
    return f"re-encode it with: catalens index reencode {path or 'CATALOGUE'} --model {model_of(given)}"


def model_of(encoder_name: str) -> str:
    """Return an encoder's name without its revision.

    >>> model_of("everyday@3"), model_of("fake-16")
    ('everyday', 'fake-16')
    """
    return encoder_name.rpartition("@")[0] or encoder_name
