"""The page's own files, read once: content, compressed content, type and tag."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file that is served.

    Attributes:
        content: as it is.
        compressed: with gzip; empty where that saves nothing.
        kind: its media type.
        tag: changes with the content, for the header ETag.
    """

    content: bytes
    compressed: bytes
    kind: str
    tag: str


@cache
def files() -> Mapping[str, File]:
    """Return every file of the page by the path under which it is served."""
    folder = resources.files("catalens.ui") / "static"
    names = sorted(each.name for each in folder.iterdir() if each.is_file())
    return {"/" if name == "index.html" else f"/ui/{name}": _file(name, (folder / name).read_bytes()) for name in names}


def _file(name: str, content: bytes) -> File:
    compressed = gzip.compress(content, mtime=0)
    return File(
        content,
        compressed if len(compressed) < 0.9 * len(content) else b"",
        _TYPES[name[name.rindex(".") :]],
        f'"{hashlib.sha256(content).hexdigest()[:16]}"',
    )
