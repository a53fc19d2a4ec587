"""From a path to a source: the layout is detected from the files."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from catalens.catalogue.sources.berkeley import berkeley_source, is_berkeley
from catalens.catalogue.sources.folder import folder_source
from catalens.catalogue.sources.formats import SUFFIXES, is_table, table_kind
from catalens.catalogue.sources.items import Source
from catalens.catalogue.sources.kaggle import is_kaggle, kaggle_source
from catalens.catalogue.sources.table import csv_source, json_source, parquet_source
from catalens.core.confinement import check_allowed
from catalens.core.errors import InputError
from catalens.core.folders import find_images

Layout = Literal["folder", "csv", "jsonl", "parquet", "kaggle", "berkeley"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
"""Every layout that can be read; TSV is `csv` (the delimiter is found)."""

_METADATA = ("metadata.jsonl", "metadata.csv")


def open_source(
    path: str | Path,
    *,
    layout: Layout | None = None,
    image_column: str | None = None,
    id_column: str | None = None,
    encoding: str | None = None,
    languages: Sequence[str] = ("en",),
    id_prefix: str = "",
) -> Source:
    """Open a catalogue on disk: a folder of pictures, a table, or a known data set's folder.

    Iterating the source gives one `Item` or `Outcome` per row; pictures are not decoded, and none
    are fetched from addresses. Ids come from a column, else from the picture's relative path, else
    from file and row number.

    Args:
        path: a folder; a .csv, .tsv, .jsonl (also .gz) or .parquet file; a folder with parquet files,
            with `metadata.csv` or `metadata.jsonl` beside its pictures, or with the layout of Kaggle's
            Fashion Product Images or of Amazon Berkeley Objects.
        layout: one of `LAYOUTS`; None finds it out.
        image_column: table column with a path, bytes or a `data:` URI; None looks for a usual name.
        id_column: table column with unique ids; None looks for a usual name.
        encoding: of a text table; None finds it out, line by line.
        languages: for texts in several languages, best first.
        id_prefix: put before every id, so that sources with the same ids can share a catalogue.

    Raises:
        InputError: nothing there, unknown, empty, or without a column that holds pictures.
    """
    full = Path(path).expanduser().absolute()
    chosen, full = (layout, full) if layout and os.path.exists(full) else _recognise(full)  # noqa: PTH110 - never raises
    check_allowed(full)
    _check_fits(chosen, image_column or id_column, encoding)
    if chosen in ("csv", "jsonl") and full.is_dir():
        raise InputError(f"{full} is a folder, and the layout {chosen!r} is of a file; give the file, or no layout")
    match chosen:
        case "folder":
            source = folder_source(full)
        case "kaggle":
            source = kaggle_source(full)
        case "berkeley":
            source = berkeley_source(full, languages=languages)
        case "parquet":
            source = parquet_source(full, _parquet_files(full), image=image_column, id=id_column)
        case "jsonl":
            source = json_source(full, image=image_column, id=id_column, encoding=encoding)
        case "csv":
            source = csv_source(full, image=image_column, id=id_column, encoding=encoding)
    return replace(source, id_prefix=id_prefix)


def _recognise(path: Path) -> tuple[Layout, Path]:
    """Detect the layout, and the path it starts from."""
    if os.path.isdir(path):  # noqa: PTH112 - as above
        find_images(path)  # says at once if the folder cannot be listed
        return _recognise_folder(path)
    if not os.path.exists(path):  # noqa: PTH110 - as above
        raise InputError(f"{path}: no such file or folder; give a folder of pictures or a table of them")
    if path.name == "styles.csv" and is_kaggle(path.parent):
        return "kaggle", path.parent
    if not is_table(path):
        raise InputError(f"{path} is not a table that can be read; accepted are {', '.join(SUFFIXES)}, or a folder")
    return table_kind(path), path


def _recognise_folder(path: Path) -> tuple[Layout, Path]:
    if is_kaggle(path):
        return "kaggle", path
    if is_berkeley(path):
        return "berkeley", path
    for name in _METADATA:
        if os.path.isfile(path / name):  # noqa: PTH113 - never raises
            return table_kind(path / name), path / name
    return ("parquet" if _parquet_files(path) else "folder"), path


def _parquet_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.glob("*.parquet"))


def _check_fits(layout: Layout, column: str | None, encoding: str | None) -> None:
    """Refuse an unknown layout, and an option that the layout would ignore."""
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}; known are {', '.join(LAYOUTS)}")
    if column and layout not in ("csv", "jsonl", "parquet"):
        raise InputError(f"a column ({column!r}) can be named for a table only; this is read as {layout!r}")
    if encoding is None:
        return
    if layout not in ("csv", "jsonl"):
        raise InputError(f"an encoding ({encoding!r}) can be named for CSV and JSON lines only, not for {layout!r}")
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise InputError(f"unknown encoding {encoding!r}; known are utf-8, utf-16, cp1252, shift_jis …") from error
