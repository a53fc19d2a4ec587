"""Stages that only the service has: vectors of texts, and searches of catalogues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from catalens.core.classes import THINGS
from catalens.core.errors import CatalensError, InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Hit, Vectors
from catalens.pipelines.catalogue import Catalogue
from catalens.pipelines.encoding import BATCH_SIZE, ENCODER, encode_pictures, encode_texts
from catalens.pipelines.session import Session
from catalens.pipelines.stages import EncodedPicture, Picture, Step, Values
from catalens.tasks.class_labels import ClassRows, classes_of, label_rows
from catalens.tasks.probabilities import exclusive, independent
from catalens.tasks.prompts.scoring import CountsTokens

TEXTS, VECTORS, TOKENS = "texts", "vectors", "tokens"


@dataclass(frozen=True, slots=True)
class TextStage:
    """Vectors of texts, by the encoder that `EmbedStage` uses for pictures, and how many tokens it read.

    An item of the queue carries several texts in `values["texts"]`, since one costs a tenth of a picture.
    """

    name = "texts"
    gives = (VECTORS, TOKENS, ENCODER)

    def load(self, session: Session) -> Step:
        """Load the encoder."""
        encoder = session.encoder()
        # An encoder of somebody else's need not tell tokens; words are the nearest that is known.
        count = encoder.count_tokens if isinstance(encoder, CountsTokens) else _words

        def run(pictures: Sequence[Picture]) -> list[Values]:
            counts = [len(picture.values[TEXTS]) for picture in pictures]
            texts = [text for picture in pictures for text in picture.values[TEXTS]]
            # Texts of like length are packed together.
            order = np.argsort([len(text) for text in texts], kind="stable")
            vectors = np.empty((len(texts), encoder.dim), dtype=np.float32)
            vectors[order] = encode_texts([texts[at] for at in order], encoder, session)
            parts = np.split(vectors, np.cumsum(counts)[:-1])
            tokens = [sum(count(text)[1] for text in picture.values[TEXTS]) for picture in pictures]
            return [
                {VECTORS: part, TOKENS: read, ENCODER: encoder.name} for part, read in zip(parts, tokens, strict=True)
            ]

        return Step(run, batch_size=BATCH_SIZE, reads_images=False)


def _words(text: str) -> tuple[int, int]:
    words = len(text.split())
    return words, words


@dataclass(frozen=True, slots=True)
class CatalogueJob:
    """What a request wants of a catalogue; the path comes from the configuration, never from a request.

    Attributes:
        action: what to do.
        text: what is looked for, in words.
        minus: what hits should not be like.
        where: a filter on fields.
        k: maximum hits.
        mode: by likeness, by words, or by both.
        min_score: lowest cosine.
        ids: of records to get, to remove, or to find others like.
        fields: of a record to add.
    """

    action: Literal["search", "like", "get", "add", "remove"]
    text: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    where: str | None = None
    k: int = 10
    mode: Literal["vector", "keyword", "hybrid"] = "vector"
    min_score: float | None = None
    ids: tuple[str, ...] = ()
    fields: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogueStage:
    """Searches and changes one catalogue; the job is in `values["job"]`, a picture in `content`.

    Attributes:
        path: of the catalogue.
    """

    path: str
    name = "catalogue"
    gives = ("found",)

    def load(self, session: Session) -> Step:
        """Return the step; the catalogue is opened when it is first used."""
        catalogue = Catalogue(self.path, session)

        def one(picture: Picture) -> Values | CatalensError:
            try:
                return {"found": _do(catalogue, picture)}
            except CatalensError as error:
                return error

        return Step(lambda pictures: [one(each) for each in pictures], reads_images=False, batch_size=16)


def _do(catalogue: Catalogue, picture: Picture) -> Any:  # noqa: ANN401 - JSON values
    job: CatalogueJob = picture.values["job"]
    content = picture.content if isinstance(picture, EncodedPicture) and picture.content != b"" else None
    if job.action == "search":
        hits = catalogue.search(
            job.text,
            image=content,
            minus=job.minus,
            where=job.where,
            k=job.k,
            mode=job.mode,
            min_score=job.min_score,
        )
        return _rows(hits)
    if job.action == "like":
        return _rows(catalogue.like(job.ids[0], where=job.where, k=job.k))
    if job.action == "get":
        record = catalogue.get(job.ids[0])
        return None if record is None else {"id": record.id, "fields": dict(record.fields)}
    if job.action == "remove":
        return catalogue.remove(job.ids)
    return _add(catalogue, job, content)


def _rows(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    return [{"id": hit.record.id, "score": round(hit.score, 4), "fields": dict(hit.record.fields)} for hit in hits]


def _add(catalogue: Catalogue, job: CatalogueJob, content: Any) -> str:  # noqa: ANN401 - any picture
    from catalens.catalogue.sources import Item

    # A stranger chose the id: as a source it must never be read as a file of this machine or an object of a bucket.
    source = f"request:{job.ids[0]}"
    report = catalogue.add([Item(job.ids[0], content, source, dict(job.fields))])
    if report.failures:
        raise InputError(str(report.failures[0].error).removeprefix(f"{source}: "))
    return "added" if report.added else "updated" if report.updated else "unchanged"


PROBABILITIES = "probabilities"


@dataclass(frozen=True, slots=True)
class LabelStage:
    """The probability of each label, as CLIP's softmax shares it out among the given labels and nothing else.

    Where the encoder was taught classes of things, a label counts as those that it names as well.

    Attributes:
        labels: to choose from, in the caller's order.
    """

    labels: tuple[str, ...]
    name = "labels"
    gives = (PROBABILITIES, ENCODER)

    def load(self, session: Session) -> Step:
        """Load the encoders; labels are encoded when the first picture comes."""
        router = session.router()
        texts: dict[str, Vectors] = {}
        classes: dict[str, ClassRows | None] = {}

        def rows(encoder: Encoder, vectors: Vectors) -> list[Values]:
            if encoder.name not in texts:
                with session.lock(encoder.name):
                    texts[encoder.name] = session.paced(encoder).encode_texts(self.labels)
                wordings = [(label,) for label in self.labels]
                classes[encoder.name] = label_rows(classes_of(encoder, THINGS), wordings)
            cosines = vectors @ texts[encoder.name].T
            logits = np.float32(encoder.logit_scale) * cosines + np.float32(encoder.logit_bias or 0.0)
            no_unknown = np.zeros((len(logits), 0), dtype=np.float32)
            if (own := classes[encoder.name]) is not None:
                logits, _ = own.added(vectors, logits, no_unknown, encoder.logit_scale)
            shared, _ = (exclusive if encoder.logit_bias is None else independent)(logits, no_unknown)
            return [{PROBABILITIES: [round(float(each), 6) for each in row], ENCODER: encoder.name} for row in shared]

        def run(pictures: Sequence[Picture]) -> list[Values]:
            return encode_pictures(pictures, router, session).map(rows)

        return Step(run, size_wh=router.input_size_wh, batch_size=BATCH_SIZE)
