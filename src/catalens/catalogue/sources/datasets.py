"""Folders that Hugging Face's `datasets` writes with `save_to_disk`: Arrow streams, read batch by batch.

Source:
    datasets 4, `Dataset.save_to_disk`: `state.json` lists the files under "_data_files"; each is an Arrow stream; an
    image is a struct of `bytes` and `path`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.catalogue.sources.arrow import picture_columns
from catalens.catalogue.sources.cells import each_picture
from catalens.catalogue.sources.items import Row, Source
from catalens.catalogue.sources.table import choose_columns
from catalens.core.confinement import check_allowed
from catalens.core.errors import InputError
from catalens.core.json_text import parse_json

if TYPE_CHECKING:
    import pyarrow as pa

_STATE, _ROWS_AT_ONCE = "state.json", 16


def is_dataset(folder: Path) -> bool:
    """Return whether `save_to_disk` wrote a folder."""
    return all(os.path.isfile(folder / name) for name in (_STATE, "dataset_info.json"))  # noqa: PTH113 - never raises


def dataset_source(folder: Path) -> Source:
    """Read the rows of a saved data set, in order.

    Raises:
        InputError: pyarrow is missing, a file cannot be read, or no column holds pictures.
    """
    try:
        state = parse_json((folder / _STATE).read_bytes())
        files = [folder / Path(str(each["filename"])).name for each in state["_data_files"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{folder / _STATE} does not list the data set's files: {error!r}") from error
    if not files:
        raise InputError(f"{folder} is an empty data set")
    schema = _open(files[0]).schema
    columns = choose_columns(folder, schema.names, image=None, id=None, holding_bytes=picture_columns(schema))

    def rows() -> Iterator[Row]:
        return each_picture(chain.from_iterable(map(_rows, files)), columns.image)

    return Source(folder.absolute(), "datasets", rows, columns.identify, columns.build)


def _open(path: Path) -> pa.RecordBatchStreamReader:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise InputError('reading Arrow files needs pyarrow: pip install "catalens[parquet]"') from error
    check_allowed(path)
    try:
        return pa.ipc.open_stream(pa.memory_map(str(path)))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as an Arrow stream: {error}") from error


def _rows(path: Path) -> Iterator[Row]:
    import pyarrow as pa

    number = 0
    try:
        for batch in _open(path):
            for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                for values in batch.slice(start, _ROWS_AT_ONCE).to_pylist():
                    yield Row(path, f"row {number}", number, values)
                    number += 1
    except (pa.ArrowException, OSError, ValueError, InputError) as error:
        yield Row(path, f"row {number}", number, error=f"the file cannot be read further: {error}")
