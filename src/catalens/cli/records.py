"""How a record is shown: its title, its fields, its picture, and the picture file that a sheet of them makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli import output
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.core.types import Record

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
_TITLES = ("title", "productdisplayname", "product_name", "item_name", "name")


def title_of(record: Record) -> str:
    """Give what a person would call a record: a field that is a title by its name, else the id."""
    named = {name.lower(): str(value) for name, value in record.fields.items()}
    return next((named[name] for name in _TITLES if name in named), record.id)


def picture_of(record: Record) -> Path | bytes:
    """Find the picture of a record; one that is gone gives its path, which whoever reads it reports."""
    from catalens.catalogue.sources import read_picture

    try:
        return read_picture(record.source)
    except InputError:
        return Path(record.source)


def fields_line(record: Record) -> str:
    """Give the fields of a record as one line."""
    return ", ".join(f"{name}: {value}" for name, value in record.fields.items())


def save_picture(picture: Image, path: Path) -> None:
    """Write a picture in the format that its name ends in, and say so.

    Raises:
        InputError: the name ends in none of them.
    """
    check_picture_name(path)
    picture.save(path)
    output.say(f"written: {path}")


def check_picture_name(path: Path | None) -> None:
    """Refuse a name that no picture can be written to, before the work begins."""
    if path is not None and path.suffix.lower() not in PICTURE_ENDINGS:
        raise InputError(f"{path} cannot be written: give a name that ends in {', '.join(PICTURE_ENDINGS)}")
