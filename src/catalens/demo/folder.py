"""The folder that the demo leaves behind: which files there are its own, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.catalogue.sources import Source
    from catalens.catalogue.sources.items import Row

CATALOGUE = "demo.catalens"
MARK = ".catalens-demo"
"""A file that says whose folder it is."""
_SHEETS = ("sheet.png", "photographs.png")
_MADE = {CATALOGUE, "products.csv", "pictures", "report.html", *_SHEETS}
_ALWAYS_MADE = {CATALOGUE, "report.html", "sheet.png"}
_LOGS = ("-wal", "-shm")


def check_folder(out: Path) -> None:
    """Refuse a folder with files in it that no earlier demo made.

    Raises:
        InputError: names one of them.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file; give --out a folder that is new, empty, or an earlier demo's")
    names = {each.name for each in out.iterdir()}
    if not names or MARK in names or _ALWAYS_MADE <= names <= _MADE:
        return
    raise InputError(
        f"{out} holds files that no demo made, such as {min(names - _MADE, default=min(names))}; "
        "give --out a folder that is new, empty, or an earlier demo's"
    )


def begin_folder(out: Path) -> None:
    """Make the folder, mark it, and delete the catalogue of an earlier demo."""
    from catalens.catalogue.hnsw import delete_others

    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).write_text("`catalens demo` made this folder and writes over its own files in it.\n", encoding="utf-8")
    for ending in ("", *_LOGS):
        (out / f"{CATALOGUE}{ending}").unlink(missing_ok=True)
    delete_others(out / CATALOGUE, None)


def without_folder(source: Source, out: Path) -> Source:
    """Leave out of a folder of pictures what a demo put there: its own folder inside, or else its sheets."""
    if source.layout != "folder":
        return source
    own = out.resolve()
    inside = source.path.resolve() in own.parents

    def is_own(row: Row) -> bool:
        path = row.file / row.place
        folder = path.parent.resolve()
        return (folder == own and path.name in _SHEETS) or (inside and own in (folder, *folder.parents))

    def rows() -> Iterator[Row]:
        return (row for row in source.rows() if not is_own(row))

    return replace(source, rows=rows)
