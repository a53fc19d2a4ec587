"""Attributes: one value, or "unknown", for each group of a schema that applies to a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from catalens.core.errors import InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Scores, Vectors
from catalens.models.routing import EVERYDAY, PRODUCT, Router, SingleEncoder, domain
from catalens.pipelines.encoding import BATCH_SIZE, ENCODER, encode_pictures
from catalens.pipelines.reading import encode_for_reader
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Step, Values

if TYPE_CHECKING:
    from catalens.tasks.attributes import Attribute, Attributes
    from catalens.tasks.calibration import Calibration

ATTRIBUTES = "attributes"
SCHEMAS = {"fashion": PRODUCT, "everyday": EVERYDAY}
"""Bundled schema → the bundled encoder that was calibrated for it."""


class SchemaReader(Protocol):
    """Reads attributes from vectors (n, dim), and from a reader's answers: group → (n, m) probabilities."""

    def __call__(self, vectors: Vectors, answered: Mapping[str, Scores] | None = None, /) -> list[Attributes]:
        """Return n mappings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeStage:
    """Attributes from an encoder, and from a reader where it was measured to be better.

    Attributes:
        schema: a bundled name or a .yaml file; None reads products with "fashion" and other pictures with "everyday".
        threshold: the probability that a value needs where none was learned; None is 0.35.
        calibration: file of learned thresholds; None takes those that came with the encoder.
        sources: file of `catalens eval attributes`: which groups its reader answers.
        encoder: its name; None takes the configured one, or chooses by the picture.
    """

    schema: str | None = None
    threshold: float | None = None
    calibration: Path | None = None
    sources: Path | None = None
    encoder: str | None = None
    name = ATTRIBUTES
    gives = (ATTRIBUTES, ENCODER)

    def load(self, session: Session) -> Step:
        """Load the encoders, and the reader if the sources name one."""
        if self.sources is not None:
            return self._with_answers(self.sources, session)
        router = router_for(session, self.encoder, self.schema, self.calibration)
        readers: dict[str, SchemaReader] = {}
        if self.schema is not None or self.calibration is not None:
            # What is wrong with a file of the user's is an error of the job, not of each picture.
            first = router.first
            readers[first.name] = self._reader(first, session)

        def rows(encoder: Encoder, vectors: Vectors) -> list[Values]:
            if encoder.name not in readers:
                readers[encoder.name] = self._reader(encoder, session)
            return [_values(each, encoder) for each in readers[encoder.name](vectors)]

        def run(pictures: Sequence[Picture]) -> list[Values]:
            return encode_pictures(pictures, router, session).map(rows)

        return Step(run, size_wh=router.input_size_wh, batch_size=BATCH_SIZE)

    def _reader(self, encoder: Encoder, session: Session) -> SchemaReader:
        schema = schema_of(encoder, self.schema, self.calibration)
        return schema_reader(encoder, schema, session, calibration=self.calibration, threshold=self.threshold)

    def _with_answers(self, path: Path, session: Session) -> Step:
        from catalens.tasks.attribute_sources import load_sources, read_answers
        from catalens.tasks.schema import load_schema

        schema = self.schema or "fashion"
        encoder = session.encoder(self.encoder)
        sources, groups = load_sources(path), load_schema(schema)
        sources.check(encoder.name, groups)
        read = schema_reader(encoder, schema, session, calibration=self.calibration, threshold=self.threshold)
        router = SingleEncoder(encoder)
        reader = session.reader(sources.reader) if sources.asked else None
        if reader is not None:
            sources.check(encoder.name, groups, reader.name)

        def run(pictures: Sequence[Picture]) -> list[Values]:
            answered = None
            if reader is not None:
                with session.lock(reader.name):
                    answered = read_answers(reader, encode_for_reader(pictures, reader), groups, sources)
            (part,) = encode_pictures(pictures, router, session).parts
            return [_values(each, encoder) for each in read(part.vectors, answered)]

        return Step(run, size_wh=None if reader is not None else encoder.input_size_wh)


def group_names(schema: str | None) -> tuple[str, ...]:
    """Return the groups of a schema; None stands for those of every bundled schema."""
    from catalens.tasks.schema import load_schema

    schemas = SCHEMAS if schema is None else (schema,)
    return tuple(dict.fromkeys(group.name for name in schemas for group in load_schema(name).groups))


def router_for(session: Session, encoder: str | None, schema: str | None, calibration: Path | None = None) -> Router:
    """Return what encodes pictures to be read with a schema.

    A calibration belongs to the encoder it was learned with, and a bundled schema to its bundled encoder.
    """
    if encoder is not None or session.config.encoder is not None:
        return session.router(encoder)
    if calibration is not None:
        from catalens.models.registry import name_here

        return session.router(name_here(_load_calibration(calibration).encoder_name, cache=session.config.cache))
    return session.router(SCHEMAS.get(schema or ""))


def schema_of(encoder: Encoder, schema: str | None, calibration: Path | None) -> str:
    """Return the schema that pictures of an encoder are read with: the given one, the calibration's, or its own."""
    if schema is None and calibration is not None:
        learned = _load_calibration(calibration).schema_name
        return learned if learned in SCHEMAS else domain(encoder.name)
    return schema or domain(encoder.name)


