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

from catalens.catalogue.sources.arrow import arrow_rows, open_stream, picture_columns
from catalens.catalogue.sources.cells import each_picture
from catalens.catalogue.sources.items import Row, Source
from catalens.catalogue.sources.table import choose_columns
from catalens.core.errors import InputError
from catalens.core.json_text import parse_json

_STATE = "state.json"


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
    schema = open_stream(files[0]).schema
    columns = choose_columns(folder, schema.names, image=None, id=None, holding_bytes=picture_columns(schema))

    def rows() -> Iterator[Row]:
        return each_picture(chain.from_iterable(map(arrow_rows, files)), columns.image)

    return Source(folder.absolute(), "datasets", rows, columns.identify, columns.build)
