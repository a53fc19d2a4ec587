"""A disk cache of the features that a frozen part of a model computes from an image."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from catalens.core.errors import InputError
from catalens.core.vectors import batched

_MAPPED_BYTES = 1 << 40
_ASKED_AT_ONCE = 500


class BlobCache:
    """Bytes by the hash of an image's content, in one memory-mapped file.

    A write is whole or not at all, also through a kill, and several processes may share a file.

    Args:
        folder: of all such caches.
        about: everything that decides the bytes.

    Raises:
        InputError: the file cannot be opened.
    """

    def __init__(self, folder: Path, about: str) -> None:
        self.file = folder / f"{hashlib.sha256(about.encode()).hexdigest()[:24]}.features"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self.file, timeout=60.0)
            self._base.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
            self._base.execute("CREATE TABLE IF NOT EXISTS features (key TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID")
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"the feature cache {self.file} cannot be used: {error}; delete it to start anew"
            ) from error

    def known(self, keys: Sequence[str]) -> set[str]:
        """Return those of some keys that the cache holds."""
        return {key for key, _ in self._rows(keys, "key, 0")}

    def get(self, keys: Sequence[str]) -> list[bytes]:
        """Return the bytes of n keys.

        Raises:
            KeyError: one is not held.
        """
        found = dict(self._rows(keys, "key, data"))
        return [found[key] for key in keys]

    def put(self, blobs: Mapping[str, bytes]) -> None:
        """Store bytes by their keys, all of them or none.

        Raises:
            InputError: the file cannot be written.
        """
        try:
            with self._base:
                self._base.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", list(blobs.items()))
        except sqlite3.Error as error:
            raise InputError(f"the feature cache {self.file} cannot be written: {error}") from error

    def _rows(self, keys: Sequence[str], columns: str) -> list[tuple[str, Any]]:
        rows: list[tuple[str, Any]] = []
        for some in batched(keys, _ASKED_AT_ONCE):
            marks = ",".join("?" * len(some))
            rows += self._base.execute(f"SELECT {columns} FROM features WHERE key IN ({marks})", list(some)).fetchall()
        return rows

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


class FeatureCache:
    """Arrays of one shape and type in a `BlobCache`.

    Args:
        folder: of all such caches.
        model: everything that decides the arrays: name, revision, weights, preprocessing.
        shape: of each array.
        dtype: as it is stored.
    """

    def __init__(self, folder: Path, model: str, shape: Sequence[int], dtype: DTypeLike) -> None:
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.blobs = BlobCache(folder, f"{model}\0{self.shape}\0{self.dtype.str}")

    def known(self, keys: Sequence[str]) -> set[str]:
        """Return those of some keys that the cache holds."""
        return self.blobs.known(keys)

    def get(self, keys: Sequence[str]) -> NDArray[Any]:
        """Return (n, *shape) arrays of n keys.

        Raises:
            KeyError: one is not held.
        """
        out = np.empty((len(keys), *self.shape), dtype=self.dtype)
        for at, blob in enumerate(self.blobs.get(keys)):
            out[at] = np.frombuffer(blob, dtype=self.dtype).reshape(self.shape)
        return out

    def put(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Store arrays by their keys, all of them or none.

        Raises:
            InputError: the file cannot be written.
        """
        self.blobs.put({key: np.ascontiguousarray(each, self.dtype).tobytes() for key, each in arrays.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.blobs.close()
