"""Picture files that commands write: checked before the work, written whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli import output
from catalens.core.errors import InputError
from catalens.core.files import check_writable, save_image_atomically

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def save_picture(picture: Image, path: Path) -> None:
    """Write a picture in the format of its suffix, and tell.

    Raises:
        InputError: the suffix is not that of a picture, or the file cannot be written.
    """
    check_picture_file(path)
    save_image_atomically(picture, path)
    output.say(f"written: {path}")


def check_picture_file(path: Path | None) -> None:
    """Refuse a file that no picture can be written to, before the work begins."""
    if path is None:
        return
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"{path} cannot be written: give a name that ends in {', '.join(PICTURE_SUFFIXES)}")
    check_writable(path)
