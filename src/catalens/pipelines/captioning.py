"""Captions: what a reader says of a picture, and templates that join it with tags, attributes and columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalens.core.errors import AnswerError, CatalensError, InputError
from catalens.core.protocols import Encoder
from catalens.core.types import GREEDY, Decoding, Record, Vectors
from catalens.models.routing import domain
from catalens.pipelines.attributes import group_names, router_for, schema_reader, told
from catalens.pipelines.bundled_captions import CheckedCaptions
from catalens.pipelines.encoding import BATCH_SIZE, encode_pictures
from catalens.pipelines.reading import encode_for_reader
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Picture, Stage, Step, Values

CAPTION, CAPTIONS, TAGS, ATTRIBUTES = "caption", "captions", "tags", "attributes"
_MIN_SCORE = 0.35
"""The probability that a tag needs, the same as for attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionStage:
    """Captions by a reader, without loops and stock phrases.

    Attributes:
        prompt: what each caption begins with, and holds.
        count: captions per picture.
        decoding: how tokens are chosen.
        reader: its name; None is the configured one.
    """

    prompt: str = ""
    count: int = 1
    decoding: Decoding = GREEDY
    reader: str | None = None
    name = CAPTIONS
    gives = (CAPTION, CAPTIONS)

    def load(self, session: Session) -> Step:
        """Load the reader."""
        from catalens.tasks.captions import clean_caption

        reader, checked = session.reader(self.reader), CheckedCaptions(session)

        def run(pictures: Sequence[Picture]) -> list[Values | CatalensError]:
            with session.lock(reader.name):
                encoded = encode_for_reader(pictures, reader)
                groups = checked.caption(reader, encoded, prompt=self.prompt, count=self.count, decoding=self.decoding)
            return [values(group) for group in groups]

        def values(captions: Sequence[str]) -> Values | CatalensError:
            cleaned = dict.fromkeys(clean_caption(caption, keep=self.prompt) for caption in captions)
            texts = [caption for caption in cleaned if caption]
            return {CAPTION: texts[0], CAPTIONS: texts} if texts else AnswerError(f"{reader.name} returned no caption")

        return Step(run, size_wh=reader.input_size_wh)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionTemplate:
    """The text that captions are written as.

    Attributes:
        template: with {caption}, {tags}, an attribute such as {colour}, or a column.
        prefix: fixed words before.
        suffix: fixed words after.
        labels: words that tags are chosen from; empty takes the schema's.
        schema: a bundled name or a .yaml file; None chooses by the picture.
        threshold: the probability that a tag needs; None takes what was learned, or 0.35.
        top: most tags per picture.
        encoder: what gives the tags; None takes the configured one, or chooses by the picture.

    Raises:
        InputError: the template has no {caption}, or labels or an encoder are given that it does not use.
    """

    template: str = "{caption}"
    prefix: str = ""
    suffix: str = ""
    labels: tuple[str, ...] = ()
    schema: str | None = None
    threshold: float | None = None
    top: int = 10
    encoder: str | None = None

    def __post_init__(self) -> None:
        from catalens.tasks.captions import template_names

        if CAPTION not in template_names(self.template):
            raise InputError(f"the template {self.template!r} has no {{caption}}; `catalens tag` gives tags alone")
        if not self.has_tags and (self.labels or self.encoder is not None):
            raise InputError(
                f"the template {self.template!r} has no {{tags}}, so --labels and --encoder would do nothing"
            )

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of the attributes that the template may use."""
        return () if self.labels else group_names(self.schema)

    @property
    def has_tags(self) -> bool:
        """Whether an encoder must look at the picture as well."""
        from catalens.tasks.captions import template_names

        return any(name in (TAGS, *self.attributes) for name in template_names(self.template))

    @property
    def is_plain(self) -> bool:
        """Whether it is the caption itself."""
        return self.template == "{caption}" and not self.prefix and not self.suffix

    def fill(self, record: Record, values: Values) -> Values:
        """Return the captions, each put into the template.

        Raises:
            InputError: the template asks for something that is not there.
        """
        from catalens.tasks.captions import fill_template, with_fixed_words

        known = fields_of(record) | values.get(ATTRIBUTES, {}) | {TAGS: values.get(TAGS, [])}
        texts = [
            with_fixed_words(
                fill_template(self.template, known | {CAPTION: caption}), prefix=self.prefix, suffix=self.suffix
            )
            for caption in values[CAPTIONS]
        ]
        return {CAPTION: texts[0], CAPTIONS: texts}


def caption_stages(captions: CaptionStage, template: CaptionTemplate | None = None) -> list[Stage]:
    """Return the stages of a caption job: a check of the template's columns, captions, tags, and the template."""
    if template is None or template.is_plain:
        return [captions]
    stages: list[Stage] = [TemplateCheckStage(template), captions]
    if template.has_tags:
        stages.append(TagWordsStage(template))
    return [*stages, TemplateStage(template)]


