"""What stops a re-encoding before it begins: an unfinished one, or an old index that is still kept."""

from __future__ import annotations

from catalens.core.errors import CatalogueError


def check_unfinished(new: str, encoder_name: str, wanted: str, address: str) -> None:
    """Refuse to continue an unfinished re-encoding with another encoder."""
    if encoder_name != wanted:
        raise CatalogueError(
            f"{new} is unfinished and of {encoder_name}, not {wanted}; finish it with --encoder of that one, "
            f"or delete it with: catalens index migrate {address} --drop"
        )


def still_kept(old: str, address: str) -> CatalogueError:
    """Return the error for an old index that was not dropped."""
    return CatalogueError(
        f"{old} is kept from an earlier re-encoding; delete it with: catalens index migrate {address} --drop"
    )
