"""Hits of a search as a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence

from PIL.Image import Image

from catalens.catalogue.display import picture_of, title_of
from catalens.core.types import Hit
from catalens.render.contact_sheet import Cell, contact_sheet


def hit_cells(hits: Sequence[Hit], query: str = "") -> list[Cell]:
    """Return hits as cells of a sheet, each under its query if there is one."""
    before = f"{query}: " if query else ""
    return [Cell(picture_of(hit.record), f"{before}{title_of(hit.record)}", hit.score) for hit in hits]


def hit_sheet(hits: Sequence[Hit], title: str) -> Image:
    """Return the pictures, titles and scores of hits, best first.

    Raises:
        InputError: there are more hits than fit a sheet.
    """
    return contact_sheet(hit_cells(hits), title=title)
