"""The stages of a job: what loads a model, what it is given, and which of them go over the pictures together."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image

from catalens.catalogue.sources import Item
from catalens.core.errors import CatalensError
from catalens.core.types import Outcome, Record
from catalens.pipelines.journal import Key
from catalens.pipelines.prefetch import load

Values = Mapping[str, Any]
"""What is found of a picture: names and JSON values."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a stage is given.

    Attributes:
        record: id, source and fields of the entry.
        image: the decoded RGB picture.
        values: what the stages before have found.
    """

    record: Record
    image: Image
    values: Values


@dataclass(frozen=True, slots=True)
class Step:
    """A loaded model at work.

    Attributes:
        run: gives one mapping for each picture, in order, which is added to what is known of the picture, or an error
            where that picture alone fails. If it raises, it is tried again with fewer pictures.
        size_wh: the size that pictures may be brought to when they are read; None reads them whole.
        batch_size: pictures given at once.
        close: lets go of the model; None where forgetting it is enough.
    """

    run: Callable[[Sequence[Picture]], Sequence[Values | CatalensError]]
    size_wh: tuple[int, int] | None = None
    batch_size: int = 8
    close: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a job: a name for people, and what loads its model."""

    name: str
    load: Callable[[], Step]


def key_of(item: Item) -> Key:
    """Return what the journal calls an item, from whatever folder the job is started again."""
    return item.id, os.path.abspath(item.source)  # noqa: PTH100 - a source need not be a path


@dataclass(slots=True)
class Work:
    """An item on its way.

    Attributes:
        item: the entry.
        done: how many stages are done for it.
        values: what they found.
        image: its picture, where this round has something to do for it.
        error: why it cannot go on.
    """

    item: Item
    done: int
    values: dict[str, Any]
    image: Image | None = None
    error: str | None = None

    @property
    def key(self) -> Key:
        """What the journal calls it."""
        return key_of(self.item)

    @property
    def record(self) -> Record:
        """What stages and outputs know of it."""
        return Record(self.item.id, self.item.source, self.item.fields)


class Round:
    """The stages from `start` to `end`, which one pass over the entries does; their models live as long as it."""

    def __init__(self, stages: Sequence[Stage], start: int, end: int) -> None:
        self.stages, self.start, self.end = stages, start, end
        self.is_last = end == len(stages)
        self.steps: dict[int, Step] = {}

    @property
    def name(self) -> str:
        """What is being done, for people."""
        return " and ".join(stage.name for stage in self.stages[self.start : self.end])

    @property
    def batch_size(self) -> int:
        """Pictures to be given at once: as many as every loaded model takes."""
        return min((step.batch_size for step in self.steps.values()), default=1)

    def make_ready(self, work: Work) -> None:
        """Load the models that this item still needs."""
        for number in range(work.done, self.end):
            if number not in self.steps:
                self.steps[number] = self.stages[number].load()

    def close(self) -> None:
        """Let go of the models."""
        for step in self.steps.values():
            if step.close is not None:
                step.close()
        self.steps.clear()
        gc.collect()  # a model is a web of references: its memory comes back only now

    def read(self, work: Work) -> Work:
        """Decode the item's picture, if one is needed; called in threads."""
        if work.done < self.end:
            read = load([(work.item, None)], self._size_wh())[0]
            if isinstance(read, Outcome):
                work.error = read.error
            else:
                work.image = read.image
        return work

    def _size_wh(self) -> tuple[int, int] | None:
        """Return the size that is enough for every model."""
        sizes = [step.size_wh for step in list(self.steps.values())]
        wanted = [size for size in sizes if size is not None]
        if len(wanted) < len(sizes):
            return None
        return max(width for width, _ in wanted), max(height for _, height in wanted)
