"""How a record is shown to people: its title, its fields on one line, its picture."""

from __future__ import annotations

from pathlib import Path

from catalens.catalogue.sources import read_picture
from catalens.core.errors import InputError
from catalens.core.types import Record

_TITLES = ("title", "productdisplayname", "product_name", "item_name", "name")


def title_of(record: Record) -> str:
    """Return the title of a record: a field that is one by its name, else the id."""
    named = {name.lower(): str(value) for name, value in record.fields.items()}
    return next((named[name] for name in _TITLES if name in named), record.id)


def fields_line(record: Record) -> str:
    """Return the fields of a record as one line."""
    return ", ".join(f"{name}: {value}" for name, value in record.fields.items())


def picture_of(record: Record) -> Path | bytes:
    """Return the picture of a record; one that is gone returns its path, and reading that says so."""
    try:
        return read_picture(record.source)
    except InputError:
        return Path(record.source)
