"""The side file for large catalogues: an HNSW graph over the vectors, made from the database.

It can be deleted and rebuilt at any time. The database names the current file (a new name for each
build), its size and checksum, the vector space and the last row in it. So a half-written, stale or
foreign file is never opened, rows added later are scanned exactly, and rows removed later are
filtered out by the database.

Source:
    Malkov and Yashunin 2016, "Efficient and robust approximate nearest neighbor search using
    Hierarchical Navigable Small World graphs", arXiv:1603.09320; by usearch.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from catalens.catalogue.scan import HalfVectors, Rows
from catalens.catalogue.storage import State
from catalens.core.errors import CatalogueError
from catalens.core.json_text import parse_json
from catalens.core.types import Vectors

if TYPE_CHECKING:
    from usearch.index import Index

_INSTALL = 'pip install "catalens[graph]"'
_CONNECTIVITY = 16
_EXPANSION_ADD = 128
_EXPANSION_SEARCH = 128


@dataclass(frozen=True, slots=True)
class SideFile:
    """The database's entry for the graph.

    Attributes:
        name: file name, in the catalogue's folder.
        size: in bytes.
        space: the vector space it was made in.
        next_row: the first row number that it does not hold.
        sha256: of its content, in hexadecimal digits.
    """

    name: str
    size: int
    space: str
    next_row: int
    sha256: str

    def to_json(self) -> str:
        """Write it for the `state` table."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read it back.

        Raises:
            CatalogueError: it is of an older version, or damaged.
        """
        try:
            side = cls(**parse_json(text))
        except (ValueError, TypeError) as error:
            raise CatalogueError("it has no checksum or an unreadable entry") from error
        if not isinstance(side.name, str) or Path(side.name).name != side.name:
            raise CatalogueError("its entry is damaged")
        return side


@dataclass(frozen=True, slots=True)
class Graph:
    """An open side file."""

    side: SideFile
    index: Index

    def nearest(self, query: Vectors, k: int) -> Rows:
        """Return about the k nearest rows of a (dim,) query; some may have been removed since."""
        if not len(self.index):
            return np.zeros(0, dtype=np.int64)
        keys = self.index.search(query.astype(np.float16), min(k, len(self.index))).keys
        return np.asarray(keys).astype(np.int64)


def build(catalogue: Path, state: State, rows: Rows, vectors: HalfVectors) -> SideFile:
    """Write the graph of all vectors to a new file beside the catalogue; takes minutes for a million."""
    try:
        from usearch.index import Index
    except ImportError as error:
        raise CatalogueError(f"the graph needs usearch; install it with: {_INSTALL}") from error

    index = Index(ndim=state.dim, metric="ip", dtype="f16", connectivity=_CONNECTIVITY, expansion_add=_EXPANSION_ADD)
    index.add(rows.astype(np.uint64), vectors)
    path = catalogue.with_name(f"{catalogue.name}.{secrets.token_hex(4)}.hnsw")
    try:
        index.save(str(path))
        with path.open("rb+") as file:  # on the disk before the database speaks of it
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        path.unlink(missing_ok=True)
        raise CatalogueError(f"{path} cannot be written: {error}") from error
    return SideFile(path.name, path.stat().st_size, state.space, state.next_row, _sha256(path))


def open_graph(catalogue: Path, state: State, held: Graph | None) -> Graph | None:
    """Open the side file that the database names, or return the one that is open already.

    The file is read once in full, to check it: a damaged graph can crash the process that searches it. That takes
    0.1 s for 200,000 records of 256.

    Returns:
        None where there is none.

    Raises:
        CatalogueError: there is one and it cannot be used, with the reason; an exact scan is always right.
    """
    if state.hnsw is None:
        return None
    if held is not None and held.side.to_json() == state.hnsw:
        return held
    side = SideFile.from_json(state.hnsw)
    path = _checked(side, catalogue, state)
    try:
        from usearch.index import Index

        index: Any = Index.restore(str(path), view=True)  # its types have no setters
    except ImportError as error:
        raise CatalogueError(f"usearch is not installed ({_INSTALL})") from error
    except (RuntimeError, ValueError) as error:
        raise CatalogueError(f"{path} cannot be read ({error})") from error
    if index is None or index.ndim != state.dim:
        raise CatalogueError(f"{path} holds another graph")
    index.expansion_search = _EXPANSION_SEARCH
    return Graph(side, index)


def _checked(side: SideFile, catalogue: Path, state: State) -> Path:
    """Return the path of a side file that is what was written.

    Raises:
        CatalogueError: it is not.
    """
    path = catalogue.with_name(side.name)
    if side.space != state.space:
        raise CatalogueError("it is of other vectors")
    if not path.is_file():
        raise CatalogueError(f"{path} is gone")
    if path.stat().st_size != side.size or _sha256(path) != side.sha256:
        raise CatalogueError(f"{path} is damaged")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def delete_others(catalogue: Path, kept: str | None) -> None:
    """Delete side files of this catalogue, but for one name; one that is in use elsewhere may stay a while."""
    for path in catalogue.parent.glob(f"{_escaped(catalogue.name)}.????????.hnsw"):
        if path.name != kept:
            try:
                path.unlink(missing_ok=True)
            except PermissionError:  # Windows, while another process reads it
                continue


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
