"""Vectors in a NumPy .npz file: `ids` (n,), `vectors` (n, dim) and `encoder`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from catalens.core.errors import InputError
from catalens.core.files import write_atomically
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors


class VectorFile:
    """Collects vectors, and writes them whole at the end; a file that exists is replaced then."""

    def __init__(self, path: Path) -> None:
        """Take where to write.

        Raises:
            InputError: the name does not end in .npz, or nothing can be written there.
        """
        if path.suffix != ".npz":
            raise InputError(f"--out {path}: give a name that ends in .npz")
        check_writable(path)
        self.path = path
        self._ids: list[str] = []
        self._blocks: list[Vectors] = []

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Collect vectors (n, dim) under n ids."""
        self._ids += ids
        self._blocks.append(np.asarray(vectors, dtype=np.float32))

    def finish(self, encoder: Encoder) -> None:
        """Write the file.

        Args:
            encoder: what made the vectors.

        Raises:
            InputError: it cannot be written; what was there is unchanged.
        """
        vectors = np.concatenate([np.zeros((0, encoder.dim), dtype=np.float32), *self._blocks])
        ids, name = np.array(self._ids, dtype=np.str_), np.array(encoder.name)
        write_atomically(self.path, lambda file: np.savez(file, ids=ids, vectors=vectors, encoder=name))


def check_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work begins.

    Raises:
        InputError: there is no such folder, it takes no files, or something that is not a file has that name.
    """
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}, so no {path}; make it, or name another")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} cannot be written: it is not a file; give the name of one")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written: there is no permission; name another file or folder")
