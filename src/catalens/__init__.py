"""Catalens: pictures into words that can be used.

Names are loaded when they are first used, so `import catalens` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalens.catalogue.filters import parse_filter
    from catalens.catalogue.index import EmbeddedIndex
    from catalens.catalogue.search import Query, Weighted, search
    from catalens.catalogue.sources import open_source
    from catalens.core.errors import CatalensError
    from catalens.core.folders import find_images
    from catalens.core.images import read_image
    from catalens.core.protocols import Encoder
    from catalens.core.types import Hit, Record, Tag
    from catalens.models.mixed import encode, similarity
    from catalens.models.registry import load_encoder
    from catalens.pipelines.ingest import ingest
    from catalens.tasks.attributes import build_schema_bank, read_attributes
    from catalens.tasks.labels import build_bank
    from catalens.tasks.schema import load_schema
    from catalens.tasks.tagging import tag

__version__ = "0.1.0"

_HOMES = {
    "CatalensError": "core.errors",
    "EmbeddedIndex": "catalogue.index",
    "Encoder": "core.protocols",
    "Hit": "core.types",
    "Query": "catalogue.search",
    "Record": "core.types",
    "Tag": "core.types",
    "Weighted": "catalogue.search",
    "build_bank": "tasks.labels",
    "build_schema_bank": "tasks.attributes",
    "encode": "models.mixed",
    "find_images": "core.folders",
    "ingest": "pipelines.ingest",
    "load_encoder": "models.registry",
    "load_schema": "tasks.schema",
    "open_source": "catalogue.sources",
    "parse_filter": "catalogue.filters",
    "read_attributes": "tasks.attributes",
    "read_image": "core.images",
    "search": "catalogue.search",
    "similarity": "models.mixed",
    "tag": "tasks.tagging",
}

__all__ = [
    "CatalensError",
    "EmbeddedIndex",
    "Encoder",
    "Hit",
    "Query",
    "Record",
    "Tag",
    "Weighted",
    "build_bank",
    "build_schema_bank",
    "encode",
    "find_images",
    "ingest",
    "load_encoder",
    "load_schema",
    "open_source",
    "parse_filter",
    "read_attributes",
    "read_image",
    "search",
    "similarity",
    "tag",
]


def __getattr__(name: str) -> object:
    """Load the module that a public name lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module 'catalens' has no attribute {name!r}")
    return getattr(import_module(f"catalens.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
