"""Encodes the pictures of an index again, with another encoder, into another index or one that takes its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from catalens.catalogue.migrating import changed, loading
from catalens.catalogue.opening import open_index, shown
from catalens.catalogue.replacing import Replacement, replacement_of
from catalens.catalogue.sources.records import items_of
from catalens.core.errors import CatalogueError, InputError
from catalens.core.protocols import Encoder, Index
from catalens.core.types import Outcome, Record
from catalens.core.vectors import batched
from catalens.pipelines.encoding import VECTOR, EncoderStage
from catalens.pipelines.engine import stream
from catalens.pipelines.events import Event
from catalens.pipelines.session import Session

_LOOKUP, _WRITTEN = 500, 64
"""Records that the destination is asked about at once, and that are written at once."""


@dataclass(frozen=True, slots=True)
class Reencoding:
    """What a re-encoding did.

    Attributes:
        encoded: records whose pictures were encoded.
        skipped: records that were encoded already, by a run that was stopped.
        failures: pictures that cannot be read any more.
        records: how many records the new index holds.
        kept: where the replaced index is kept; None where nothing was replaced.
    """

    encoded: int
    skipped: int
    failures: Sequence[Outcome]
    records: int
    kept: str | None = None


@dataclass
class _Counts:
    encoded: int = 0
    skipped: int = 0
    failures: dict[str, Outcome] = field(default_factory=dict)


def reencode_into(
    source: str | Path,
    destination: str | Path,
    encoder: Encoder,
    *,
    session: Session,
    on_progress: Callable[[int, int], None] | None = None,
) -> Reencoding:
    """Copy an index into one of another encoder; a copy that was stopped continues, and the source stays as it is.

    Args:
        source: path or address of an index.
        destination: path or address; created if it does not exist.
        encoder: of the destination.
        session: decodes and encodes.
        on_progress: called with how many records are done, and how many there are.

    Raises:
        CatalogueError: the destination was filled by another encoder, or either index fails.
    """
    counts = _Counts()
    with (
        open_index(source, read_only=True) as held,
        open_index(destination, encoder_name=encoder.name, dim=encoder.dim) as to,
        loading(to, len(held)),
    ):
        _fill(held, to, encoder, session, counts, on_progress)
        return Reencoding(counts.encoded, counts.skipped, tuple(counts.failures.values()), len(to))


def reencode_beside(
    uri: str | Path,
    encoder: Encoder,
    *,
    session: Session,
    skip_unreadable: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Reencoding:
    """Encode an index again into a new one, which then takes its place; the old one is kept.

    Args:
        uri: path or address of the index.
        encoder: of the new index.
        session: decodes and encodes.
        skip_unreadable: leave records out whose picture cannot be read; otherwise the old index stays in use.
        on_progress: called with how many records are done, and how many there are.

    Raises:
        InputError: the index is of this encoder already.
        CatalogueError: an earlier old index is still kept, or the index fails.
    """
    with closing(replacement_of(uri)) as replacement:
        if (found := _already(uri, encoder, replacement)) is not None:
            return found
        replacement.prepare(encoder.name, encoder.dim)
        counts = _Counts()
        with (
            open_index(uri, read_only=True) as held,
            open_index(replacement.new) as to,
            loading(to, len(held)),
        ):
            _fill(held, to, encoder, session, counts, on_progress)
            records = len(to)
        kept = None
        if not counts.failures or skip_unreadable:
            _swap(uri, replacement, encoder, session, counts, drop_missing=skip_unreadable)
            kept = replacement.old
        return Reencoding(counts.encoded, counts.skipped, tuple(counts.failures.values()), records, kept)


def _already(uri: str | Path, encoder: Encoder, replacement: Replacement) -> Reencoding | None:
    """Return what an earlier run did that was stopped right after the swap."""
    with open_index(uri, read_only=True) as index:
        if index.encoder_name != encoder.name:
            return None
        if not replacement.kept():
            raise InputError(f"{shown(uri)} is of {encoder.name} already; name another encoder")
        return Reencoding(0, len(index), (), len(index), replacement.old)


def _swap(
    uri: str | Path,
    replacement: Replacement,
    encoder: Encoder,
    session: Session,
    counts: _Counts,
    *,
    drop_missing: bool,
) -> None:
    def catch_up() -> None:
        late = _Counts()
        with open_index(uri, read_only=True) as held, open_index(replacement.new) as to:
            _fill(held, to, encoder, session, late, None)
            _forget(held, to)
        counts.encoded += late.encoded
        counts.failures |= late.failures
        if late.failures and not drop_missing:
            raise CatalogueError(f"{shown(uri)} stays as it is: {next(iter(late.failures.values())).error}")

    replacement.swap(catch_up, drop_missing=drop_missing)


def _fill(
    held: Index,
    to: Index,
    encoder: Encoder,
    session: Session,
    counts: _Counts,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """Encode what the new index lacks or has otherwise."""
    total = len(held)

    def lacking() -> Iterator[Record]:
        for some in batched(held.records(), _LOOKUP):
            ids = [record.id for record in some]
            wanted = list(changed(some, to.get(ids), held.hashes(ids), to.hashes(ids), hashes_needed=False))
            counts.skipped += len(some) - len(wanted)
            yield from wanted

    for events in batched(stream(items_of(lacking()), [EncoderStage(encoder)], session), _WRITTEN):
        _write(held, to, [event for event in events if event.values is not None])
        failed = [Outcome(event.record.id, event.error) for event in events if event.values is None]
        counts.failures |= {failure.id: failure for failure in failed}
        counts.encoded += len(events) - len(failed)
        if on_progress is not None:
            on_progress(counts.encoded + counts.skipped + len(counts.failures), total)


def _write(held: Index, to: Index, events: Sequence[Event]) -> None:
    if events:
        records = [event.record for event in events]
        hashes = held.hashes([record.id for record in records])
        vectors = np.stack([event.values[VECTOR] for event in events if event.values is not None])
        to.add(records, vectors, [hashes.get(record.id) for record in records])


def _forget(held: Index, to: Index) -> None:
    """Remove records that were removed from the old index since they were encoded."""
    for some in batched(to.records(), _LOOKUP):
        there = held.get([record.id for record in some])
        if gone := [record.id for record, other in zip(some, there, strict=True) if other is None]:
            to.remove(gone)
