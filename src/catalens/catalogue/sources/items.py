"""Items of a source, and the one loop that turns rows into items or outcomes.

A layout defines only three things: how to read its rows, the id of a row, and how to
build an item. Bad rows, repeated ids and undecodable text are dealt with here, once.
"""

from __future__ import annotations

import datetime
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path, PureWindowsPath

from catalens.core.confinement import check_allowed
from catalens.core.errors import InputError
from catalens.core.folders import Missed, path_of_address
from catalens.core.images import Source as ImageSource
from catalens.core.types import FieldValue, Outcome


@dataclass(frozen=True, slots=True)
class Item:
    """One image to index, with its fields.

    Attributes:
        id: unique in its source; never empty.
        picture: a file or its bytes, not decoded yet; or what returns them when it is called in a decoding thread; or
            an image or array that a program holds.
        source: where the picture is, as text: a path, or `file.parquet#column[row]`.
        fields: title, colour, price …
    """

    id: str
    picture: ImageSource | Callable[[], bytes]
    source: str
    fields: Mapping[str, FieldValue] = field(default_factory=dict)


Entry = Item | Outcome
"""What a source yields: an item, or why there is none (with an empty id where none could be read)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it lies in the file, before anything is made of it.

    Attributes:
        file: the table it lies in; relative paths start from its folder.
        place: where in the file, as a person would look for it: `line 17`.
        number: counted from 0 in its file.
        values: cells by column name.
        error: why the row cannot be used, or None.
        part: which of several pictures in the row's cell this is, counted from 0.
    """

    file: Path
    place: str
    number: int
    values: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None
    part: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """A catalogue on disk; iterating reads it lazily, from the start, in a stable order.

    Attributes:
        path: the folder or the table, absolute.
        layout: one of `LAYOUTS`.
        rows: reads the rows.
        identify: the id of a row; empty if it has none.
        build: an item from a row and its id; raises InputError for a bad row.
        total: number of rows, where the file itself says it.
        id_prefix: put before every id, so that it differs from those of other sources.
        missed: what the last iteration did not look into.
    """

    path: Path
    layout: str
    rows: Callable[[], Iterator[Row]]
    identify: Callable[[Row], str]
    build: Callable[[Row, str], Item]
    total: int | None = None
    id_prefix: str = ""
    missed: Missed = field(default_factory=Missed)

    def __iter__(self) -> Iterator[Entry]:
        """Return one entry per row: an item, or an outcome that names file and line."""
        self.missed.clear()
        first_seen: dict[str, str] = {}
        for row in self.rows():
            id = "" if row.error else self.identify(row)
            try:
                yield self._item(row, id, first_seen)
            except InputError as error:
                yield Outcome(
                    _readable(id and self.id_prefix + id), _readable(f"{row.file.name}, {row.place}: {error}")
                )

    def _item(self, row: Row, id: str, first_seen: dict[str, str]) -> Item:
        if row.error:
            raise InputError(row.error)
        if not id:
            raise InputError("the row has no id")
        if id in first_seen:
            raise InputError(f"the id {id!r} was used before, in {first_seen[id]}; ids must be unique")
        first_seen[id] = f"{row.file.name}, {row.place}"
        item = self.build(row, id)
        if self.id_prefix:
            item = replace(item, id=self.id_prefix + item.id)
        _check_text(item)
        return item


def _check_text(item: Item) -> None:
    """Refuse what no database and no JSON could hold: text with bytes that were never decoded."""
    texts = [item.id, item.source, *item.fields, *(value for value in item.fields.values() if isinstance(value, str))]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{error.object[max(0, error.start - 20) : error.end]!a} is not readable text; "
            "save the table as UTF-8 or name its encoding, or rename the file"
        ) from error


def _readable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def local_file(text: str, folder: Path) -> Path:
    """Find the picture that a table names.

    Args:
        text: a path, absolute or relative to `folder`; backslashes are understood.
        folder: the table's own folder.

    Raises:
        InputError: an address, nothing of that name, or not a plain file.
    """
    if path_there := path_of_address(text):
        raise InputError(f"the picture is at the address {text[:80]!r}: give its path, {path_there[:80]!r}")
    if "://" in text:
        raise InputError(
            f"the picture is at the address {text[:80]!r}: pictures are not fetched; "
            "download them and give paths relative to the table, or put their bytes into a parquet column, "
            "or as data: addresses into JSON lines"
        )
    path = folder / text
    check_allowed(path)
    if "\\" in text and not os.path.exists(path):  # noqa: PTH110 - never raises
        path = folder / PureWindowsPath(text).as_posix()
    return plain_file(path)


def plain_file(path: Path) -> Path:
    """Return the path back if a plain file is there.

    Raises:
        InputError: nothing there, a folder, a pipe, or a name that no file can have.
    """
    check_allowed(path)
    if not os.path.isfile(path):  # noqa: PTH113 - unlike Path.is_file it never raises, whatever the name
        if os.path.isdir(path) and not os.access(path, os.R_OK | os.X_OK):  # noqa: PTH112 - never raises
            raise InputError(f"{path} is a folder that cannot be listed: permission denied; change its permissions")
        if os.path.isdir(path.parent) and not os.access(path.parent, os.X_OK):  # noqa: PTH112 - never raises
            raise InputError(
                f"{path.parent} is a folder that cannot be entered: permission denied; change its permissions"
            )
        if os.path.exists(path):  # noqa: PTH110 - never raises
            raise InputError(f"{path} is a folder, pipe or device; a picture is a plain file")
        raise InputError(f"there is no picture file {path}")
    return path


def flat_fields(values: Mapping[str, object]) -> dict[str, FieldValue]:
    """Make fields of cells: maps are spread out, lists of words joined, empty cells dropped.

    The entries of a map keep their own names unless a column has that name. Bytes and lists of
    numbers (vectors) are not fields and are left out.

    >>> flat_fields({"title": "Tee", "attributes": {"Neck": "Round"}, "tags": ["a", "b"], "price": None})
    {'title': 'Tee', 'Neck': 'Round', 'tags': 'a; b'}
    """
    fields: dict[str, FieldValue] = {}
    for name, value in values.items():
        pairs = _as_mapping(value)
        if pairs is None:
            _put(fields, name.strip(), value)
            continue
        for key, inner in flat_fields(pairs).items():
            _put(fields, f"{name}.{key}" if key in values or key in fields else key, inner)
    return fields


def _as_mapping(value: object) -> Mapping[str, object] | None:
    """Return a struct or a map (which arrow hands over as a list of pairs) as one mapping."""
    if isinstance(value, Mapping):
        return {str(key): inner for key, inner in value.items()}
    if isinstance(value, list) and value and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        return {str(key): inner for key, inner in value}
    return None


def _put(fields: dict[str, FieldValue], name: str, value: object) -> None:
    known = _as_field(value)
    if name and known is not None and known != "":
        fields[name] = known


def _as_field(value: object) -> FieldValue | None:
    match value:
        case str():
            return value.strip()
        case bool():
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else str(value)
        case float() | Decimal():
            return float(value) if math.isfinite(value) else None
        case datetime.date() | datetime.time():
            return value.isoformat()
        case list():
            return joined(value)
        case _:
            return None


def joined(values: Sequence[object]) -> str:
    """Join the words among some values.

    >>> joined(["red", " ", "blue", None])
    'red; blue'
    """
    return "; ".join(value.strip() for value in values if isinstance(value, str) and value.strip())
