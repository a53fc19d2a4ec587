"""Tags: labels that fit a picture, each with its probability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from catalens.core.errors import InputError
from catalens.core.protocols import Encoder
from catalens.core.types import Tag, Vectors
from catalens.pipelines.attributes import router_for, schema_of, schema_reader, told
from catalens.pipelines.encoding import BATCH_SIZE, ENCODER, encode_pictures
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Step, Values

TAGS, LABELS = "tags", "labels"
ABSENT = "none"
"""The label of a schema that says that there is nothing of its group: a value of an attribute, but no tag."""

Tagger = Callable[[Vectors], list[list[Tag]]]
"""(n, dim) vectors → n lists of tags, best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagStage:
    """Tags from labels, or from a schema's groups.

    Attributes:
        labels: to choose from; empty reads a schema.
        templates: sentences with {} for the label, whose vectors are averaged; empty takes the label itself.
        schema: a bundled name or a .yaml file; None reads products with "fashion" and other pictures with "everyday".
        threshold: the probability that a tag needs; None is 0, and for a schema what was learned or 0.35.
        top: most tags per picture: the likeliest labels, or the first of a schema's groups.
        deny: tags never to give.
        calibration: file of learned thresholds; None takes those that came with the encoder.
        encoder: its name; None takes the configured one, or chooses by the picture.
    """

    labels: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    schema: str | None = None
    threshold: float | None = None
    top: int = 10
    deny: tuple[str, ...] = ()
    calibration: Path | None = None
    encoder: str | None = None
    name = TAGS
    gives = (TAGS, LABELS, ENCODER)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise InputError(f"top is {self.top}; it must be at least 1")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold}; a probability is in 0 … 1")

    def load(self, session: Session) -> Step:
        """Load the encoders; labels are encoded when the first picture comes."""
        router = router_for(session, self.encoder, self.schema if not self.labels else None, self.calibration)
        taggers: dict[str, Tagger] = {}
        if self.labels or self.schema is not None or self.calibration is not None:
            # What is wrong with labels or a file of the user's is an error of the job, not of each picture.
            taggers[router.first.name] = self._tagger(router.first, session)

        def rows(encoder: Encoder, vectors: Vectors) -> list[Values]:
            if encoder.name not in taggers:
                taggers[encoder.name] = self._tagger(encoder, session)
            return [
                {TAGS: [tag.to_dict() for tag in tags], LABELS: [tag.label for tag in tags], ENCODER: encoder.name}
                for tags in taggers[encoder.name](vectors)
            ]

        def run(pictures: Sequence[Picture]) -> list[Values]:
            return encode_pictures(pictures, router, session).map(rows)

        return Step(run, size_wh=router.input_size_wh, batch_size=BATCH_SIZE)

    def _tagger(self, encoder: Encoder, session: Session) -> Tagger:
        return self._by_labels(encoder, session) if self.labels else self._by_schema(encoder, session)

    def _by_labels(self, encoder: Encoder, session: Session) -> Tagger:
        from catalens.tasks.labels import build_bank
        from catalens.tasks.tagging import TagRules, tag

        with session.lock(encoder.name):
            bank = build_bank(
                session.paced(encoder),
                list(dict.fromkeys(self.labels)),
                templates=self.templates or ("{}",),
                cache_dir=session.label_cache,
                progress=told(session, "encoding labels"),
            )
        # A few labels are shown with "none of these" among them, so that what is shown sums to one.
        rules = TagRules(deny=frozenset(self.deny), show_unknown=len(bank) < self.top)

        return lambda vectors: tag(vectors, bank, top_k=self.top, min_score=self.threshold or 0.0, rules=rules)

    def _by_schema(self, encoder: Encoder, session: Session) -> Tagger:
        schema = schema_of(encoder, self.schema, self.calibration)
        read = schema_reader(encoder, schema, session, calibration=self.calibration, threshold=self.threshold)

        denied = {ABSENT, *(label.casefold() for label in self.deny)}

        def tags(vectors: Vectors) -> list[list[Tag]]:
            # In the schema's order: what it is comes before how sure one is that it is of regular length.
            return [
                [
                    replace(value, group=name)
                    for name, attribute in attributes.items()
                    for value in attribute.values
                    if value.label.casefold() not in denied
                ][: self.top]
                for attributes in read(vectors)
            ]

        return tags
