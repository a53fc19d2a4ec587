"""The side file for large catalogues: an HNSW graph over the vectors, made from the database.

It can be deleted and rebuilt at any time and is never trusted further than it goes. The database
names the one file that counts (a new name for each build), its size, the vector space and the last
row it holds; so a half-written, stale or foreign file is one that nobody opens, rows added later
are searched exactly beside it, and rows removed later are not found in the database.

Source:
    Malkov and Yashunin 2016, "Efficient and robust approximate nearest neighbor search using
    Hierarchical Navigable Small World graphs", arXiv:1603.09320; by usearch.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from catalens.catalogue.scan import HalfVectors, Rows
from catalens.catalogue.storage import State
from catalens.core.errors import CatalogueError
from catalens.core.types import Vectors

if TYPE_CHECKING:
    from usearch.index import Index

_CONNECTIVITY = 16
_EXPANSION_ADD = 128
_EXPANSION_SEARCH = 128


@dataclass(frozen=True, slots=True)
class SideFile:
    """What the database says of the graph.

    Attributes:
        name: file name, in the catalogue's folder.
        size: in bytes.
        space: the vector space it was made in.
        next_row: the first row number that it does not hold.
    """

    name: str
    size: int
    space: str
    next_row: int

    def to_json(self) -> str:
        """Write it for the `state` table."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Graph:
    """A side file that is open."""

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
    from usearch.index import Index

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
    return SideFile(path.name, path.stat().st_size, state.space, state.next_row)


def open_graph(catalogue: Path, state: State, held: Graph | None) -> Graph | None:
    """Open the side file that the database names, or give the one that is open already.

    Returns:
        None where there is none, or none that can be used: an exact scan is always right.
    """
    if state.hnsw is None:
        return None
    side = SideFile(**json.loads(state.hnsw))
    if held is not None and held.side == side:
        return held
    path = catalogue.with_name(side.name)
    if side.space != state.space or not path.is_file() or path.stat().st_size != side.size:
        return None
    from usearch.index import Index

    try:
        index = Index.restore(str(path), view=True)
    except (RuntimeError, ValueError):
        return None
    if index is None or index.ndim != state.dim:
        return None
    index.expansion_search = _EXPANSION_SEARCH
    return Graph(side, index)


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
