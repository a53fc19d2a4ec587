"""The records of an index as items: what was added once is read again from where it lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from catalens.catalogue import storage
from catalens.catalogue.opening import open_index, scheme_of
from catalens.catalogue.sources.bucket import is_bucket, object_at
from catalens.catalogue.sources.cells import read_picture
from catalens.catalogue.sources.items import Entry, Item
from catalens.core.errors import InputError
from catalens.core.types import Outcome, Record


def items_of(records: Iterable[Record]) -> Iterator[Entry]:
    """Return the items of records, and outcomes for those whose picture is in no table or archive any more."""
    for record in records:
        try:
            picture = object_at(record.source) if is_bucket(record.source) else read_picture(record.source)
        except InputError as error:
            yield Outcome(record.id, str(error))
        else:
            yield Item(record.id, picture, record.source, record.fields)


def is_catalogue(name: str) -> bool:
    """Return whether a name is the address of an index, or a catalogue file."""
    if is_bucket(name):
        return False
    return scheme_of(name) is not None or storage.is_catalogue_file(Path(name))


@dataclass(frozen=True, slots=True)
class CatalogueSource:
    """The pictures of a catalogue, with its records' ids and fields; each iteration opens it anew."""

    uri: str

    def __iter__(self) -> Iterator[Entry]:
        """Return the items, in the order of the records.

        Raises:
            CatalogueError: it cannot be read.
        """
        with open_index(self.uri, read_only=True) as index:
            yield from items_of(index.records())
