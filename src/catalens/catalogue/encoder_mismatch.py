"""The message for a query with another encoder than the index was filled by, and the remedy."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from catalens.core.errors import CatalogueError


def check_encoder(path: Path | str, *, filled_by: str, width: int, encoder_name: str | None, dim: int | None) -> None:
    """Refuse an encoder or a width that is not the index's; None is not checked.

    Args:
        path: the index's file or address.
        filled_by: encoder of the vectors in the index.
        width: of those vectors.
        encoder_name: the caller's encoder.
        dim: its width.

    Raises:
        CatalogueError: names both, and the command that re-encodes.
    """
    if encoder_name is not None and encoder_name != filled_by:
        raise CatalogueError(refusal(filled_by, encoder_name, path))
    if dim not in (None, width):
        raise CatalogueError(
            f"{path} holds vectors {width} wide and {filled_by} is {dim} wide now; {way_out(filled_by, path)}"
        )


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
    """Name the command that brings an index to an encoder; one on a server is replaced by a new one.

    >>> way_out("everyday@3", "postgresql:///shop?table=old")
    "re-encode it with: catalens index migrate 'postgresql:///shop?table=old' --encoder everyday"
    """
    if "://" in str(path):
        return f"re-encode it with: catalens index migrate {quote(str(path))} --encoder {model_of(given)}"
    return f"re-encode it with: catalens index reencode {path or 'CATALOGUE'} --model {model_of(given)}"


def model_of(encoder_name: str) -> str:
    """Return an encoder's name without its revision.

    >>> model_of("everyday@3"), model_of("fake-16")
    ('everyday', 'fake-16')
    """
    return encoder_name.rpartition("@")[0] or encoder_name
