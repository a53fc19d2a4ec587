"""Pictures and texts into vectors, for every stage that works with an encoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from catalens.catalogue.sources import Entry
from catalens.core.protocols import Encoder
from catalens.core.types import Record, Vectors
from catalens.core.vectors import batched
from catalens.models.routing import RoutedImages, Router, SingleEncoder, joined
from catalens.pipelines.engine import run_job
from catalens.pipelines.events import Callbacks
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Step, Values

VECTOR, ENCODER = "vector", "encoder"
BATCH_SIZE = 32
_TEXTS = 256


def encode_pictures(pictures: Sequence[Picture], router: Router, session: Session) -> RoutedImages:
    """Encode pictures, each once however many stages ask for it.

    Raises:
        ModelError: an encoder failed, or returned something else than one finite row per picture.
    """
    key = f"encoder:{router.name}"
    missing = [picture for picture in pictures if key not in picture.memo]
    if missing:
        images = [picture.pixels(router.input_size_wh) for picture in missing]
        with session.lock(router.name):
            routed = router.encode_images(images)
        for picture, row in zip(missing, routed.split(), strict=True):
            picture.memo[key] = row
    return joined([picture.memo[key] for picture in pictures])


def encode_texts(texts: Sequence[str], encoder: Encoder, session: Session | None = None) -> Vectors:
    """Encode any number of texts: (n, dim) vectors, in order."""
    blocks: list[Vectors] = [np.zeros((0, encoder.dim), dtype=np.float32)]
    with (session or Session()).lock(encoder.name):
        blocks += [encoder.encode_texts(batch) for batch in batched(texts, _TEXTS)]
    return np.concatenate(blocks)


def encoder_step(encoder: Encoder, session: Session, batch_size: int = BATCH_SIZE) -> Step:
    """Return the step that gives each picture its vector (dim,) and the encoder's name."""
    router = SingleEncoder(encoder)

    def run(pictures: Sequence[Picture]) -> list[Values]:
        rows = encode_pictures(pictures, router, session).split()
        return [{VECTOR: vector, ENCODER: encoder.name} for _, vector in rows]

    return Step(run, size_wh=encoder.input_size_wh, batch_size=batch_size)


@dataclass(frozen=True, slots=True)
class EncoderStage:
    """Vectors by an encoder that is loaded already; it cannot be sent to a worker."""

    encoder: Encoder
    batch_size: int = BATCH_SIZE
    name = "encoding"
    gives = (VECTOR, ENCODER)

    def load(self, session: Session) -> Step:
        """Return the step."""
        return encoder_step(self.encoder, session, self.batch_size)


@dataclass(frozen=True, slots=True)
class EmbedStage:
    """Vectors of pictures, all by one encoder.

    Attributes:
        encoder: its name; None is the configured one, or the bundled product encoder.
    """

    encoder: str | None = None
    name = "vectors"
    gives = (VECTOR, ENCODER)

    def load(self, session: Session) -> Step:
        """Load the encoder."""
        return encoder_step(session.encoder(self.encoder), session)


def encode_entries(
    entries: Iterable[Entry], encoder: Encoder, session: Session, callbacks: Callbacks
) -> tuple[list[Record], Vectors]:
    """Encode every picture that can be read: n records and (n, dim) vectors, in order.

    Args:
        entries: items, and outcomes for what is not one.
        encoder: makes the vectors.
        session: of the job.
        callbacks: called with failures and progress.
    """
    records: list[Record] = []
    rows: list[Vectors] = [np.zeros((0, encoder.dim), dtype=np.float32)]

    def result(record: Record, values: Values) -> None:
        records.append(record)
        rows.append(values[VECTOR][None])

    run_job(entries, [EncoderStage(encoder)], session=session, callbacks=replace(callbacks, on_result=result))
    return records, np.concatenate(rows)
