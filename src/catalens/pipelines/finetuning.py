"""Labelled tables for fine-tuning: images encoded once and kept on disk, rows split by product, labels from columns."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from catalens.catalogue.sources import Entry, Item
from catalens.core.content import read_content
from catalens.core.errors import ImageError, InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Outcome, Record, Vectors
from catalens.core.vectors import batched
from catalens.models.cache import default_cache
from catalens.pipelines.encoding import VECTOR, EncoderStage
from catalens.pipelines.engine import run_job
from catalens.pipelines.events import Callbacks
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Values, record_of
from catalens.tasks.schema import DEFAULT_TEMPLATES, Group, Label, Schema
from catalens.training.finetune.features import FeatureCache
from catalens.training.finetune.splits import SHARES, SPLITS, Split, split_rows

TITLES = ("title", "name", "productDisplayName", "product_name")
"""Columns with the title of a product."""
SHARES_LEFT: Mapping[tuple[Split, ...], Mapping[Split, float]] = {
    (): SHARES,
    ("val",): {"train": 0.9, "test": 0.1},
    ("test",): {"train": 0.8, "val": 0.2},
    ("test", "val"): {"train": 1.0},
}
"""Tables of their own → shares of the train table."""
_CHUNK = 256
_MAX_BYTES = 1 << 28
_MIN_ROWS = 3
"""A value of a column with fewer rows becomes no label: there is nothing to learn, choose and test with."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedTable:
    """n images with their fields.

    Attributes:
        records: n of them.
        vectors: (n, dim), unit rows.
        hashes: n, of the images' content.
    """

    records: Sequence[Record]
    vectors: Vectors
    hashes: Sequence[str]


def encode_table(
    entries: Iterable[Entry],
    encoder: Encoder,
    session: Session,
    *,
    limit: int | None = None,
    on_failure: Callable[[Outcome], None],
    on_progress: Callable[[int], None] = lambda _: None,
) -> EncodedTable:
    """Encode the images of a table, or take their vectors from the cache on disk.

    Args:
        entries: of a source.
        encoder: makes the vectors.
        session: its cache folder keeps them.
        limit: the most entries to read; None for all.
        on_failure: called for each entry without a readable image.
        on_progress: called with the number of entries read so far.
    """
    records: list[Record] = []
    hashes: list[str] = []
    blocks: list[Vectors] = [np.zeros((0, encoder.dim), dtype=np.float32)]
    folder = (session.config.cache or default_cache()) / "features"
    with FeatureCache(folder, encoder.fingerprint, (encoder.dim,), np.float32) as cache:
        met = 0
        for chunk in batched(islice(entries, limit), _CHUNK):
            found = _hashed(chunk, on_failure)
            failed = _encode_missing(found, encoder, session, cache, on_failure)
            kept = [(item, key) for item, key in found if key not in failed]
            records += [record_of(item) for item, _ in kept]
            hashes += [key for _, key in kept]
            blocks.append(cache.get([key for _, key in kept]))
            met += len(chunk)
            on_progress(met)
    return EncodedTable(records, np.concatenate(blocks), hashes)


def _hashed(entries: Iterable[Entry], on_failure: Callable[[Outcome], None]) -> list[tuple[Item, str]]:
    found: list[tuple[Item, str]] = []
    for entry in entries:
        if not isinstance(entry, Item):
            on_failure(entry)
            continue
        try:
            content, _ = read_content(entry.picture, max_bytes=_MAX_BYTES)
        except ImageError as error:
            on_failure(Outcome(entry.id, str(error)))
            continue
        found.append((entry, hashlib.blake2b(content, digest_size=16).hexdigest()))
    return found


def _encode_missing(
    found: Sequence[tuple[Item, str]],
    encoder: Encoder,
    session: Session,
    cache: FeatureCache,
    on_failure: Callable[[Outcome], None],
) -> set[str]:
    """Encode what the cache lacks; return the keys of images that cannot be encoded."""
    held = cache.known([key for _, key in found])
    missing = {item.id: (item, key) for item, key in found if key not in held}
    made: dict[str, Vectors] = {}

    def result(record: Record, values: Values) -> None:
        made[missing[record.id][1]] = values[VECTOR]

    if missing:
        run_job(
            [item for item, _ in missing.values()],
            [EncoderStage(encoder)],
            session=session,
            callbacks=Callbacks(on_result=result, on_failure=on_failure),
        )
        cache.put(made)
    return {key for _, key in missing.values()} - set(made)


def sides_of(tables: Mapping[Split, EncodedTable], *, seed: int) -> dict[Split, tuple[EncodedTable, list[int]]]:
    """Return the table and rows of each side; what has no table of its own is split off the train table.

    Rows of the train table with a product of the other tables are left out, so that nothing leaks.

    Args:
        tables: the one for train; those for val and test where there are some.
        seed: of the split.
    """
    table = tables["train"]
    keys = product_keys(table)
    given = {name: each for name, each in tables.items() if name != "train"}
    taken = {key for each in given.values() for row in product_keys(each) for key in row if key}
    free = [at for at, row in enumerate(keys) if not taken & set(row)]
    split = split_rows([keys[at] for at in free], seed=seed, shares=SHARES_LEFT[tuple(sorted(given))])
    sides: dict[Split, tuple[EncodedTable, list[int]]] = {
        name: (table, [at for at, side in zip(free, split, strict=True) if side == name]) for name in SPLITS
    }
    return sides | {name: (each, list(range(len(each.records)))) for name, each in given.items()}


def product_keys(table: EncodedTable) -> list[list[str]]:
    """Return what identifies the product of each row: the hash of its image, and its title."""
    keys: list[list[str]] = []
    for record, key in zip(table.records, table.hashes, strict=True):
        keys.append([key, " ".join(title_of(record).casefold().split())])
    return keys


def title_of(record: Record) -> str:
    """Return the title of a product; "" where it has none."""
    return next((str(record.fields[name]) for name in TITLES if record.fields.get(name)), "")


def schema_from_column(table: EncodedTable, column: str) -> Schema:
    """Return a schema with one group whose labels are the values of a column.

    Raises:
        InputError: there is no such column, or it has fewer than two values that occur often enough.
    """
    counts = Counter(str(record.fields[column]).strip() for record in table.records if record.fields.get(column))
    names = sorted(name for name, rows in counts.items() if rows >= _MIN_ROWS and name)
    if not counts:
        columns = sorted({name for record in table.records for name in record.fields})
        raise InputError(f"the table has no column {column!r}; its columns are: {', '.join(columns)}")
    if len(names) < 2:
        raise InputError(
            f"the column {column!r} has {len(names)} values with {_MIN_ROWS} rows or more; at least 2 are needed"
        )
    labels = tuple(Label(name, (name,)) for name in names)
    return Schema(column, (Group(column, "exclusive", labels, templates=DEFAULT_TEMPLATES),))
