"""What the public API returns: small frozen values, each with `to_dict()` as the command prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PIL.Image import Image

from catalens.core.errors import CatalensError

T = TypeVar("T")


class FailedError(CatalensError):
    """One picture of several came to nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """What came of one picture among several.

    Attributes:
        id: of the item: a path as given, or a table's id.
        source: where the picture is.
        error: why there is no value; None where there is one.
        found: the value; None where it failed.
    """

    id: str
    source: str
    found: T | None = None
    error: str | None = None

    @property
    def value(self) -> T:
        """What was found.

        Raises:
            FailedError: this picture failed.
        """
        if self.found is None:
            raise FailedError(self.error or f"{self.id}: there is no result")
        return self.found


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """What a picture says about one group of a schema.

    Attributes:
        value: the label, or "unknown".
        confidence: probability of the likeliest label, whether it was likely enough or not.
        source: "tags" (an encoder) or "answers" (a reader).
        values: every label that holds, where several do.
        runners_up: the next likeliest labels, with their probabilities.
    """

    value: str
    confidence: float
    source: str = "tags"
    values: tuple[str, ...] = ()
    runners_up: tuple[tuple[str, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        row: dict[str, Any] = {"value": self.value, "confidence": self.confidence, "source": self.source}
        if self.values:
            row["values"] = list(self.values)
        row["runners_up"] = [{"label": label, "score": score} for label, score in self.runners_up]
        return row


@dataclass(frozen=True, slots=True)
class PictureAttributes(Mapping[str, AttributeValue]):
    """Group → what the picture says about it; groups that do not apply are absent."""

    groups: Mapping[str, AttributeValue]

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> PictureAttributes:
        """Return what a stage found."""
        return cls(
            {
                name: AttributeValue(
                    row["value"],
                    row["confidence"],
                    row["source"],
                    tuple(row.get("values", ())),
                    tuple((each["label"], each["score"]) for each in row["runners_up"]),
                )
                for name, row in values["attributes"].items()
            }
        )

    def __getitem__(self, group: str) -> AttributeValue:
        """Return what the picture says about a group."""
        return self.groups[group]

    def __iter__(self) -> Iterator[str]:
        """Return the groups, in the schema's order."""
        return iter(self.groups)

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.groups)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: each.to_dict() for name, each in self.groups.items()}


@dataclass(frozen=True, slots=True)
class Caption:
    """Captions of a picture; as a text, the best one.

    Attributes:
        text: the best.
        texts: all of them, best first.
    """

    text: str
    texts: tuple[str, ...]

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Caption:
        """Return what a stage found."""
        return cls(values["caption"], tuple(values["captions"]))

    def __str__(self) -> str:
        """Return the best caption."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values; `captions` only where there are several."""
        return {"caption": self.text} | ({"captions": list(self.texts)} if len(self.texts) > 1 else {})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a question; as a text, the answer.

    Attributes:
        question: as it was asked.
        text: the answer, or "unknown".
        probability: of a chosen answer; None for a written one.
        probabilities: allowed answer → probability; empty for a written one.
    """

    question: str
    text: str
    probability: float | None = None
    probabilities: Mapping[str, float] | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Answer:
        """Return the first answer that a stage found."""
        row = values["answers"][0]
        return cls(row["question"], row["answer"], row.get("probability"), row.get("probabilities"))

    @property
    def value(self) -> str:
        """The answer."""
        return self.text

    def __str__(self) -> str:
        """Return the answer."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        row: dict[str, Any] = {"question": self.question, "answer": self.text}
        if self.probability is not None:
            row |= {"probability": self.probability, "probabilities": dict(self.probabilities or {})}
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPrompt:
    """A prompt for a picture; as a text, the prompt.

    Attributes:
        text: the prompt.
        cosine: of the prompt with the picture.
        tokens: of the prompt, marks included; None where the encoder does not count them.
        encoder: the name of what scored it.
        caption: what it begins with.
        terms: the terms added, each with kind and cosine.
        left_out: words that the token limit left no room for.
        runners_up: the terms that came next.
    """

    text: str
    cosine: float
    tokens: int | None
    encoder: str
    caption: str
    terms: tuple[Mapping[str, Any], ...] = ()
    left_out: tuple[str, ...] = ()
    runners_up: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> FoundPrompt:
        """Return what a stage found."""
        return cls(
            text=values["prompt"],
            cosine=values["cosine"],
            tokens=values["tokens"],
            encoder=values["encoder"],
            caption=values["caption"],
            terms=tuple(values["terms"]),
            left_out=tuple(values["left_out"]),
            runners_up=tuple(values["runners_up"]),
        )

    def __str__(self) -> str:
        """Return the prompt."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "prompt": self.text,
            "cosine": self.cosine,
            "tokens": self.tokens,
            "encoder": self.encoder,
            "caption": self.caption,
            "terms": [dict(term) for term in self.terms],
            "left_out": list(self.left_out),
            "runners_up": [dict(term) for term in self.runners_up],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductDescription:
    """A product description; as a text, its sentences in a row.

    Attributes:
        text: the description.
        sentences: each with the facts that it states.
        facts: attribute → value and confidence.
        writer: "template" or the model's name.
        language: of the text.
        problems: what was wrong with each text of the writer that was not used.
        keywords_left_out: search words that claim what the facts do not.
    """

    text: str
    sentences: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Mapping[str, Any]]
    writer: str
    language: str
    problems: tuple[tuple[str, ...], ...] = ()
    keywords_left_out: tuple[str, ...] = ()

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> ProductDescription:
        """Return what a stage found."""
        return cls(
            text=values["description"],
            sentences=tuple(values["sentences"]),
            facts=values["facts"],
            writer=values["writer"],
            language=values["language"],
            problems=tuple(map(tuple, values.get("problems", ()))),
            keywords_left_out=tuple(values.get("keywords_left_out", ())),
        )

    def __str__(self) -> str:
        """Return the description."""
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        row: dict[str, Any] = {
            "description": self.text,
            "sentences": [dict(each) for each in self.sentences],
            "facts": {name: dict(fact) for name, fact in self.facts.items()},
            "writer": self.writer,
            "language": self.language,
        }
        if self.problems:
            row["problems"] = [list(each) for each in self.problems]
        if self.keywords_left_out:
            row["keywords_left_out"] = list(self.keywords_left_out)
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Restyled:
    """A painting and what it was made with.

    Attributes:
        image: RGB.
        prompt: what was painted.
        negative_prompt: what was kept out.
        painter: the model's name.
    """

    image: Image
    prompt: str
    negative_prompt: str
    painter: str

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Restyled:
        """Return what the stages found."""
        return cls(
            image=values["painting"],
            prompt=values["prompt"],
            negative_prompt=values["negative_prompt"],
            painter=values["painter"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, without the image."""
        return {"prompt": self.prompt, "negative_prompt": self.negative_prompt, "painter": self.painter}