@dataclass(frozen=True, slots=True)
class TemplateCheckStage:
    """Refuses a picture whose row lacks a column that the template asks for, before a model looks at it."""

    template: CaptionTemplate
    name = "columns"
    gives = ()

    def load(self, _session: Session) -> Step:
        """Return the step; it needs no model."""
        from catalens.tasks.captions import fill_template

        given = dict.fromkeys((CAPTION, *((TAGS, *self.template.attributes) if self.template.has_tags else ())), "")

        def check(picture: Picture) -> Values | CatalensError:
            try:
                fill_template(self.template.template, fields_of(picture.record) | given)
            except InputError as error:
                return error
            return {}

        return Step(
            lambda pictures: [check(picture) for picture in pictures], reads_images=False, batch_size=BATCH_SIZE
        )


@dataclass(frozen=True, slots=True)
class TagWordsStage:
    """The tags and attributes of a template, in everyday words: "t-shirt" rather than "Tshirts"."""

    template: CaptionTemplate
    name = TAGS
    gives = (TAGS, ATTRIBUTES)

    def load(self, session: Session) -> Step:
        """Load the encoders."""
        wanted = self.template
        router = router_for(session, wanted.encoder, wanted.schema if not wanted.labels else None)
        taggers: dict[str, Callable[[Vectors], list[Values]]] = {}

        def rows(encoder: Encoder, vectors: Vectors) -> list[Values]:
            if encoder.name not in taggers:
                make = self._by_labels if wanted.labels else self._by_schema
                taggers[encoder.name] = make(encoder, session)
            return taggers[encoder.name](vectors)

        return Step(
            lambda pictures: encode_pictures(pictures, router, session).map(rows),
            size_wh=router.input_size_wh,
            batch_size=BATCH_SIZE,
        )

    def _by_labels(self, encoder: Encoder, session: Session) -> Callable[[Vectors], list[Values]]:
        from catalens.tasks.labels import build_bank
        from catalens.tasks.tagging import tag

        wanted, labels = self.template, list(dict.fromkeys(self.template.labels))
        progress = told(session, "encoding labels")
        bank = build_bank(encoder, labels, templates=("{}",), cache_dir=session.label_cache, progress=progress)
        least = _MIN_SCORE if wanted.threshold is None else wanted.threshold
        return lambda vectors: [
            {TAGS: [each.label for each in row if each.label in labels]}
            for row in tag(vectors, bank, top_k=wanted.top, min_score=least)
        ]

    def _by_schema(self, encoder: Encoder, session: Session) -> Callable[[Vectors], list[Values]]:
        from catalens.tasks.schema import load_schema

        wanted = self.template
        schema = wanted.schema or domain(encoder.name)
        read = schema_reader(encoder, schema, session, threshold=wanted.threshold)
        words = {
            (group.name, label.name): label.wordings[0]
            for group in load_schema(schema).groups
            for label in group.labels
        }
        blank = dict.fromkeys(wanted.attributes, "")

        def rows(vectors: Vectors) -> list[Values]:
            found: list[Values] = []
            for attributes in read(vectors):
                by_group = {name: [words[name, tag.label] for tag in each.values] for name, each in attributes.items()}
                tags = [word for group in by_group.values() for word in group][: wanted.top]
                texts: dict[str, Any] = blank | {name: ", ".join(each) for name, each in by_group.items()}
                found.append({TAGS: tags, ATTRIBUTES: texts})
            return found

        return rows


@dataclass(frozen=True, slots=True)
class TemplateStage:
    """Puts captions into a template."""

    template: CaptionTemplate
    name = "template"
    gives = (CAPTION, CAPTIONS)

    def load(self, _session: Session) -> Step:
        """Return the step; it needs no model."""

        def run(pictures: Sequence[Picture]) -> list[Values]:
            return [self.template.fill(picture.record, picture.values) for picture in pictures]

        return Step(run, reads_images=False, batch_size=BATCH_SIZE)


def fields_of(record: Record) -> dict[str, str]:
    """Return what a template may take from a picture without models: its columns, its name and its folder."""
    path = Path(record.id)
    return {"name": path.stem, "folder": path.parent.name} | {name: str(value) for name, value in record.fields.items()}
