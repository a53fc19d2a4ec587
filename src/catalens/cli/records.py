"""How a record is shown: its title, its fields, its picture, and the picture file that a sheet of them makes."""

from __future__ import annotations

import os
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
    """Return what a person would call a record: a field that is a title by its name, else the id."""
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
    """Return the fields of a record as one line."""
    return ", ".join(f"{name}: {value}" for name, value in record.fields.items())


def save_picture(picture: Image, path: Path) -> None:
    """Write a picture in the format that its name ends in, and say so.

    Raises:
        InputError: the name ends in none of them, or the file cannot be written.
    """
    check_picture_file(path)
    picture.save(path)
    output.say(f"written: {path}")


def check_picture_file(path: Path | None) -> None:
    """Refuse a file that no picture can be written to, before the work begins."""
    if path is None:
        return
    if path.suffix.lower() not in PICTURE_ENDINGS:
        raise InputError(f"{path} cannot be written: give a name that ends in {', '.join(PICTURE_ENDINGS)}")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work begins.

    Raises:
        InputError: there is no such folder, it takes no files, or there is something else by that name.
    """
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}, so no {path}; make it, or name another")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} cannot be written: it is no file; give the name of one")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: there is no permission; name another file or folder")
