"""A new index takes the place of an old one under the same address; the old one is kept beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

from catalens.catalogue import hnsw, storage
from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.opening import open_index, scheme_of
from catalens.catalogue.unfinished import check_unfinished, still_kept
from catalens.core.errors import CatalogueError
from catalens.core.types import Vectors
from catalens.core.vectors import batched

_AT_ONCE = 500
_ENDINGS = ("", "-wal", "-shm")


class Replacement(Protocol):
    """How an index of one kind is replaced.

    Until `swap` returns, whoever opens the address gets the old index; whatever stops the work, it continues when it
    is begun again, and nothing that was written to the old index meanwhile is lost.
    """

    @property
    def new(self) -> str:
        """Address of the new index until the swap; valid after `prepare`."""

    @property
    def old(self) -> str:
        """Where the old index is after the swap, for messages."""

    def prepare(self, encoder_name: str, dim: int) -> None:
        """Create the new index, or find the unfinished one.

        Raises:
            CatalogueError: an unfinished one is of another encoder, or an earlier old one is still kept.
        """

    def kept(self) -> bool:
        """Return whether an old index is kept."""

    def swap(self, catch_up: Callable[[], None], *, drop_missing: bool) -> None:
        """Let the new index take the old one's place.

        Args:
            catch_up: brings the new index up to date with the old one; nobody can write to the old one meanwhile.
            drop_missing: records without a counterpart in the new index are dropped; otherwise they stop the swap.
        """

    def drop(self) -> Sequence[str]:
        """Delete the old index and an unfinished new one, and return what was deleted."""

    def close(self) -> None:
        """Close connections."""


def replacement_of(uri: str | Path) -> Replacement:
    """Return how the index at an address is replaced.

    Raises:
        CatalogueError: there is no index, or its kind cannot be replaced.
    """
    scheme = scheme_of(uri)
    if scheme is None:
        return FileReplacement(Path(uri))
    if scheme in ("postgres", "postgresql"):
        from catalens.catalogue.postgres.replacing import TableReplacement

        return TableReplacement(str(uri))
    if scheme in ("opensearch", "opensearchs", "https"):
        from catalens.catalogue.opensearch.replacing import AliasReplacement

        return AliasReplacement(str(uri))
    raise CatalogueError(f"{uri}: an index of this kind cannot be re-encoded in place; name a destination")


class FileReplacement:
    """A catalogue file: the new vectors are gathered in FILE.new, and the old file is kept as FILE.old.

    The swap is one transaction in the file itself, since other processes may have it open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new, self._old = (path.with_name(f"{path.name}.{ending}") for ending in ("new", "old"))

    @property
    def new(self) -> str:
        """Path of the new file."""
        return str(self._new)

    @property
    def old(self) -> str:
        """Path of the copy of the old file."""
        return str(self._old)

    def prepare(self, encoder_name: str, dim: int) -> None:
        """Create the new file, or find the unfinished one."""
        if self.kept() and not self._new.exists():
            raise still_kept(self.old, str(self._path))
        try:
            open_index(self._new, encoder_name=encoder_name, dim=dim).close()
        except CatalogueError:
            with open_index(self._new, read_only=True) as index:
                check_unfinished(self.new, index.encoder_name, encoder_name, str(self._path))
            raise

    def kept(self) -> bool:
        """Return whether there is a copy of an old file."""
        return self._old.exists()

    def swap(self, catch_up: Callable[[], None], *, drop_missing: bool) -> None:
        """Copy the old file, and replace its vectors."""

        def blocks() -> Iterator[tuple[Sequence[str], Vectors]]:
            catch_up()
            self._copy()
            with open_index(self._new, read_only=True) as new:
                for some in batched(new.records(), _AT_ONCE):
                    ids = [record.id for record in some]
                    yield ids, new.vectors(ids)

        with open_index(self._new, read_only=True) as new:
            encoder_name, dim = new.encoder_name, new.dim
        with EmbeddedIndex.open(self._path) as index:
            index.reencode(encoder_name, dim, blocks(), drop_missing=drop_missing)
        _delete(self._new)

    def drop(self) -> Sequence[str]:
        """Delete both files."""
        return [str(path) for path in (self._old, self._new) if _delete(path)]

    def close(self) -> None:
        """Nothing is open."""

    def _copy(self) -> None:
        part = self._old.with_name(f"{self._old.name}.part")
        _delete(part)
        with (
            storage.errors_named(self._old),
            closing(storage.open_file(self._path, read_only=True, may_create=False, wait_s=10)) as held,
            closing(sqlite3.connect(part)) as copy,
        ):
            held.backup(copy)
            copy.execute("UPDATE state SET hnsw = NULL")  # the graph's file is the other's
            copy.commit()
        part.replace(self._old)


def _delete(path: Path) -> bool:
    """Delete a catalogue file with what SQLite keeps beside it; return whether there was one."""
    there = path.exists()
    for ending in _ENDINGS:
        path.with_name(path.name + ending).unlink(missing_ok=True)
    hnsw.delete_others(path, None)
    return there