def schema_reader(
    encoder: Encoder,
    schema: str,
    session: Session,
    *,
    calibration: Path | None = None,
    threshold: float | None = None,
) -> SchemaReader:
    """Encode a schema's labels, and return what reads attributes from vectors.

    Args:
        encoder: whose vectors are read.
        schema: a bundled name or a .yaml file.
        session: with the label cache.
        calibration: file of learned thresholds; None takes those that came with the encoder.
        threshold: the probability that a value needs where none was learned; None is 0.35.
    """
    from catalens.tasks.attributes import MIN_SCORE, build_schema_bank, read_attributes
    from catalens.tasks.schema import load_schema

    groups = load_schema(schema)
    learned = calibration_for(encoder, groups.name, calibration)
    with session.lock(encoder.name):
        bank = build_schema_bank(
            session.paced(encoder), groups, cache_dir=session.label_cache, progress=told(session, "encoding labels")
        )
    least = MIN_SCORE if threshold is None else threshold

    def read(vectors: Vectors, answered: Mapping[str, Scores] | None = None, /) -> list[Attributes]:
        return read_attributes(vectors, bank, calibration=learned, min_score=least, answered=answered)

    return read


def calibration_for(encoder: Encoder, schema: str, path: Path | None = None) -> Calibration | None:
    """Read the given thresholds, else those that came with the encoder for this schema, if there are any.

    Raises:
        InputError: the file is not there, or is not a calibration.
    """
    from catalens.models.registry import shipped_calibration
    from catalens.tasks.calibration import load_calibration

    if path is not None:
        return _load_calibration(path)
    bundled = shipped_calibration(encoder.name, schema)
    return load_calibration(bundled) if bundled else None


def _load_calibration(path: Path) -> Calibration:
    from catalens.tasks.calibration import load_calibration

    if not path.is_file():
        raise InputError(f"there is no calibration {path}; write one with `catalens tag learn`")
    return load_calibration(path)


def attribute_row(attribute: Attribute) -> dict[str, Any]:
    """Return an attribute as JSON values; `values` only where several hold."""
    row: dict[str, Any] = {
        "value": attribute.value,
        "confidence": round(attribute.confidence, 4),
        "source": attribute.source,
    }
    if len(attribute.values) > 1:
        row["values"] = [tag.label for tag in attribute.values]
    row["runners_up"] = [{"label": tag.label, "score": round(tag.score, 4)} for tag in attribute.runners_up]
    return row


def told(session: Session, what: str) -> Callable[[int, int], None] | None:
    """Return a callback for a task that reports (done, total)."""
    tell = session.on_progress
    return None if tell is None else lambda done, total: tell(what, done, total)


def _values(attributes: Attributes, encoder: Encoder) -> Values:
    rows = {name: attribute_row(each) for name, each in attributes.items()}
    # Each value by its group's name as well, for tables with a column per group.
    return {name: row["value"] for name, row in rows.items()} | {ATTRIBUTES: rows, ENCODER: encoder.name}
