"""A folder of result tables with one schema, for jobs of any size: rows become durable batch by batch.

Finished rows are appended to one open file; when it holds enough of them they are written as the next shard, whole or
not at all. After any number of kills the folder holds exactly one row per item, and memory does not grow with the
number of rows, except for 16 bytes per item that tell what is done.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

import numpy as np

from catalens.core.errors import InputError
from catalens.core.files import write_atomically, write_error, write_text_atomically
from catalens.core.json_text import parse_json
from catalens.core.spreadsheet import guard_formula, unguard_formula
from catalens.core.types import Record
from catalens.pipelines.output import OutputRow
from catalens.pipelines.stages import Values

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "texts", "map", "attributes", "answers", "tags", "vector"]
"""What a column holds: a text, a list of texts, names with texts (the value of each attribute, the answer to each
question), tags with scores, or float32 numbers."""

ShardFormat = Literal["parquet", "jsonl", "csv"]
SHARD_FORMATS: tuple[ShardFormat, ...] = get_args(ShardFormat)
ROWS_PER_SHARD = 10_000
SYNC_EVERY_S = 1.0
"""Seconds between two syncs: a power failure costs the rows of this time, which are done again."""

_MAPS: tuple[Kind, ...] = ("map", "attributes", "answers")
_OPEN, _PLAN = "_open.jsonl", "_plan.json"
_IDENTITY: Mapping[str, Kind] = {"id": "text", "image": "text", "fields": "map"}


class Shards:
    """Shards `part-00000.parquet`, `part-00001.parquet` … of one job; an output of the engine."""

    def __init__(
        self,
        folder: Path,
        columns: Mapping[str, Kind],
        *,
        plan: object,
        format: ShardFormat = "parquet",
        rows_per_shard: int = ROWS_PER_SHARD,
    ) -> None:
        """Open the folder, and read which items it holds.

        Args:
            folder: made if it is not there.
            columns: name of a value → what it holds; every shard has `id`, `image` and `fields` before them.
            plan: what the values depend on, as JSON values; another plan may not continue the folder.
            format: of the shards.
            rows_per_shard: rows of every shard but the last of a run.

        Raises:
            InputError: the folder cannot be written, holds the results of another plan, or lacks pyarrow.
        """
        if rows_per_shard < 1:
            raise InputError(f"rows per shard are {rows_per_shard}; use at least 1")
        if format == "parquet":
            _require_pyarrow()
        self._folder, self._format, self._rows_per_shard = folder, format, rows_per_shard
        self._columns: Mapping[str, Kind] = {**_IDENTITY, **columns}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(error, folder) from error
        self._check_plan({"format": format, "columns": dict(self._columns), "plan": plan})
        self._done: set[bytes] = set()
        for shard in self._shards():
            self._done.update(_key(row["id"], row["image"]) for row in self._identities(shard))
        self._open_rows = self._recover()
        self._synced_s = float("-inf")

    def __len__(self) -> int:
        """Return the number of rows, in shards and not yet in one."""
        return len(self._done)

    def holds(self, record: Record) -> bool:
        """Return whether the item has a row."""
        return _key(record.id, _image(record)) in self._done

    def write(self, results: Sequence[OutputRow]) -> None:
        """Append rows; a kill does not lose them once this returns. Items that have a row keep it.

        Raises:
            InputError: a value is not readable text, or the file cannot be written.
        """
        new = [result for result in results if not self.holds(result.record)]
        # Encoded before anything is written: one bad row fails by itself.
        rows = [(_key(each.record.id, _image(each.record)), self._line(each.record, each.values)) for each in new]
        while rows:
            room = self._rows_per_shard - self._open_rows
            if room <= 0:
                self._seal()
                continue
            self._append(rows[:room])
            rows = rows[room:]
        if self._open_rows >= self._rows_per_shard:
            self._seal()

    def _append(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        path = self._folder / _OPEN
        before = path.stat().st_size if path.exists() else 0
        try:
            with path.open("ab") as file:
                file.write(b"".join(line for _, line in rows))
                file.flush()
                if time.monotonic() - self._synced_s >= SYNC_EVERY_S:
                    os.fsync(file.fileno())
                    self._synced_s = time.monotonic()
        except OSError as error:
            with suppress(OSError):  # half a line would spoil the next one
                os.truncate(path, before)
            raise write_error(error, path) from error
        self._done.update(key for key, _ in rows)
        self._open_rows += len(rows)

    def finish(self) -> None:
        """Write the last shard of the run."""
        if self._open_rows:
            self._seal()
        (self._folder / _OPEN).unlink(missing_ok=True)

    def _line(self, record: Record, values: Values) -> bytes:
        fields = {name: _text(value) for name, value in record.fields.items()}
        known = {"id": record.id, "image": _image(record), "fields": fields}
        row = {name: _plain(known.get(name, values.get(name)), kind) for name, kind in self._columns.items()}
        try:
            return (json.dumps(row, ensure_ascii=False) + "\n").encode()
        except UnicodeEncodeError as error:
            raise InputError("its name or a value is not readable text, which no table can hold") from error

    def _check_plan(self, plan: dict[str, object]) -> None:
        path = self._folder / _PLAN
        wanted = json.loads(json.dumps(plan, default=str))
        if path.exists():
            try:
                held = parse_json(path.read_bytes())
            except ValueError as error:
                raise InputError(f"{path} is not readable; remove the folder, or name another") from error
            if held != wanted:
                raise InputError(
                    f"{self._folder} holds the results of another plan (other models, options or columns); "
                    "name another folder, or remove this one"
                )
        elif self._shards():
            raise InputError(f"{self._folder} holds shards, but not the plan they are of; name another folder")
        else:
            write_text_atomically(path, json.dumps(wanted, indent=1) + "\n")

    def _shards(self) -> list[Path]:
        return sorted(self._folder.glob(f"part-[0-9]*.{self._format}"))

    def _recover(self) -> int:
        """Read the rows that a killed run left outside of a shard, and return how many there are."""
        path = self._folder / _OPEN
        keys = [_key(row["id"], row["image"]) for row in _json_lines(path, cut=True)]
        if keys and keys[0] in self._done:  # the kill came after the shard was complete
            path.unlink()
            return 0
        self._done.update(keys)
        return len(keys)

    def _seal(self) -> None:
        """Write the open rows as a shard; only then are they removed from the open file."""
        last = max((int(shard.stem.removeprefix("part-")) for shard in self._shards()), default=-1)
        shard = self._folder / f"part-{last + 1:05}.{self._format}"
        write: Mapping[str, Callable[[BinaryIO], None]] = {
            "parquet": self._write_parquet,
            "jsonl": self._write_json,
            "csv": self._write_csv,
        }
        write_atomically(shard, write[self._format])
        (self._folder / _OPEN).unlink()
        self._open_rows = 0

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Return the open rows; vectors are (dim,) float32."""
        vectors = [name for name, kind in self._columns.items() if kind == "vector"]
        for row in _json_lines(self._folder / _OPEN):
            for name in vectors:
                if row[name] is not None:
                    row[name] = np.frombuffer(base64.b64decode(row[name]), dtype=np.float32)
            yield row

    def _write_parquet(self, file: BinaryIO) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = list(self._rows())
        columns = {name: [_arrow(row[name], kind) for row in rows] for name, kind in self._columns.items()}
        pq.write_table(pa.table(columns, schema=_schema(self._columns)), file, compression="zstd")

    def _write_json(self, file: BinaryIO) -> None:
        for row in self._rows():
            plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in row.items()}
            file.write((json.dumps(plain, ensure_ascii=False) + "\n").encode())

    def _write_csv(self, file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._columns)
        writer.writerows([_cell(row[name]) for name in self._columns] for row in self._rows())
        text.flush()
        text.detach()

    def _identities(self, shard: Path) -> Iterable[Mapping[str, Any]]:
        """Return id and image of each row of a shard."""
        if self._format == "jsonl":
            return _json_lines(shard)
        if self._format == "csv":
            return _csv_identities(shard)
        from catalens.catalogue.sources.arrow import open_parquet

        batches = open_parquet(shard).iter_batches(columns=["id", "image"])
        return (row for batch in batches for row in batch.to_pylist())


