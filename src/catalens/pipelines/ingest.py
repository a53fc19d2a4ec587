"""Fills an index from a source: decode in threads, encode in batches, write each batch at once.

A second run, or one after a crash, does only what is not in the index yet.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from catalens.catalogue.sources import Entry, Source
from catalens.core.errors import CatalogueError, InputError, ModelError
from catalens.core.protocols import Encoder
from catalens.core.types import Outcome, Record, Vectors
from catalens.core.vectors import batched
from catalens.pipelines.halving import each_half
from catalens.pipelines.prefetch import Change, Chunk, Loaded, load, map_ahead

Stage = Literal["decoding", "encoding", "writing"]

_Encoded = tuple[Loaded, NDArray[np.float32]]
"""An item and its (dim,) vector."""

_CHUNK = 16
"""Pictures given to a thread at once."""


class Store(Protocol):
    """What ingestion needs of an index."""

    @property
    def encoder_name(self) -> str:
        """Whose vectors it holds."""

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str] | None = None) -> None:
        """Write records with their (n, dim) vectors, all or none; those with a known id are replaced."""

    def get(self, ids: Sequence[str]) -> Sequence[Record | None]:
        """Return one record per id, in order; None where there is none."""

    def hashes(self, ids: Sequence[str] | None = None) -> Mapping[str, str]:
        """Return the hashes that were added with some ids; those without one are left out."""

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return the (n, dim) vectors of ids that are there."""

    def remove(self, ids: Sequence[str]) -> int:
        """Take records out; gives how many were there."""

    def records(self) -> Iterator[Record]:
        """Return every record."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running ingestion is.

    Attributes:
        done: items that are settled, whether written, skipped or failed.
        items_per_s: since the start.
        limited_by: where most of the time goes.
    """

    done: int
    items_per_s: float
    limited_by: Stage


