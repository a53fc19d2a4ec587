"""The pictures of a catalogue encoded again: all of them with another encoder, or those whose vectors were lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from catalens.catalogue.index import EmbeddedIndex
from catalens.catalogue.opening import open_index
from catalens.catalogue.sources.records import items_of
from catalens.core.protocols import Encoder
from catalens.core.types import Outcome, Record, Vectors
from catalens.core.vectors import batched
from catalens.pipelines.catalogue import catalogue_encoder
from catalens.pipelines.encoding import VECTOR, EncoderStage
from catalens.pipelines.engine import stream
from catalens.pipelines.ingest import ingest
from catalens.pipelines.session import Session

_BATCH = 64
"""Vectors that are written at once."""

Failed = Callable[[Outcome], None]


def reencode(
    index: EmbeddedIndex,
    encoder: Encoder,
    session: Session,
    *,
    drop: bool = False,
    on_failure: Failed,
    on_done: Callable[[int], None],
) -> None:
    """Encode every picture of a catalogue again; until that is done, no vector changes.

    Args:
        index: the catalogue, open for writing.
        encoder: the new encoder.
        session: decodes.
        drop: remove records whose picture cannot be read; without it they end the work as it began.
        on_failure: takes each picture that cannot be read.
        on_done: takes the number of pictures of each batch that were encoded.

    Raises:
        CatalogueError: a picture cannot be read, and `drop` is not set; or the catalogue cannot be written.
    """

    def blocks() -> Iterator[tuple[Sequence[str], Vectors]]:
        for some in batched(stream(items_of(index.records()), [EncoderStage(encoder)], session), _BATCH):
            rows = {event.record.id: event.values[VECTOR] for event in some if event.values is not None}
            failed = [Outcome(event.record.id, event.error) for event in some if event.values is None]
            if failed and drop:
                index.remove([failure.id for failure in failed])
            for failure in failed:
                on_failure(failure)
            on_done(len(rows))
            if rows:
                yield list(rows), np.stack(list(rows.values()))

    index.reencode(encoder.name, encoder.dim, blocks())


def encode_lost(path: Path, lost: Sequence[Record], session: Session) -> tuple[int, Sequence[Outcome]]:
    """Encode the pictures of records whose vectors were lost; return how many were, and what could not be read."""
    if not lost:
        return 0, ()
    encoder = catalogue_encoder(path, session)
    with open_index(path, encoder_name=encoder.name, dim=encoder.dim) as index:
        report = ingest(list(items_of(lost)), encoder, index)
    return report.added + report.updated, report.failures