def _key(id: str, image: str) -> bytes:
    return blake2b(f"{id}\0{image}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _image(record: Record) -> str:
    """Return where the picture is, from whatever folder the job is started again."""
    exists = os.path.exists(record.source)  # noqa: PTH110 - never raises, whatever the source says
    return os.path.abspath(record.source) if exists else record.source  # noqa: PTH100 - a source need not be a path


def _json_lines(path: Path, *, cut: bool = False) -> Iterator[dict[str, Any]]:
    """Return the rows of a file, none where it is missing; with `cut`, what follows the last whole row is removed.

    A kill cuts a line off, and a power failure may leave zeros in its place.
    """
    if not path.exists():
        return
    whole = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n") or (cut and b"\0" in line):
                break
            try:
                row = parse_json(line)
            except ValueError as error:
                raise InputError(f"{path} is damaged ({error}); remove it, and its rows are made again") from error
            whole += len(line)
            yield row
    if cut and whole != path.stat().st_size:
        os.truncate(path, whole)


def _csv_identities(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: unguard_formula(row[name]) for name in ("id", "image")}


_PLAIN: Mapping[Kind, Callable[[Any], object]] = {
    "text": str,
    "texts": lambda value: [str(each) for each in value],
    "map": lambda value: {str(name): _text(each) for name, each in value.items()},
    "attributes": lambda value: {name: _text(each["value"]) for name, each in value.items()},
    "answers": lambda value: {each["question"]: each["answer"] for each in value},
    "tags": lambda value: [
        {"label": each["label"], "score": each["score"], "group": each.get("group") or None} for each in value
    ],
    "vector": lambda value: base64.b64encode(np.asarray(value, dtype=np.float32).tobytes()).decode(),
}
"""What a column holds → from a stage's value to that of the open file."""


def _plain(value: object, kind: Kind) -> object:
    return None if value is None else _PLAIN[kind](value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _arrow(value: Any, kind: Kind) -> object:  # noqa: ANN401 - as above
    return list(value.items()) if kind in _MAPS and value is not None else value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return guard_formula(value)
    return json.dumps(value.tolist() if isinstance(value, np.ndarray) else value, ensure_ascii=False)


def _schema(columns: Mapping[str, Kind]) -> pa.Schema:
    import pyarrow as pa

    tag = pa.struct([("label", pa.string()), ("score", pa.float32()), ("group", pa.string())])
    kinds: Mapping[str, pa.DataType] = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        **dict.fromkeys(_MAPS, pa.map_(pa.string(), pa.string())),
        "tags": pa.list_(tag),
        "vector": pa.list_(pa.float32()),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in columns.items()])


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError('parquet shards need pyarrow: pip install "catalens[parquet]"') from error
