"""A folder of pictures: the id is the path inside it, the fields are the name and the sub-folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from catalens.catalogue.sources.items import Item, Row, Source, plain_file
from catalens.core.folders import Missed, find_images
from catalens.core.types import FieldValue


def folder_source(folder: Path) -> Source:
    """Read every picture under a folder, by path; see `find_images` for what counts as one."""
    find_images(folder)  # says at once if the folder cannot be listed
    missed = Missed()

    def rows() -> Iterator[Row]:
        for number, path in enumerate(find_images(folder, missed=missed)):
            yield Row(folder, path.relative_to(folder).as_posix(), number, {"path": path})

    return Source(folder, "folder", rows, lambda row: row.place, _build, missed=missed)


def _build(row: Row, id: str) -> Item:
    path = plain_file(row.file / row.place)
    fields: dict[str, FieldValue] = {"name": path.stem}
    if path.parent != row.file:
        fields["folder"] = path.parent.relative_to(row.file).as_posix()
    return Item(id, path, str(path), fields)
