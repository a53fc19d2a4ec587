"""Fills an index from a source: the engine, with an index as its output.

A second run, or one after a crash, does only what the index does not hold yet.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from catalens.catalogue.sources import Entry, Source
from catalens.catalogue.sources.pruning import MAX_SHARE, Pruning, plan_pruning
from catalens.core.errors import CatalogueError, InputError
from catalens.core.protocols import Encoder, Index
from catalens.core.types import Outcome, Record
from catalens.pipelines.encoding import BATCH_SIZE, VECTOR, EncoderStage
from catalens.pipelines.engine import run_job
from catalens.pipelines.events import Callbacks, JobReport, Progress
from catalens.pipelines.output import OutputRow
from catalens.pipelines.session import Session, SessionConfig
from catalens.pipelines.stages import Values

_NAMED = 3
"""Folders that a notice names."""


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
        failures: one outcome per item that could not be indexed, with the reason.
        seconds: time spent waiting for decoded pictures, encoding, and writing.
        elapsed_s: time in all.
        replaced: those among the updated whose picture is another, from another place: perhaps another source's.
        notices: sentences about records that were replaced, files that were passed over and records that were kept.
    """

    added: int
    updated: int
    skipped: int
    removed: int
    failures: Sequence[Outcome]
    seconds: Mapping[str, float]
    elapsed_s: float
    replaced: Sequence[Replaced] = ()
    notices: Sequence[str] = ()

    def counts(self) -> dict[str, int]:
        """Return what became of the items and records, as `catalens index add` prints it."""
        return {
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.skipped,
            "removed": self.removed,
            "failed": len(self.failures),
        }

    @property
    def done(self) -> int:
        """Items that were met in the source."""
        return self.added + self.updated + self.skipped + len(self.failures)

    @property
    def items_per_s(self) -> float:
        """Items met per second."""
        return self.done / max(self.elapsed_s, 1e-9)

    @property
    def limited_by(self) -> str:
        """What took the most time: "decoding", "encoding" or "writing"."""
        return max(self.seconds, key=lambda what: self.seconds[what], default="decoding")


class IndexOutput:
    """An index that takes the vectors of a job; it remembers the content of what it holds."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.counts: Counter[str] = Counter()
        self.replaced: list[Replaced] = []

    def holds(self, _record: Record) -> bool:
        """Return False: only the content tells."""
        return False

    def fingerprints(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the content hashes held under some ids."""
        return self._index.hashes(ids)

    def stored(self, ids: Sequence[str]) -> Mapping[str, Values]:
        """Return the vectors held of some ids."""
        if not ids:
            return {}
        return {one: {VECTOR: row} for one, row in zip(ids, self._index.vectors(ids), strict=True)}

    def write(self, results: Sequence[OutputRow]) -> None:
        """Write records with their vectors in one transaction.

        Raises:
            InputError: a record cannot be held.
            CatalogueError: the index cannot be written.
        """
        records = [result.record for result in results]
        ids = [record.id for record in records]
        before, hashes = self._index.get(ids), self._index.hashes(ids)
        vectors = np.stack([np.asarray(result.values[VECTOR], dtype=np.float32) for result in results])
        self._index.add(records, vectors, [result.content_hash for result in results])
        for result, was in zip(results, before, strict=True):
            record = result.record
            self.counts["added" if was is None else "updated"] += 1
            moved = was is not None and was.source and was.source != record.source
            if was is not None and moved and not _same_picture(hashes.get(record.id), result.content_hash):
                self.replaced.append(Replaced(record.id, was.source, record.source))

    def finish(self) -> None:
        """Nothing waits."""


def _same_picture(held: str | None, now: str | None) -> bool:
    return held is not None and now is not None and held.split(":")[0] == now.split(":")[0]


class _Met:
    """The entries of a source, and the ids met among them."""

    def __init__(self, source: Iterable[Entry]) -> None:
        self._source = source
        self.ids: set[str] = set()

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._source:
            self.ids.add(entry.id)
            yield entry


