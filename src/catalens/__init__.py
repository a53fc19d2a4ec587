"""Catalens: pictures into words that can be used.

    import catalens as cl

    lens = cl.load()
    lens.tag("photo.jpg", ["a photo of cats", "a photo of dogs"])

`load` returns a lens, whose methods do what the command does; the other names are the parts it is made of. Names are
loaded when they are first used, so `import catalens` costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # of typing, whose import would delay the command's handling of Ctrl-C
if TYPE_CHECKING:
    from catalens.catalogue.filters import parse_filter
    from catalens.catalogue.index import EmbeddedIndex
    from catalens.catalogue.opening import open_index
    from catalens.catalogue.search import Query, Weighted, search
    from catalens.catalogue.sources import open_source
    from catalens.core.errors import CatalensError
    from catalens.core.folders import find_images
    from catalens.core.images import read_image
    from catalens.core.protocols import Encoder
    from catalens.core.types import Decoding, Hit, Record, Tag, Turn
    from catalens.models.mixed import encode, similarity
    from catalens.models.registry import load_encoder
    from catalens.pipelines.catalogue import Catalogue
    from catalens.pipelines.ingest import ingest
    from catalens.pipelines.lens import Lens
    from catalens.pipelines.loading import load
    from catalens.pipelines.results import Answer, Caption, FoundPrompt, PictureAttributes, ProductDescription, Result
    from catalens.tasks.attributes import build_schema_bank, read_attributes
    from catalens.tasks.labels import build_bank
    from catalens.tasks.schema import load_schema
    from catalens.tasks.tagging import tag

__version__ = "0.1.0"

_HOMES = {
    "Answer": "pipelines.results",
    "Caption": "pipelines.results",
    "CatalensError": "core.errors",
    "Catalogue": "pipelines.catalogue",
    "Decoding": "core.types",
    "EmbeddedIndex": "catalogue.index",
    "Encoder": "core.protocols",
    "FoundPrompt": "pipelines.results",
    "Hit": "core.types",
    "Lens": "pipelines.lens",
    "PictureAttributes": "pipelines.results",
    "ProductDescription": "pipelines.results",
    "Query": "catalogue.search",
    "Record": "core.types",
    "Result": "pipelines.results",
    "Tag": "core.types",
    "Turn": "core.types",
    "Weighted": "catalogue.search",
    "build_bank": "tasks.labels",
    "build_schema_bank": "tasks.attributes",
    "encode": "models.mixed",
    "find_images": "core.folders",
    "ingest": "pipelines.ingest",
    "load": "pipelines.loading",
    "load_encoder": "models.registry",
    "load_schema": "tasks.schema",
    "open_index": "catalogue.opening",
    "open_source": "catalogue.sources",
    "parse_filter": "catalogue.filters",
    "read_attributes": "tasks.attributes",
    "read_image": "core.images",
    "search": "catalogue.search",
    "similarity": "models.mixed",
    "tag": "tasks.tagging",
}

__all__ = [
    "Answer",
    "Caption",
    "CatalensError",
    "Catalogue",
    "Decoding",
    "EmbeddedIndex",
    "Encoder",
    "FoundPrompt",
    "Hit",
    "Lens",
    "PictureAttributes",
    "ProductDescription",
    "Query",
    "Record",
    "Result",
    "Tag",
    "Turn",
    "Weighted",
    "build_bank",
    "build_schema_bank",
    "encode",
    "find_images",
    "ingest",
    "load",
    "load_encoder",
    "load_schema",
    "open_index",
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
    from importlib import import_module

    return getattr(import_module(f"catalens.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
