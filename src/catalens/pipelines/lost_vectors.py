"""The pictures of records whose vectors were lost, encoded again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from catalens.catalogue.opening import open_index
from catalens.catalogue.sources.records import items_of
from catalens.core.types import Outcome, Record
from catalens.pipelines.catalogue import catalogue_encoder
from catalens.pipelines.ingest import ingest
from catalens.pipelines.session import Session


def encode_lost(path: Path, lost: Sequence[Record], session: Session) -> tuple[int, Sequence[Outcome]]:
    """Encode the pictures of records whose vectors were lost; return how many were, and what could not be read."""
    if not lost:
        return 0, ()
    encoder = catalogue_encoder(path, session)
    with open_index(path, encoder_name=encoder.name, dim=encoder.dim) as index:
        report = ingest(list(items_of(lost)), encoder, index)
    return report.added + report.updated, report.failures