def ingest(
    source: Iterable[Entry],
    encoder: Encoder,
    index: Index,
    *,
    workers: int | None = None,
    batch_size: int = BATCH_SIZE,
    prune: bool | float = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Bring an index up to date with a source.

    Pictures are decoded in threads while the caller's thread encodes in batches, and writes each batch in one
    transaction. Unchanged items are recognised by a hash of content and fields, and are not decoded; where only the
    fields changed, the vector stays. A bad item never stops the others.

    Args:
        source: items, and outcomes for what is not an item; see `open_source`.
        encoder: must be the index's own.
        index: is written to; whatever stops the job, it holds what was written until then.
        workers: threads that decode; None takes one per processor.
        batch_size: pictures encoded at once and written at once.
        prune: remove records (with the source's id prefix, if it has one) that it no longer has, if they are at most
            this share of the records; True is `MAX_SHARE`. See `plan_pruning`.
        on_progress: called after each batch, in the caller's thread.

    Raises:
        InputError: workers or batch_size is less than 1.
        CatalogueError: the index belongs to another encoder, or cannot be written.
    """
    workers = workers if workers is not None else os.cpu_count() or 1
    if workers < 1 or batch_size < 1:
        raise InputError(f"workers and batch_size must be at least 1, not {workers} and {batch_size}")
    if index.encoder_name != encoder.name:
        raise CatalogueError(f"the index holds vectors of {index.encoder_name!r}, not of {encoder.name!r}")
    output, met = IndexOutput(index), _Met(source)
    stages = [EncoderStage(encoder, batch_size)]
    job = run_job(
        met,
        stages,
        [output],
        session=Session(SessionConfig(workers=workers)),
        callbacks=Callbacks(on_progress=on_progress),
    )
    removed, plan = _prune(index, met.ids, source, MAX_SHARE if prune is True else prune) if prune else (0, Pruning())
    return _report(job, output, removed, plan, source)


def _prune(index: Index, met: set[str], source: Iterable[Entry], share: float) -> tuple[int, Pruning]:
    """Remove the records that the source no longer has, as far as that is certain."""
    missed, prefix = (source.missed, source.id_prefix) if isinstance(source, Source) else (None, "")
    plan = plan_pruning((each.id for each in index.records()), met, missed, prefix=prefix, max_share=share)
    return (0 if plan.refusal else index.remove(plan.gone)), plan


def _report(job: JobReport, output: IndexOutput, removed: int, plan: Pruning, source: Iterable[Entry]) -> Report:
    notices = [_replaced_notice(output.replaced)] if output.replaced else []
    if isinstance(source, Source) and source.missed.notice:
        notices.append(source.missed.notice)
    if plan.kept:
        notices.append(_kept_notice(plan))
    return Report(
        added=output.counts["added"],
        updated=output.counts["updated"],
        skipped=job.skipped,
        removed=removed,
        failures=(*job.failures, *([Outcome("", plan.refusal)] if plan.refusal else [])),
        seconds=job.seconds,
        elapsed_s=job.elapsed_s,
        replaced=tuple(output.replaced),
        notices=tuple(notices),
    )


def _kept_notice(plan: Pruning) -> str:
    """Return which records stay although their pictures were not met, and what would have them forgotten."""
    n, folders = len(plan.kept), plan.hidden_in
    named = ", ".join(folders[:_NAMED]) + (" …" if len(folders) > _NAMED else "")
    empty, them = (
        ("is empty as without its drive", "it") if len(folders) == 1 else ("are empty as without a drive", "them")
    )
    return (
        f"{n} {'record was' if n == 1 else 'records were'} kept, as pictures may still be there: {named} could not be "
        f"listed, or {empty}; delete {them} to forget the record{'' if n == 1 else 's'}"
    )


def _replaced_notice(replaced: Sequence[Replaced]) -> str:
    """Return which pictures replaced others: a folder's ids are names, which another folder may have too."""
    first = replaced[0]
    whose = "1 record was" if len(replaced) == 1 else f"{len(replaced)} records were"
    return (
        f"{whose} replaced by another picture with the same id: {first.id} was {first.was}, and is {first.now} now. "
        "To keep both, add each source with its own --id-prefix"
    )
