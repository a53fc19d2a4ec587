"""The stages of a caption job: a reader says what is there, an encoder adds tags, a template joins them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalens.cli.attributes import schema_reader
from catalens.cli.options import encoder_for, label_folder
from catalens.core.errors import AnswerError

if TYPE_CHECKING:
    from catalens.core.errors import CatalensError
    from catalens.core.protocols import Encoder
    from catalens.core.types import Decoding, Record, Vectors
    from catalens.models.readers import Reader
    from catalens.pipelines.engine import Picture, Stage, Step, Values
    from catalens.tasks.schema import Schema

CAPTION, TAGS = "caption", "tags"
_SAID = "said"
"""What the reader said, cleaned, until the template is filled."""
_LIKELY = 0.35
"""The probability that a tag needs, the same as for attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a caption is to be.

    Attributes:
        prompt: what it goes on from.
        count: how many of them for each picture.
        decoding: how its words are drawn.
        template: joins it with tags, attributes and fields.
        prefix: fixed words before everything.
        suffix: fixed words after everything.
    """

    prompt: str
    count: int
    decoding: Decoding
    template: str
    prefix: str
    suffix: str

    def check(self, record: Record, found: Sequence[str]) -> None:
        """Refuse a picture that cannot have what the template asks for, before a model looks at it.

        Raises:
            InputError: the template has a name that is neither found nor a field.
        """
        from catalens.tasks.captions import fill_template

        fill_template(self.template, _fields(record) | dict.fromkeys(found, ""))

    def compose(self, record: Record, values: Values) -> Values:
        """Fill the template for each caption."""
        from catalens.tasks.captions import fill_template, with_fixed_words

        known = _fields(record) | values.get("attributes", {}) | {TAGS: values.get(TAGS, [])}
        texts = [
            with_fixed_words(
                fill_template(self.template, known | {CAPTION: said}), prefix=self.prefix, suffix=self.suffix
            )
            for said in values[_SAID]
        ]
        return {CAPTION: texts[0], "captions": texts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagging:
    """Where a caption's tags come from.

    Attributes:
        encoder: its name; None takes the environment's.
        labels: words to choose from; empty takes the schema's.
        schema: its name or file, as it was given.
        groups: the schema itself, whose groups are the attributes.
        threshold: the probability that a tag needs; None takes what was learned, or the usual.
        top: at most so many tags.
    """

    encoder: str | None
    labels: Sequence[str]
    schema: str
    groups: Schema
    threshold: float | None
    top: int

    @property
    def attributes(self) -> list[str]:
        """The names of the attributes, which a template may have."""
        return [] if self.labels else [group.name for group in self.groups.groups]


def caption_stages(load: Callable[[], Reader], wanted: Wanted, tagging: Tagging | None) -> list[Stage]:
    """Return the stages of a caption job; the last of them fills the template.

    Args:
        load: loads the reader.
        wanted: what the captions are to be.
        tagging: where tags come from; None where the template has none.
    """
    from catalens.pipelines.engine import Stage

    found = [CAPTION, *([TAGS, *tagging.attributes] if tagging else [])]
    finish = wanted.compose if tagging is None else _unchanged
    stages = [Stage("captions", lambda: _reader_step(load(), wanted, found, finish))]
    if tagging is not None:
        stages.append(Stage("tags", lambda: _encoder_step(tagging, wanted)))
    return stages


def _unchanged(_record: Record, values: Values) -> Values:
    return values


def _reader_step(
    reader: Reader, wanted: Wanted, found: Sequence[str], finish: Callable[[Record, Values], Values]
) -> Step:
    from catalens.pipelines.engine import Step
    from catalens.tasks.captions import clean_caption

    def run(pictures: Sequence[Picture]) -> list[Values | CatalensError]:
        for picture in pictures:
            wanted.check(picture.record, found)
        encoded = reader.encode_images([picture.image for picture in pictures])
        captions = reader.caption(encoded, prompt=wanted.prompt, count=wanted.count, decoding=wanted.decoding)
        return [one(picture.record, said) for picture, said in zip(pictures, captions, strict=True)]

    def one(record: Record, captions: Sequence[str]) -> Values | CatalensError:
        cleaned = dict.fromkeys(clean_caption(caption, keep=wanted.prompt) for caption in captions)
        said = [caption for caption in cleaned if caption]
        return finish(record, {_SAID: said}) if said else AnswerError(f"{reader.name} said nothing of it")

    # A reader that says how large it wants pictures is given them no larger, which are read sooner.
    return Step(run, size_wh=reader.input_size_wh, close=reader.close)


def _encoder_step(tagging: Tagging, wanted: Wanted) -> Step:
    from catalens.pipelines.engine import Step

    encoder = encoder_for(tagging.encoder)
    read = _label_tags(tagging, encoder) if tagging.labels else _schema_tags(tagging, encoder)

    def run(pictures: Sequence[Picture]) -> list[Values]:
        found = read(encoder.encode_images([picture.image for picture in pictures]))
        return [
            {**values, **wanted.compose(picture.record, {**picture.values, **values})}
            for picture, values in zip(pictures, found, strict=True)
        ]

    return Step(run, size_wh=encoder.input_size_wh)


def _label_tags(tagging: Tagging, encoder: Encoder) -> Callable[[Vectors], list[dict[str, Any]]]:
    from catalens.tasks.labels import build_bank
    from catalens.tasks.tagging import tag

    bank = build_bank(encoder, list(dict.fromkeys(tagging.labels)), templates=("{}",), cache_dir=label_folder())
    least = _LIKELY if tagging.threshold is None else tagging.threshold
    return lambda vectors: [
        {TAGS: [each.label for each in row if each.label in tagging.labels]}
        for row in tag(vectors, bank, top_k=tagging.top, min_score=least)
    ]


def _schema_tags(tagging: Tagging, encoder: Encoder) -> Callable[[Vectors], list[dict[str, Any]]]:
    """Read attributes, in the everyday words of the schema: "t-shirt" rather than "Tshirts"."""
    read = schema_reader(encoder, tagging.schema, None, tagging.threshold)
    words = {(group.name, label.name): label.wordings[0] for group in tagging.groups.groups for label in group.labels}

    def give(vectors: Vectors) -> list[dict[str, Any]]:
        rows = []
        for attributes in read(vectors):
            values = {name: [words[name, each.label] for each in found.values] for name, found in attributes.items()}
            tags = [word for group in values.values() for word in group][: tagging.top]
            blank = dict.fromkeys(tagging.attributes, "")
            rows.append({TAGS: tags, "attributes": blank | {name: ", ".join(each) for name, each in values.items()}})
        return rows

    return give


def _fields(record: Record) -> dict[str, str]:
    """Return what a template may say of a picture by itself: its columns, its name and its folder."""
    path = Path(record.id)
    return {"name": path.stem, "folder": path.parent.name} | {name: str(value) for name, value in record.fields.items()}