@dataclass(frozen=True, slots=True)
class Replaced:
    """A record that another picture with the same id took the place of, and where both lie."""

    id: str
    was: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an ingestion did.

    Attributes:
        added: new items.
        updated: items whose picture or fields had changed.
        skipped: items that were unchanged.
        removed: records whose items are gone from the source.
        failures: one outcome per item that could not be catalogued, with the reason.
        seconds: time spent waiting for decoded pictures, encoding, and writing.
        elapsed_s: time in all.
        replaced: those among the updated whose picture is another, from another place: perhaps another source's.
    """

    added: int
    updated: int
    skipped: int
    removed: int
    failures: Sequence[Outcome]
    seconds: Mapping[Stage, float]
    elapsed_s: float
    replaced: Sequence[Replaced] = ()

    @property
    def done(self) -> int:
        """Items that were met in the source."""
        return self.added + self.updated + self.skipped + len(self.failures)

    @property
    def items_per_s(self) -> float:
        """Items met per second."""
        return self.done / max(self.elapsed_s, 1e-9)

    @property
    def limited_by(self) -> Stage:
        """The stage that took the most time."""
        return _slowest(self.seconds)


def ingest(
    source: Iterable[Entry],
    encoder: Encoder,
    index: Store,
    *,
    workers: int | None = None,
    batch_size: int = 64,
    prune: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Bring an index up to date with a source.

    Pictures are decoded in threads while the caller's thread encodes, in batches, and writes each
    batch in one transaction. Unchanged items are told by a hash of content and fields, and are not
    decoded; where only the fields changed, the vector stays. A bad item never stops the others.

    Args:
        source: items, and outcomes for what is no item; see `open_source`.
        encoder: must be the index's own.
        index: is written to; whatever stops the job, it holds what was written until then.
        workers: threads that decode; None takes one per processor.
        batch_size: pictures encoded at once and written at once.
        prune: remove records (with the source's id prefix, if it has one) that it no longer has. Nothing is
            removed if it was empty, or had rows whose id could not be read: they might be those that are missed.
        on_progress: called every few items, in the caller's thread.

    Raises:
        InputError: workers or batch_size is less than 1.
        CatalogueError: the index belongs to another encoder, or cannot be written.
    """
    workers = workers if workers is not None else os.cpu_count() or 1
    if workers < 1 or batch_size < 1:
        raise InputError(f"workers and batch_size must be at least 1, not {workers} and {batch_size}")
    if index.encoder_name != encoder.name:
        raise CatalogueError(f"the index holds vectors of {index.encoder_name!r}, not of {encoder.name!r}")
    job = _Job(encoder, index, batch_size, on_progress)
    chunk_size = max(1, min(_CHUNK, batch_size // workers))
    ahead = -(-batch_size // chunk_size) + workers  # the next batch, and work for everybody while it is taken
    work = partial(load, size_wh=encoder.input_size_wh)
    with closing(map_ahead(work, job.chunks(source, chunk_size), workers=workers, ahead=ahead)) as loaded:
        job.run(loaded)
    if prune:
        job.prune(source.id_prefix if isinstance(source, Source) else "")
    return job.report()


class _Job:
    """The state of one ingestion; all of it belongs to the caller's thread."""

    def __init__(
        self, encoder: Encoder, index: Store, batch_size: int, on_progress: Callable[[Progress], None] | None
    ) -> None:
        self._encoder, self._index = encoder, index
        self._batch_size = batch_size
        self._on_progress = on_progress
        self._started_s = time.perf_counter()
        self._seconds: dict[Stage, float] = {"decoding": 0.0, "encoding": 0.0, "writing": 0.0}
        self._counts: Counter[Change] = Counter()
        self._removed = 0
        self._failures: list[Outcome] = []
        self._replaced: list[Replaced] = []
        self._met: set[str] = set()
        self._new: list[Loaded] = []
        self._restated: list[Loaded] = []

    def chunks(self, source: Iterable[Entry], chunk_size: int) -> Iterator[Chunk]:
        """Cut the source into chunks, each entry beside its hash; the index is asked once per batch."""
        for entries in batched(source, self._batch_size):
            ids = [entry.id for entry in entries]
            self._met.update(ids)
            known = self._index.hashes(ids)
            yield from batched(((entry, known.get(entry.id)) for entry in entries), chunk_size)

    def run(self, chunks: Iterator[list[Loaded | Outcome]]) -> None:
        """Take what the threads give, until there is no more."""
        while True:
            with self._timed("decoding"):
                chunk = next(chunks, None)
            if chunk is None:
                break
            for loaded in chunk:
                self._sort_in(loaded)
            self._flush(self._batch_size)
        self._flush(1)

    def prune(self, prefix: str) -> None:
        """Remove what was not met among the ids with a prefix, if it is certain that everything was."""
        gone = [each.id for each in self._index.records() if each.id.startswith(prefix) and each.id not in self._met]
        if gone and self._met <= {""}:
            self._failures.append(Outcome("", "the source is empty, so nothing was removed from the index"))
        elif gone and "" in self._met:
            reason = f"{len(gone)} records were not met, but some rows had no readable id, so nothing was removed"
            self._failures.append(Outcome("", reason))
        else:
            with self._timed("writing"):
                self._removed = self._index.remove(gone)

    def report(self) -> Report:
        """Sum up."""
        return Report(
            added=self._counts["added"],
            updated=self._counts["updated"],
            skipped=self._counts["skipped"],
            removed=self._removed,
            failures=tuple(self._failures),
            seconds=dict(self._seconds),
            elapsed_s=time.perf_counter() - self._started_s,
            replaced=tuple(self._replaced),
        )

    def _sort_in(self, loaded: Loaded | Outcome) -> None:
        if isinstance(loaded, Outcome):
            self._failures.append(loaded)
        elif loaded.change == "skipped":
            self._counts["skipped"] += 1
        else:
            (self._restated if loaded.image is None else self._new).append(loaded)

    def _flush(self, at_least: int) -> None:
        """Write what waits, in batches, down to less than `at_least`."""
        while len(self._new) >= at_least:
            batch, self._new = self._new[: self._batch_size], self._new[self._batch_size :]
            with self._timed("encoding"):
                encoded = each_half(self._encode, batch, Exception, self._fail)
            self._write(encoded)
        if len(self._restated) >= at_least:
            ids = [loaded.record.id for loaded in self._restated]
            self._write(list(zip(self._restated, self._index.vectors(ids), strict=True)))
            self._restated = []
        if self._on_progress is not None:
            done = self._counts.total() + len(self._failures)
            elapsed_s = time.perf_counter() - self._started_s
            self._on_progress(Progress(done, done / max(elapsed_s, 1e-9), _slowest(self._seconds)))

    def _encode(self, batch: Sequence[Loaded]) -> list[_Encoded]:
        rows = self._encoder.encode_images([loaded.image for loaded in batch if loaded.image is not None])
        if rows.shape != (len(batch), self._encoder.dim):
            raise ModelError(f"{self._encoder.name} gave vectors of shape {rows.shape} for {len(batch)} pictures")
        if not np.isfinite(rows).all():
            raise ModelError(f"{self._encoder.name} gave a vector that is not finite")
        return list(zip(batch, rows, strict=True))

    def _write(self, encoded: list[_Encoded]) -> None:
        with self._timed("writing"):
            decoded = [loaded.record.id for loaded, _ in encoded if loaded.image is not None]
            places = {record.id: record.source for record in self._index.get(decoded) if record is not None}
            written = each_half(self._add, encoded, InputError, lambda pair, error: self._fail(pair[0], error))
        self._counts.update(loaded.change for loaded, _ in written)
        moved = ((loaded.record, places.get(loaded.record.id)) for loaded, _ in written)
        self._replaced += [Replaced(now.id, was, now.source) for now, was in moved if was and was != now.source]

    def _add(self, encoded: Sequence[_Encoded]) -> Sequence[_Encoded]:
        if encoded:
            vectors = np.stack([row for _, row in encoded])
            hashes = [loaded.hash for loaded, _ in encoded]
            self._index.add([loaded.record for loaded, _ in encoded], vectors, hashes)
        return encoded

    def _fail(self, loaded: Loaded, error: Exception) -> None:
        self._failures.append(
            Outcome(loaded.record.id, f"{loaded.record.source}: {str(error) or type(error).__name__}")
        )

    @contextmanager
    def _timed(self, stage: Stage) -> Iterator[None]:
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] += time.perf_counter() - started_s


def _slowest(seconds: Mapping[Stage, float]) -> Stage:
    return max(seconds, key=lambda stage: seconds[stage])
