"""Tables of pictures (CSV, TSV, JSON lines, parquet): which column is what, and items out of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, islice
from pathlib import Path

from catalens.catalogue.sources.arrow import open_parquet, parquet_rows, picture_columns
from catalens.catalogue.sources.cells import cell_address, each_picture, held_picture, is_data_address
from catalens.catalogue.sources.items import Item, Row, Source, flat_fields, local_file
from catalens.catalogue.sources.json_text import json_rows
from catalens.catalogue.sources.numbers import Notation, number_columns, typed
from catalens.catalogue.sources.text import csv_header, csv_rows
from catalens.core.columns import matching_column
from catalens.core.errors import InputError

IMAGE_COLUMNS = (
    "image", "picture", "photo", "img",
    "image_path", "picture_path", "photo_path", "img_path", "image_file", "image_name",
    "file_name", "file_path", "path", "file",
    "image_url", "url", "images", "pictures", "photos", "image_paths", "image_urls",
    "image_src", "img_src", "image_link",
)  # fmt: skip
"""Names under which a picture's column is found, best first; case, spaces and underscores do not matter."""

ID_COLUMNS = ("id", "sku", "item_id", "product_id", "article_id", "asin", "uid", "uuid")
"""Names under which an id's column is found, best first."""

_PEEKED_ROWS = 100
_MOST_LISTED = 40


@dataclass(frozen=True, slots=True)
class Columns:
    """Roles of the columns of a table.

    Attributes:
        image: holds a path, bytes, a `data:` address, or a struct of `bytes` and `path`.
        id: holds the id; None where ids come from paths or row numbers.
        numbers: returns the columns of text cells that hold numbers, and how they write them.
    """

    image: str
    id: str | None
    numbers: Callable[[], Mapping[str, Notation]] = dict

    def identify(self, row: Row) -> str:
        """Return the id's cell, or the picture's relative path, or file and row number."""
        later = f"#{row.part + 1}" if row.part else ""
        if self.id is not None:
            value = row.values.get(self.id)
            known = "" if value is None else str(value).strip()
            return known and known + later
        path = row.values.get(self.image)
        if isinstance(path, str) and not is_data_address(path):
            return path.strip().replace("\\", "/").removeprefix("./")
        return f"{row.file.stem}[{row.number}]{later}"

    def build(self, row: Row, id: str) -> Item:
        """Make the item: every other column becomes fields."""
        rest = {name: value for name, value in row.values.items() if name not in (self.image, self.id)}
        rest = typed(rest, self.numbers())
        picture = self._picture(row)
        source = str(picture) if isinstance(picture, Path) else cell_address(row, self.image)
        return Item(id, picture, source, flat_fields(rest))

    def _picture(self, row: Row) -> Path | bytes:
        value = row.values.get(self.image)
        if (picture := held_picture(value)) is not None:
            return picture
        if isinstance(value, Mapping):
            value = value.get("path")
        match value:
            case str() if value.strip():
                return local_file(value.strip(), row.file.parent)
            case None | b"" | str():
                raise InputError(f"nothing in the picture's column {self.image!r}")
            case _:
                raise InputError(
                    f"column {self.image!r} holds {value!r:.40}; a path, bytes or a data: address are needed"
                )


def csv_source(path: Path, *, image: str | None, id: str | None, encoding: str | None) -> Source:
    """Read pictures named in a CSV or TSV file; see `open_source` for the arguments."""
    header, _ = csv_header(path, encoding)
    columns = choose_columns(path, header, image=image, id=id)
    fields = [name for name in header if name not in (columns.image, columns.id)]
    columns = replace(columns, numbers=cache(lambda: number_columns(csv_rows(path, encoding), fields)))

    def rows() -> Iterator[Row]:
        return each_picture(csv_rows(path, encoding), columns.image)

    return Source(path, "csv", rows, columns.identify, columns.build)


def json_source(path: Path, *, image: str | None, id: str | None, encoding: str | None) -> Source:
    """Read pictures named in JSON lines or an array; the columns are found in the first hundred rows."""
    first = list(islice(json_rows(path, encoding), _PEEKED_ROWS))
    if all(row.error for row in first):
        raise InputError(f"{path} has no readable line" + (f"; {first[0].place}: {first[0].error}" if first else ""))
    columns = choose_columns(
        path, list(dict.fromkeys(chain.from_iterable(row.values for row in first))), image=image, id=id
    )

    def rows() -> Iterator[Row]:
        return each_picture(json_rows(path, encoding), columns.image)

    return Source(path, "jsonl", rows, columns.identify, columns.build)


def parquet_source(path: Path, files: Sequence[Path], *, image: str | None, id: str | None) -> Source:
    """Read pictures in, or named in, parquet files that have the same columns."""
    if not files:
        raise InputError(f"{path} holds no .parquet file")
    tables = [open_parquet(file) for file in files]
    schema = tables[0].schema_arrow
    for file, table in zip(files, tables, strict=True):
        if table.schema_arrow.names != schema.names:
            raise InputError(f"{file} and {files[0]} have different columns; open them one by one")
    columns = choose_columns(path, schema.names, image=image, id=id, holding_bytes=picture_columns(schema))

    def rows() -> Iterator[Row]:
        return each_picture(chain.from_iterable(map(parquet_rows, files)), columns.image)

    total = sum(table.metadata.num_rows for table in tables)
    return Source(path, "parquet", rows, columns.identify, columns.build, total)


def choose_columns(
    path: Path,
    names: Sequence[str],
    *,
    image: str | None,
    id: str | None,
    holding_bytes: Sequence[str] = (),
) -> Columns:
    """Choose the columns of picture and id, by name and by what they hold.

    Raises:
        InputError: a given column is not there, or none is known to hold pictures.
    """
    for given in (image, id):
        if given is not None and given not in names:
            raise InputError(f"{path} has no column {given!r}; it has {_listed(names)}")
    image = image or matching_column(IMAGE_COLUMNS, holding_bytes) or matching_column(IMAGE_COLUMNS, names)
    if image is None and len(holding_bytes) == 1:
        image = holding_bytes[0]
    if image is None:
        raise InputError(
            f"no column of {path} is known to hold pictures; it has {_listed(names)}. "
            f"Name the column, or call it one of {_listed(IMAGE_COLUMNS)}"
        )
    return Columns(image, id or matching_column(ID_COLUMNS, names))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return (", ".join(repr(name) for name in names[:_MOST_LISTED]) or "no columns") + more
