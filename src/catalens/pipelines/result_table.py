"""A table of results (CSV, TSV, JSON, parquet; text also in .gz), written whole at the end of a job.

A table that is there is kept as it is written, but for the values that are new: `csv_form` and `json_form` put them
into its own text. Pictures that it lacks are added; their path is written from the table's folder, so that the table
can be read as a source again.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from catalens.catalogue.sources.arrow import open_parquet
from catalens.catalogue.sources.cells import each_picture, row_at
from catalens.catalogue.sources.formats import SUFFIXES, is_compressed, table_kind, table_rows, table_suffix
from catalens.catalogue.sources.items import Row
from catalens.catalogue.sources.text import csv_header
from catalens.core.errors import InputError
from catalens.core.files import write_atomically
from catalens.core.json_text import parse_json
from catalens.core.spreadsheet import guard_formula, unguard_formula
from catalens.core.types import Record
from catalens.pipelines import csv_form, json_form
from catalens.pipelines.csv_form import CsvForm, Line
from catalens.pipelines.json_form import JsonForm
from catalens.pipelines.output import OutputRow
from catalens.pipelines.sidecars import IfExists, merged
from catalens.pipelines.stages import Values

if TYPE_CHECKING:
    import pyarrow as pa

_IDENTIFYING = ("image", "id")


class Table:
    """Rows of a file, one for each picture."""

    def __init__(
        self,
        path: Path,
        text: str,
        *,
        columns: Mapping[str, str],
        several: str | None = None,
        if_exists: IfExists = "skip",
    ) -> None:
        """Read the table if it is there.

        Args:
            path: ends in one of `SUFFIXES`; text also in .gz behind it.
            text: the name of the value that `if_exists` is about.
            columns: column → name of the value that it gets: "image" (the path), "id", "source", or a name among
                what the stages find. The image or the id must be among them: rows are told apart by these.
            several: the name of a list of texts whose first is `text`, and which may stand in its place; in CSV and
                TSV it is a JSON list, for a text may hold whatever would stand between two.
            if_exists: what to do with a picture whose row has a text already.

        Raises:
            InputError: an ending or columns that cannot be used, or a table there that cannot be read.
        """
        if table_suffix(path) not in SUFFIXES:
            raise InputError(f"{path} cannot be written as a table: give a name that ends in {', '.join(SUFFIXES)}")
        self._kind, self._is_array = table_kind(path), table_suffix(path) == ".json"
        self._identity = [column for column, value in columns.items() if value in _IDENTIFYING]
        self._keys = self._identity  # those that tell rows apart
        self._lists = [column for column, value in columns.items() if value == several]
        self._texts = [column for column, value in columns.items() if value == text] + self._lists
        if not self._keys or not self._texts:
            raise InputError(
                f"the columns {', '.join(columns)} do not do: there must be one for image or id, and one for {text}"
            )
        if self._kind == "parquet":
            _require_pyarrow()
        self._path, self._if_exists = path, if_exists
        self._joins = if_exists in ("append", "prepend")
        self._spoken: dict[int, str] = {}  # row → the picture whose result it has
        self._columns = dict(columns)
        self._folder = path.absolute().parent
        self._delimiter = "\t" if table_suffix(path) in (".tsv", ".tab") else ","
        self._form: CsvForm | None = None
        self._json: JsonForm | None = None
        self._arrow: pa.Schema | None = None
        self._original: list[Mapping[str, Any]] = []
        self._known = 0  # rows that the file has
        self._order: dict[str, None] = {}
        self._rows: list[dict[str, Any]] = []
        self._of: dict[object, list[dict[str, Any]]] = {}  # the rows of each picture, which several products may share
        if path.exists():
            self._read()
        self._order.update(dict.fromkeys(columns))

    def holds(self, record: Record) -> bool:
        """Return whether the picture's row has a text that is to stay."""
        rows = self._rows_of(record, self._key(self._row(record, {})))
        return self._if_exists == "skip" and bool(rows) and all(row.get(self._texts[0]) for row in rows)

    def write(self, results: Sequence[OutputRow]) -> None:
        """Take the rows of pictures; the file is written by `finish`.

        Raises:
            InputError: a name or a value is not readable text.
        """
        for result in results:
            self._take(result.record, result.values)

    def _take(self, record: Record, values: Values) -> None:
        row = self._row(record, values)
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise InputError("its name is not readable text, which no table can hold; rename the file") from error
        if self._form is not None:
            self._check_encoding(self._form, row)
        key = self._key(row)
        rows = self._rows_of(record, key)
        if not rows:
            self._add(row, [key])
        for old in rows:
            # Of several pictures of a row the first one speaks for it.
            if self._joins or self._spoken.setdefault(id(old), record.source) == record.source:
                self._merge(old, row)

    def _merge(self, old: dict[str, Any], row: Mapping[str, Any]) -> None:
        """Put a result into the row of its picture; without overwriting, what has a value keeps it."""
        new = {column: value for column, value in row.items() if column not in self._identity or not old.get(column)}
        if self._if_exists == "overwrite":
            old.update(new)
        elif not old.get(self._texts[0]):
            old.update({column: value for column, value in new.items() if not old.get(column)})
        elif self._joins:
            old.update(new | {column: self._joined(old.get(column), new[column]) for column in self._texts})

    def _rows_of(self, record: Record, key: object) -> list[dict[str, Any]]:
        """Return the rows of a picture: that in which it lies, or those that name it."""
        at = row_at(record.source, self._path)
        return self._rows[at : at + 1] if at is not None and at < self._known else self._of.get(key, [])

    def finish(self) -> None:
        """Write the whole table.

        Raises:
            InputError: parquet cannot hold a column of such different values.
            OSError: it cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write: Mapping[str, Callable[[BinaryIO], object]] = {
            "csv": lambda file: file.write(self._packed(self._csv_content())),
            "jsonl": lambda file: file.write(self._packed(self._json_content())),
            "parquet": self._write_parquet,
        }
        write_atomically(self._path, write[self._kind])

    def _packed(self, content: bytes) -> bytes:
        return gzip.compress(content, mtime=0) if is_compressed(self._path) else content

    def _joined(self, old: object, new: str | Sequence[str]) -> str | list[str]:
        if isinstance(new, str):
            return merged(str(old or ""), new, self._if_exists)
        return _merged_lists(_listed(old), list(new), self._if_exists)

    def _row(self, record: Record, values: Values) -> dict[str, Any]:
        known = {"id": record.id, "source": record.source, "image": self._from_here(record.source), **values}
        found = {column: known.get(name) for column, name in self._columns.items()}
        return {column: value.tolist() if isinstance(value, np.ndarray) else value for column, value in found.items()}

    def _from_here(self, source: str) -> str:
        """Return the picture's path from the table's folder; an address of another kind as it is."""
        if not os.path.exists(source):  # noqa: PTH110 - never raises, whatever the source says
            return source
        try:
            path = Path(os.path.relpath(source, self._folder)).as_posix()
            return path if guard_formula(path) == path else f"./{path}"  # stays a path that can be read back
        except ValueError:  # another drive
            return source

    def _key(self, row: Mapping[str, Any]) -> object:
        return tuple(self._plain(column, row.get(column)) for column in self._keys)

    def _plain(self, column: str, value: object) -> str:
        """Return an id or a path without what may be written in two ways."""
        text = "" if value is None else str(value).strip()
        if not text or self._columns[column] != "image":
            return os.path.normpath(text.replace("\\", "/")) if text else ""
        return os.path.normpath(os.path.join(self._folder, text.replace("\\", "/")))  # noqa: PTH118 - any text

    def _read(self) -> None:
        if self._kind == "parquet":
            table = open_parquet(self._path).read()
            self._order, self._arrow = dict.fromkeys(table.schema.names), table.schema
            rows: Iterable[Mapping[str, Any]] = table.to_pylist()
        else:
            rows = [_checked(row) for row in table_rows(self._path)]
        forms: list[object] = []
        if self._kind == "jsonl":
            self._json = json_form.read_form(self._path, array=self._is_array)
            forms = list(self._json.items)
        elif self._kind == "csv":
            names, self._delimiter = csv_header(self._path)
            self._order = dict.fromkeys(names)
            rows = [self._unguarded(row) for row in rows]
            self._form = csv_form.read_form(self._path, self._delimiter)
            forms = list(self._form.filled_rows())
        self._original = [dict(row) for row in rows]
        self._known = len(self._original)
        held = {name for row in self._original for name in row}
        self._keys = [column for column in self._identity if column in held] or self._identity
        for row in self._original:
            self._add(dict(row), [self._key(each) for each in self._pictures(row)])
        if self._kind != "parquet" and len(forms) != self._known:
            # Quotes or line ends so careless that only the reader of tables follows them.
            self._form, self._json, self._original = None, None, []

    def _unguarded(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a row of CSV as it was before `_cell`."""
        ours = {name: row[name] for name in self._columns if isinstance(row.get(name), str)}
        return {**row, **{name: unguard_formula(value) for name, value in ours.items()}}

    def _pictures(self, row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Return a row as it is, and a row for each picture that it names."""
        yield row
        image = next((column for column in self._keys if self._columns[column] == "image"), None)
        for each in [] if image is None else each_picture([Row(self._path, "", 0, row)], image):
            later = f"#{each.part + 1}" if each.part else ""  # as the source of such a table names them
            yield {
                column: f"{value}{later}" if self._columns.get(column) == "id" else value
                for column, value in each.values.items()
            }

    def _add(self, row: dict[str, Any], keys: Iterable[object]) -> None:
        self._rows.append(row)
        for key in dict.fromkeys(keys):
            self._of.setdefault(key, []).append(row)

    def _check_encoding(self, form: CsvForm, row: Mapping[str, Any]) -> None:
        for column in row:
            try:
                form.cell(text := self._text(row, column))
            except UnicodeEncodeError as error:
                raise InputError(
                    f"{text[:60]!r} cannot be written in {form.encoding}, in which {self._path.name} is; save the "
                    "table as UTF-8, or name another to write to"
                ) from error

    def _text(self, row: Mapping[str, Any], column: str) -> str:
        """Return the text of a row's cell."""
        value = _cell(row.get(column), joined=column not in self._lists, guarded=column in self._columns)
        return "" if value is None else str(value)

    def _csv_content(self) -> bytes:
        form, names = self._form, list(self._order)
        if form is None:
            form = CsvForm(self._delimiter, "utf-8", "", Line((), "\n"))
        old = len(form.header.cells)
        form.edit_header([form.cell(name) for name in names[old:]])
        for at, row, before in zip(form.filled_rows(), self._rows, self._original, strict=False):
            changed = {
                names.index(column): form.cell(self._text(row, column))
                for column in self._columns
                if column in names[:old] and column not in self._identity and row.get(column) != before.get(column)
            }
            form.edit(at, changed, [form.cell(self._text(row, name)) for name in names[old:]])
        for at, line in enumerate(form.rows):
            if len(line.cells) == old > 1 and old < len(names):  # a row of empty cells stays as long as the others
                form.edit(at, {}, [form.cell("")] * (len(names) - old))
        for row in self._rows[len(self._original) :]:
            form.append([form.cell(self._text(row, name)) for name in names])
        return form.content()

    def _json_content(self) -> bytes:
        form = self._json or json_form.new_form(array=self._is_array)
        for at, (row, before) in enumerate(zip(self._rows, self._original, strict=False)):
            changed = {name: value for name, value in row.items() if before.get(name) != value}
            form.edit(at, {name: changed[name] for name in changed if name not in self._identity or name not in before})
        for row in self._rows[len(self._original) :]:
            form.append(row)
        return form.content()

    def _write_parquet(self, file: BinaryIO) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            kinds = {} if self._arrow is None else {each.name: each.type for each in self._arrow}
            columns = {
                column: pa.array(
                    [row.get(column) for row in self._rows],
                    None if column in self._columns and column not in self._identity else kinds.get(column),
                )
                for column in self._order
            }
            table = pa.table(columns)
            pq.write_table(table.replace_schema_metadata(self._arrow and self._arrow.metadata), file)
        except pa.ArrowException as error:
            raise InputError(f"{self._path} cannot be written as parquet: {error}") from error


def _checked(row: Row) -> Mapping[str, Any]:
    if row.error:
        raise InputError(f"{row.file}, {row.place}: {row.error}; correct the table, or name another to write to")
    return row.values


def _cell(value: object, *, joined: bool, guarded: bool) -> object:
    """Return a value as a spreadsheet holds it: lists of words joined where that is wanted, everything else as JSON.

    Text of our own columns never starts as a formula; the columns of a table that was there are not ours to change.
    """
    if joined and not isinstance(value, str) and isinstance(value, Sequence):
        value = "; ".join(value) if all(isinstance(each, str) for each in value) else value
    if isinstance(value, str):
        return guard_formula(value) if guarded else value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | Sequence) else value


def _listed(value: object) -> list[str]:
    """Return the texts of a list, or of a cell that is a JSON list; any other text is the only one."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = parse_json(value)
        except ValueError:  # a sentence in brackets
            return [str(value)]
    return [str(each) for each in value] if isinstance(value, list) else [str(value)] if value else []


def _merged_lists(old: list[str], new: list[str], if_exists: IfExists) -> list[str]:
    """Return what a picture's texts become; what was added already is not added again."""
    if if_exists == "append":
        return old if old[-len(new) :] == new else [*old, *new]
    return old if old[: len(new)] == new else [*new, *old]


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError('writing parquet needs pyarrow: pip install "catalens[parquet]"') from error
