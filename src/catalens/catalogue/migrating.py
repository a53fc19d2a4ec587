"""Copies an index into another of any kind: a file to a server, a server to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from catalens.catalogue.opening import open_index, shown
from catalens.core.errors import CatalogueError
from catalens.core.protocols import Index
from catalens.core.types import Record
from catalens.core.vectors import batched

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Migration:
    """What a migration did.

    Attributes:
        copied: records that were written.
        skipped: records that the destination held already, with the same fields and content hash.
        records: how many the destination holds now; more than the sum if others were there before.
    """

    copied: int
    skipped: int
    records: int


@runtime_checkable
class Loadable(Protocol):
    """An index that loads much at once faster than bit by bit."""

    def loading(self) -> AbstractContextManager[None]:
        """Return the block in which much is loaded."""


def migrate(
    source: str | Path, destination: str | Path, *, on_progress: Callable[[int, int], None] | None = None
) -> Migration:
    """Copy every record of an index, with its vector and content hash, into another; the source stays as it is.

    A migration that was stopped continues: what the destination holds already is not copied again. Order is kept.

    Args:
        source: path or address of an index.
        destination: path or address; created for the source's encoder if it does not exist.
        on_progress: called after each batch with how many records are done, and how many there are.

    Raises:
        CatalogueError: the two are one, the destination was filled by another encoder, or either fails.
    """
    if str(source) == str(destination):
        raise CatalogueError(f"{shown(source)} cannot be copied into itself; name another destination")
    with (
        open_index(source, read_only=True) as held,
        open_index(destination, encoder_name=held.encoder_name, dim=held.dim) as to,
        loading(to, len(held)),
    ):
        total, copied, skipped = len(held), 0, 0
        for batch in batched(held.records(), _AT_ONCE):
            written = _copy(batch, held, to)
            copied, skipped = copied + written, skipped + len(batch) - written
            if on_progress is not None:
                on_progress(copied + skipped, total)
        return Migration(copied, skipped, len(to))


def loading(to: Index, records: int) -> AbstractContextManager[None]:
    """Return the block in which records are loaded: a fast one, unless they are a few beside many."""
    return to.loading() if isinstance(to, Loadable) and 2 * len(to) < records else nullcontext()


def _copy(batch: Sequence[Record], held: Index, to: Index) -> int:
    """Copy the records of a batch that the destination lacks or has otherwise; return how many."""
    ids = [record.id for record in batch]
    hashes, there = held.hashes(ids), to.hashes(ids)
    wanted = list(changed(batch, to.get(ids), hashes, there))
    if wanted:
        ids = [record.id for record in wanted]
        to.add(wanted, held.vectors(ids), [hashes.get(one) for one in ids])
    return len(wanted)


def changed(
    batch: Sequence[Record],
    found: Sequence[Record | None],
    hashes: dict[str, str],
    there: dict[str, str],
    *,
    hashes_needed: bool = True,
) -> Iterator[Record]:
    """Return the records that a destination lacks or has otherwise.

    Args:
        batch: records of the source.
        found: those of the destination, by the same ids.
        hashes: content hashes of the source.
        there: content hashes of the destination.
        hashes_needed: without a hash nothing says that a copied vector is the same; one that is made from the
            record's picture is.
    """
    for record, other in zip(batch, found, strict=True):
        known = record.id in hashes or not hashes_needed
        if not known or hashes.get(record.id) != there.get(record.id) or record != other:
            yield record
