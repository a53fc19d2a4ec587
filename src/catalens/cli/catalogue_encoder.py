"""The encoder of a catalogue that is there already: the one that filled it, unless the user says another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli.options import encoder_for, settings
from catalens.cli.worlds import by_picture
from catalens.core.errors import CatalogueError

if TYPE_CHECKING:
    from catalens.core.protocols import Encoder


def encoder_of(catalogue: Path, model: str | None) -> Encoder:
    """Load the encoder that was named, or the environment's; else the one that filled the catalogue, if it is here.

    Nothing is fetched because a catalogue says so. Where its encoder is not on this machine, where only another
    revision of it is, and where there is no catalogue yet, whoever opens it with what is given here finds out.
    """
    return encoder_for((_filled_by(catalogue) if by_picture(model) else None) or model)


def _filled_by(catalogue: Path) -> str | None:
    """Return the name that loads a catalogue's encoder; None where nobody knows."""
    from catalens.catalogue.index import EmbeddedIndex
    from catalens.models.registry import name_here

    try:
        with EmbeddedIndex.open(catalogue, read_only=True) as index:
            return name_here(index.encoder_name, cache=settings().cache)
    except CatalogueError:
        return None
