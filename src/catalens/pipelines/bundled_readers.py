"""What the two bundled readers share: pictures by the bundle that reads them, and what their encoders know of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from catalens.core.protocols import EncodedImages
from catalens.models.readers.bundled import ReaderPart
from catalens.models.routing import domain
from catalens.pipelines.attributes import SchemaReader, schema_reader
from catalens.pipelines.session import Session
from catalens.tasks.attributes import Attributes

Row = TypeVar("Row")


@runtime_checkable
class BundledReader(Protocol):
    """A reader over bundles, whose images each have an encoder's vector as well."""

    def parts(self, encoded: EncodedImages) -> list[ReaderPart]:
        """Return the images of each bundle's reader."""


class KnownAttributes:
    """Attributes of images that a bundled reader has encoded, by the schema of its encoder."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._schemas: dict[str, SchemaReader] = {}

    def read(self, part: ReaderPart) -> list[Attributes]:
        """Return what is known of each image."""
        encoder = part.reader.encoder
        if encoder.name not in self._schemas:
            self._schemas[encoder.name] = schema_reader(encoder, domain(encoder.name), self._session)
        return list(self._schemas[encoder.name](part.encoded.vectors))


def in_order(parts: Sequence[ReaderPart], rows: Callable[[ReaderPart], Sequence[Row]]) -> list[Row]:
    """Return a row for each image, in the order of the images."""
    found = {int(at): row for part in parts for at, row in zip(part.rows, rows(part), strict=True)}
    return [found[at] for at in range(len(found))]
