"""What a job does to each picture: stages are specifications, steps are loaded models at work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, Protocol

from PIL.Image import Image

from catalens.catalogue.sources import Item
from catalens.core.errors import CatalensError
from catalens.core.images import Source as ImageSource
from catalens.core.images import read_image
from catalens.core.types import Record
from catalens.pipelines.session import Session

Values = Mapping[str, Any]
"""What was found in a picture: names and values that JSON can hold (vectors: float32 arrays)."""


@dataclass(slots=True)
class Picture:
    """One picture on its way through the stages.

    Attributes:
        record: id, source and fields of the item.
        image: the decoded RGB image; None where no stage looks at it.
        values: what earlier stages found.
        memo: what models computed of the image, by model; shared by the stages of one pass.
    """

    record: Record
    image: Image | None
    values: Values = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict)

    def pixels(self, size_wh: tuple[int, int] | None = None) -> Image:  # noqa: ARG002 - subclasses use it
        """Return the decoded image; `size_wh` is the least size that a model needs.

        Raises:
            ValueError: the picture was not decoded, since no stage asked for it.
        """
        if self.image is None:
            raise ValueError(f"{self.record.id} was not decoded: its stages look at no image")
        return self.image


@dataclass(slots=True)
class EncodedPicture(Picture):
    """A picture that is decoded for each model at the size it needs, from content that is kept."""

    content: ImageSource = b""

    def pixels(self, size_wh: tuple[int, int] | None = None) -> Image:
        """Return the image decoded for a model that needs at least this size; None is the whole image."""
        return read_image(self.content, at_least=size_wh, name=self.record.source)


@dataclass(frozen=True, slots=True)
class Step:
    """A loaded stage.

    Attributes:
        run: returns one mapping per picture, in order, which is added to the picture's values, or an error where
            that picture alone fails. If it raises, it is tried again with fewer pictures.
        size_wh: the least size that pictures may be decoded to; None keeps about 4 million pixels.
        batch_size: pictures per call.
        finish: called once after the last picture.
        max_failures: failures of a model, one after the other, that are no longer the pictures' fault.
        reads_images: whether `run` looks at pixels; otherwise nothing is decoded for it.
    """

    run: Callable[[Sequence[Picture]], Sequence[Values | CatalensError]]
    size_wh: tuple[int, int] | None = None
    batch_size: int = 8
    finish: Callable[[], None] | None = None
    max_failures: int = 16
    reads_images: bool = True


class Stage(Protocol):
    """One part of a job, as a small value that can be pickled: a worker loads it with a session of its own.

    Stages are frozen dataclasses: equal ones do the same.
    """

    @property
    def name(self) -> str:
        """What it makes, for people, such as "captions"."""

    @property
    def gives(self) -> tuple[str, ...]:
        """The names of the values that it adds."""

    def load(self, session: Session) -> Step:
        """Load what it needs; called when its first picture is there.

        Raises:
            CatalensError: a model or a file cannot be had.
        """


def identity(stages: Sequence[Stage], session: Session) -> list[Any]:
    """Return everything that results depend on beside the pictures, as JSON values: what a journal is checked by."""
    config = session.config
    about = [[type(stage).__name__, asdict(stage) if is_dataclass(stage) else repr(stage)] for stage in stages]
    return [config.encoder, config.reader, config.quantise, about]


def record_of(item: Item) -> Record:
    """Return what stages and outputs know of an item."""
    return Record(item.id, item.source, item.fields)
