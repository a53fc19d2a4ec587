"""Items on their way through one pass: loading the stages' models, reading pictures in threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL.Image import Image

from catalens.catalogue.sources import Item
from catalens.core.types import Outcome
from catalens.pipelines.journal import Key
from catalens.pipelines.prefetch import content_hash, read_item
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Stage, Step, record_of


def key_of(item: Item) -> Key:
    """Return what the journal calls an item, from whatever folder the job is started again."""
    return item.id, os.path.abspath(item.source)  # noqa: PTH100 - a source need not be a path


@dataclass(slots=True)
class Work:
    """An item on its way.

    Attributes:
        item: the entry.
        number: of the entry, counted from 0.
        done: stages done for it.
        values: what they found.
        fingerprint: content hash of what the output holds under this id; None where it holds nothing.
        content_hash: of the item's content, in two parts, where an output asks for it.
        image: the decoded image, where a stage of this pass looks at it.
        error: why it cannot go on.
    """

    item: Item
    number: int
    done: int
    values: dict[str, Any]
    fingerprint: str | None = None
    content_hash: str | None = None
    image: Image | None = None
    error: str | None = None
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What the journal calls it."""
        return key_of(self.item)

    @property
    def is_unchanged(self) -> bool:
        """Whether the output holds this very content."""
        return self.fingerprint is not None and self.fingerprint == self.content_hash

    @property
    def is_same_picture(self) -> bool:
        """Whether the output holds this very picture; its fields may differ."""
        held, now = self.fingerprint, self.content_hash
        return held is not None and now is not None and held.split(":")[0] == now.split(":")[0]

    def picture(self) -> Picture:
        """Return what stages are given."""
        return Picture(record_of(self.item), self.image, self.values, self.memo)


class Pass:
    """The stages from `start` to `end`, which one pass over the entries does."""

    def __init__(self, stages: Sequence[Stage], start: int, end: int, session: Session, *, hashed: bool) -> None:
        self.stages, self.start, self.end, self._session = stages, start, end, session
        self.is_last = end == len(stages)
        self.steps: dict[int, Step] = {}
        self._hashed = hashed

    @property
    def name(self) -> str:
        """What is being made, for people."""
        return " and ".join(stage.name for stage in self.stages[self.start : self.end])

    @property
    def batch_size(self) -> int:
        """Pictures per call: as many as every loaded step takes."""
        return min((step.batch_size for step in self.steps.values()), default=1)

    def load_steps(self, work: Work) -> None:
        """Load the stages that this item still needs."""
        for number in range(work.done, self.end):
            if number not in self.steps:
                self.steps[number] = self.stages[number].load(self._session)

    def close(self) -> None:
        """Have the steps send their final notices."""
        for step in self.steps.values():
            if step.finish is not None:
                step.finish()

    def read(self, works: Sequence[Work]) -> Sequence[Work]:
        """Hash and decode what is needed of some items; called in threads, and never raises."""
        for work in works:
            self._read(work)
        return works

    def _read(self, work: Work) -> None:
        steps = [self.steps[number] for number in range(work.done, self.end) if number in self.steps]
        looks = any(step.reads_images for step in steps)
        if not looks and not self._hashed:
            return

        def wanted(content: bytes | None) -> bool:
            if self._hashed and content is not None:
                work.content_hash = content_hash(content, work.item)
            return looks and not (self._hashed and work.is_same_picture)

        found = read_item(work.item, self.size_wh, wanted, limits=self._session.config.limits)
        if isinstance(found, Outcome):
            work.error = found.error
        else:
            work.image = found

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """The least size that is enough for every step; None where one wants whole images."""
        sizes = [step.size_wh for step in list(self.steps.values()) if step.reads_images]
        wanted = [size for size in sizes if size is not None]
        if len(wanted) < len(sizes) or not sizes:
            return None
        return max(width for width, _ in wanted), max(height for _, height in wanted)
