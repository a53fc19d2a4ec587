"""From a name to an index: a file's path, or an address whose scheme says what kind it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import CatalogueError, InputError
from catalens.core.protocols import Index

if TYPE_CHECKING:
    from catalens.catalogue.index import EmbeddedIndex

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):")  # two letters or more: C:\\shop.catalens is a path

_SECRETS = re.compile(r"(?<=://)[^@/?]*@|(?<=[?&])password=[^&]*&?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What `open_index` was asked for."""

    encoder_name: str | None
    dim: int | None
    read_only: bool
    wait_s: float


def scheme_of(uri: str | Path) -> str | None:
    """Return the scheme of an address, or None for the path of a file.

    >>> scheme_of("opensearch://localhost:9200/shop"), scheme_of("memory:"), scheme_of("C:/shop.catalens")
    ('opensearch', 'memory', None)
    """
    found = None if isinstance(uri, Path) else _SCHEME.match(uri)
    if found is None or Path(uri).exists():  # a file may be named a:b
        return None
    return found[1].lower()


def shown(uri: str | Path) -> str:
    """Return an address without the user and password in it, for messages.

    >>> shown("postgresql://me:secret@db/shop?table=shoes"), shown("shop@home.catalens")
    ('postgresql://db/shop?table=shoes', 'shop@home.catalens')
    """
    return _SECRETS.sub("", str(uri)) if scheme_of(uri) else str(uri)


def open_index(
    uri: str | Path,
    *,
    encoder_name: str | None = None,
    dim: int | None = None,
    read_only: bool = False,
    wait_s: float = 10.0,
) -> Index:
    """Open an index; use it as a context manager, or `close` it.

    Args:
        uri: the path of a catalogue file, `opensearch://host:port/index` (`opensearchs://` or `https://` with TLS), or
            `postgresql://host/database?table=name`; each is created if it does not exist and both encoder and width are
            given. Or `memory:` for a new index that lasts as long as the object.
        encoder_name: refuse an index that another encoder filled.
        dim: refuse an index of another width.
        read_only: refuse to write.
        wait_s: how long to wait for another writer, in seconds.

    Raises:
        CatalogueError: an unknown scheme, or an index that cannot be used or was filled by another encoder.
    """
    scheme = scheme_of(uri)
    if scheme is not None and scheme not in _OPENERS:
        known = ", ".join(f"{name}:" for name in _OPENERS)
        raise CatalogueError(
            f"{shown(uri)}: no kind of index has the scheme {scheme!r}; use the path of a file, or {known}"
        )
    request = _Request(encoder_name=encoder_name, dim=dim, read_only=read_only, wait_s=wait_s)
    return (_OPENERS[scheme] if scheme else _open_file)(str(uri), request)


def open_file(uri: str | Path) -> EmbeddedIndex:
    """Open a catalogue, to be written to, for what only a file can do.

    Raises:
        InputError: it is on a server.
        CatalogueError: it cannot be used.
    """
    from catalens.catalogue.index import EmbeddedIndex

    if scheme_of(uri):
        raise InputError(f"{shown(uri)} is on a server, which keeps a graph itself; this is for catalogue files")
    return EmbeddedIndex.open(uri, read_only=False)


def _open_file(path: str, request: _Request) -> Index:
    from catalens.catalogue.index import EmbeddedIndex

    return EmbeddedIndex.open(
        path,
        encoder_name=request.encoder_name,
        dim=request.dim,
        read_only=request.read_only,
        wait_s=request.wait_s,
    )


def _open_memory(uri: str, request: _Request) -> Index:
    from catalens.catalogue.memory import MemoryIndex

    if request.encoder_name is None or request.dim is None:
        raise CatalogueError(f"{uri}: an index in memory is new, and needs the name of its encoder and its width")
    return MemoryIndex(request.encoder_name, request.dim)


def _open_opensearch(uri: str, request: _Request) -> Index:
    from catalens.catalogue.opensearch.address import parse_address
    from catalens.catalogue.opensearch.foreign import ForeignIndex
    from catalens.catalogue.opensearch.index import OpenSearchIndex

    if parse_address(uri).encoder is not None:
        return ForeignIndex.open(uri, encoder_name=request.encoder_name, dim=request.dim)

    return OpenSearchIndex.open(uri, encoder_name=request.encoder_name, dim=request.dim, read_only=request.read_only)


def _open_postgres(uri: str, request: _Request) -> Index:
    from catalens.catalogue.postgres.index import PostgresIndex

    return PostgresIndex.open(
        uri,
        encoder_name=request.encoder_name,
        dim=request.dim,
        read_only=request.read_only,
        wait_s=request.wait_s,
    )


_OPENERS: dict[str, Callable[[str, _Request], Index]] = {
    "memory": _open_memory,
    "opensearch": _open_opensearch,
    "opensearchs": _open_opensearch,
    "https": _open_opensearch,
    "postgresql": _open_postgres,
    "postgres": _open_postgres,
}
"""What opens an address, by its scheme."""
