"""Pictures read ahead and encoded in batches, for commands that need no index; and what became of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import typer

from catalens.cli import output
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from catalens.catalogue.sources import Entry
    from catalens.core.protocols import Encoder
    from catalens.core.types import Outcome, Record, Vectors

_BATCH = 32
_CHUNK = 4
_TEXTS = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """A few pictures in the order in which they came: n records with (n, dim) vectors, and what failed among them.

    The n decoded pictures are there for whoever else wants to look at them.
    """

    records: Sequence[Record]
    vectors: Vectors
    failures: Sequence[Outcome]
    images: Sequence[Image]


def encoded(
    entries: Iterable[Entry], encoder: Encoder, *, whole: bool = False, size_wh: tuple[int, int] | None = None
) -> Iterator[Batch]:
    """Decode entries in threads while the caller's thread encodes; what cannot be read is a failure of its batch.

    Args:
        entries: pictures, or why there is none.
        encoder: makes the vectors.
        whole: decode pictures at their full size, for a reader that looks at them too.
        size_wh: decode them at least so large, for another encoder that looks at some; None for what this one needs.
    """
    from catalens.core.types import Outcome
    from catalens.core.vectors import batched
    from catalens.pipelines.prefetch import Loaded, load, map_ahead

    workers = os.cpu_count() or 1
    read = partial(load, size_wh=None if whole else size_wh or encoder.input_size_wh)
    unknown = ([(entry, None) for entry in chunk] for chunk in batched(entries, _CHUNK))
    with closing(map_ahead(read, unknown, workers=workers, ahead=_BATCH // _CHUNK + workers)) as chunks:
        for batch in batched((each for chunk in chunks for each in chunk), _BATCH):
            ready = [each for each in batch if isinstance(each, Loaded)]
            images = [each.image for each in ready if each.image is not None]
            yield Batch(
                [each.record for each in ready],
                encoder.encode_images(images),
                [each for each in batch if isinstance(each, Outcome)],
                images,
            )


class Tally:
    """Counts what a command did, reports failures as they come, and knows the exit code."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.done = 0
        self.failed = 0

    def count(self, batch: Batch) -> int:
        """Take note of a batch and give how many items have been met."""
        self.done += len(batch.records)
        self.report(batch.failures)
        return self.done + self.failed

    def report(self, failures: Sequence[Outcome]) -> None:
        """Say what failed and why: a red line each, and a JSON line where those are written."""
        self.failed += len(failures)
        for failure in failures:
            output.say(f"failed: {failure.error}", style="red")
            if self.as_json:
                output.emit({"id": failure.id, "error": failure.error})

    def finish(self, *, empty_is_fine: bool = False) -> None:
        """End the command with 1 if some items failed.

        Raises:
            InputError: there was not a single item.
        """
        if self.done + self.failed == 0 and not empty_is_fine:
            raise InputError("no pictures were found; give files, folders or tables with some")
        if self.failed:
            output.say(f"{self.failed} of {self.done + self.failed} items failed", style="red")
            raise typer.Exit(1)


def encode_all(
    entries: Iterable[Entry], encoder: Encoder, tally: Tally, total: int | None = None
) -> tuple[list[Record], Vectors]:
    """Encode everything that can be read: n records and (n, dim) vectors, in order."""
    import numpy as np

    records: list[Record] = []
    blocks: list[Vectors] = [np.zeros((0, encoder.dim), dtype=np.float32)]
    with output.progress("reading pictures", total) as update:
        for batch in encoded(entries, encoder):
            records += batch.records
            blocks.append(batch.vectors)
            update(tally.count(batch))
    return records, np.concatenate(blocks)


def encode_words(words: Sequence[str], encoder: Encoder) -> Vectors:
    """Encode any number of texts: (n, dim) vectors, in order."""
    import numpy as np

    from catalens.core.vectors import batched

    blocks: list[Vectors] = [np.zeros((0, encoder.dim), dtype=np.float32)]
    return np.concatenate(blocks + [encoder.encode_texts(batch) for batch in batched(words, _TEXTS)])
