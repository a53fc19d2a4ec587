"""Requests and responses, as the service, its OpenAPI document and the client know them.

A request about pictures holds one `image` or several `images`: base64, a `data:` address, or an address on a host
that the service may fetch from. One image gives one response; several give `{"results": [...]}` in their order, where
a failure is `{"error": problem}`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from catalens.core.types import Decoding

EXAMPLE_IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4ISeHFTEMLQkAkL9BAc9woTwAAAAASUVORK5CYII="
"""A red PNG of 8 × 8 pixels."""
BundledSchema = Literal["fashion", "everyday"]
Text = str


class Schema(BaseModel):
    """Base of every request and response; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class ImageRequest(Schema):
    """What every request about pictures holds."""

    image: str | None = Field(default=None, description="Base64, a `data:` address, or an address on an allowed host.")
    images: list[str] | None = Field(default=None, description="Several pictures instead of one.")
    model: str | None = Field(default=None, max_length=200, description="A name of /v1/models; null is the first.")


def _example(**fields: Any) -> ConfigDict:  # noqa: ANN401 - JSON values
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [{"image": EXAMPLE_IMAGE, **fields}]})


class TagsRequest(ImageRequest):
    """Labels that fit a picture."""

    model_config: ClassVar[ConfigDict] = _example(labels=["a photo of cats", "a photo of dogs"])
    labels: list[Text] = Field(default=[], description="Labels to choose from; empty reads a schema.")
    templates: list[Text] = Field(default=[], max_length=100, description="Sentences with {} for the label.")
    schema_: BundledSchema | None = Field(
        default=None, alias="schema", description="Bundled schema; null suits the picture."
    )
    threshold: float | None = Field(default=None, ge=0, le=1, description="Minimum probability of a tag.")
    top: int = Field(default=10, ge=1, le=1000, description="Maximum tags.")
    deny: list[Text] = Field(default=[], description="Tags to leave out.")


class AttributesRequest(ImageRequest):
    """One value for each group of a schema that applies."""

    model_config: ClassVar[ConfigDict] = _example(schema="fashion")
    schema_: BundledSchema | None = Field(
        default=None, alias="schema", description="Bundled schema; null suits the picture."
    )
    threshold: float | None = Field(default=None, ge=0, le=1, description="Minimum probability of a value.")


class DecodingOptions(Schema):
    """How tokens are chosen."""

    max_tokens: int = Field(default=40, ge=1, le=512, description="Maximum new tokens.")
    min_tokens: int = Field(default=0, ge=0, le=512, description="Minimum new tokens.")
    beams: int = Field(default=1, ge=1, le=16, description="Beam width; 1 is greedy.")
    temperature: float | None = Field(default=None, gt=0, le=10, description="Sampling temperature; null is greedy.")
    top_p: float = Field(default=1.0, gt=0, le=1, description="Nucleus of sampling.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Random seed.")
    repetition_penalty: float = Field(
        default=1.0, ge=1, le=10, description="Penalty on tokens that were generated before."
    )

    def decoding(self) -> Decoding:
        """Return it as readers take it."""
        return Decoding(**self.model_dump())


class CaptionsRequest(ImageRequest):
    """Captions by a reader."""

    model_config: ClassVar[ConfigDict] = _example()
    prompt: Text = Field(default="", description="Prefix that the caption continues.")
    count: int = Field(default=1, ge=1, le=16, description="Captions per picture.")
    decoding: DecodingOptions = DecodingOptions()


class TurnValue(Schema):
    """A question that was asked before, and its answer."""

    question: Text = Field(min_length=1, description="The question.")
    answer: Text = Field(description="What was answered.")


class AnswersRequest(ImageRequest):
    """An answer to a question; one of `choices`, with probabilities, where they are given."""

    model_config: ClassVar[ConfigDict] = _example(question="what colour is it?", choices=["red", "blue"])
    question: Text = Field(min_length=1, description="The question.")
    choices: list[Text] = Field(default=[], description="Allowed answers; empty lets the reader write.")
    unknown_below: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description='"unknown" where no choice is this probable; null takes the learned threshold.',
    )
    history: list[TurnValue] = Field(
        default=[], max_length=100, description="The conversation so far, oldest first; only some readers keep one."
    )
    decoding: DecodingOptions = DecodingOptions()


class PromptsRequest(ImageRequest):
    """The prompt that comes nearest to a picture."""

    model_config: ClassVar[ConfigDict] = _example(mode="fast")
    mode: Literal["best", "fast", "classic", "negative"] = Field(default="best", description="How the prompt is made.")
    caption: Text | None = Field(default=None, description="What the prompt begins with; null lets the reader caption.")
    vocabulary: Literal["fashion", "clip-interrogator"] | None = Field(
        default=None, description="Terms; null suits the model."
    )
    search: Literal["exact", "lazy"] = Field(
        default="exact", description="Lazy re-scores only terms that may still win."
    )
    min_flavors: int = Field(default=8, ge=0, le=64, description="Minimum terms of the chain.")
    max_flavors: int | None = Field(default=None, ge=1, le=64, description="Maximum terms.")


class DescribingOptions(Schema):
    """How a description is written."""

    tone: str = Field(default="plain", max_length=50, description="plain, friendly or formal.")
    length: Literal["short", "medium", "long"] = Field(
        default="medium", description="How much is written of each fact."
    )
    language: str = Field(
        default="English", max_length=50, description="The template writes English; a model may write more."
    )
    keywords: list[Text] = Field(default=[], max_length=50, description="Search words to use.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Chooses among the template's sentences.")
    schema_: BundledSchema = Field(default="fashion", alias="schema", description="Whose words are checked.")


class DescriptionsRequest(DescribingOptions):
    """A description of known attributes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"attributes": {"Article type": "T-shirt", "Colour": "Red"}}]},
    )
    attributes: dict[str, str | float | bool] = Field(min_length=1, max_length=100, description="Attribute → value.")
    model: str | None = Field(default=None, max_length=200, description="A name of /v1/models; null is the first.")


class ProductDescriptionRequest(ImageRequest, DescribingOptions):
    """Attributes and a description of the product in a picture."""

    model_config: ClassVar[ConfigDict] = _example()


class EmbeddingsRequest(BaseModel):
    """OpenAI's request: texts, `data:` addresses and base64 pictures, in any mixture."""

    model_config = ConfigDict(
        extra="ignore",  # OpenAI's clients may send `user` and more
        json_schema_extra={"examples": [{"input": ["a red shirt", f"data:image/png;base64,{EXAMPLE_IMAGE}"]}]},
    )
    input: str | list[str] = Field(description="A text or a picture, or several.")
    model: str | None = Field(default=None, max_length=200, description="A name of /v1/models; null is the first.")
    encoding_format: Literal["float", "base64"] = Field(default="float", description="base64 is little-endian float32.")
    dimensions: int | None = Field(default=None, ge=1, description="Must be the encoder's own.")


class SearchRequest(Schema):
    """A search by text, by picture, or by both."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"catalogue": "shop", "text": ["red shirt"], "k": 5}]}
    )
    catalogue: str | None = Field(
        default=None, max_length=200, description="A configured catalogue; null is the first."
    )
    text: list[Text] = Field(default=[], max_length=32, description="What is looked for.")
    minus: list[Text] = Field(default=[], max_length=32, description="What hits should not be like.")
    image: str | None = Field(default=None, description="A picture that hits should be like.")
    where: str | None = Field(default=None, max_length=4000, description="Filter on fields, such as 'price < 500'.")
    k: int = Field(default=10, ge=1, le=1000, description="Maximum hits.")
    mode: Literal["vector", "keyword", "hybrid"] = Field(
        default="vector", description="By vector similarity, by keywords, or by both."
    )
    min_score: float | None = Field(default=None, ge=-1, le=1, description="Lowest cosine.")


class RecordRequest(Schema):
    """A record to add to a catalogue, or to replace there."""

    model_config: ClassVar[ConfigDict] = _example(id="p1", fields={"colour": "Red", "price": 100})
    id: str = Field(
        min_length=1,
        max_length=500,
        pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f.][^\x00-\x1f\x7f]*$",  # a part of an address names it later
        description="Unique in its catalogue: no control characters, and not only dots and spaces.",
    )
    image: str | None = Field(default=None, description="Base64, a `data:` address, or an address on an allowed host.")
    fields: dict[str, str | int | float | bool] = Field(default={}, max_length=100, description="What else is known.")


class ReviewerRequest(Schema):
    """Who reviews."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"reviewer": "ana"}]}
    )
    reviewer: str = Field(min_length=1, max_length=100, description="The reviewer's name.")


class DecisionRequest(ReviewerRequest):
    """A decision of a review."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reviewer": "ana", "item": 1, "verdict": "accepted", "token": "9f2c"}]},
    )
    item: int = Field(ge=1, lt=2**63, description="Number of the question.")
    verdict: Literal["accepted", "corrected", "unknown", "skipped"] = Field(description="What is decided.")
    value: str | None = Field(default=None, max_length=500, description="The value of a correction.")
    token: str = Field(min_length=1, max_length=100, description="New for each decision; sent again, it counts once.")


class TagValue(Schema):
    """A label and its probability."""

    label: str
    score: float
    group: str | None = None


class TagsResponse(Schema):
    """Tags, most probable first."""

    tags: list[TagValue]
    encoder: str


class AttributesResponse(Schema):
    """Group → value, confidence, source and runners-up."""

    attributes: dict[str, dict[str, Any]]
    encoder: str


class CaptionsResponse(Schema):
    """The best caption, and all of them."""

    caption: str
    captions: list[str]


class AnswersResponse(Schema):
    """The answer; probabilities where choices were given."""

    question: str
    answer: str
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    keeps_history: bool
    """Whether the reader accepts a `history`."""


class PromptsResponse(Schema):
    """The prompt and how it was made."""

    prompt: str
    cosine: float
    tokens: int | None
    encoder: str
    caption: str
    terms: list[dict[str, Any]]
    left_out: list[str]
    runners_up: list[dict[str, Any]]


class DescriptionsResponse(Schema):
    """The description, sentence by sentence, with the facts that each states."""

    description: str
    sentences: list[dict[str, Any]]
    facts: dict[str, dict[str, Any]]
    writer: str
    language: str
    problems: list[list[str]] | None = None
    keywords_left_out: list[str] | None = None


class ProductDescriptionResponse(DescriptionsResponse):
    """Attributes read from the picture, and the description."""

    attributes: dict[str, dict[str, Any]]


class Embedding(Schema):
    """One vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsResponse(Schema):
    """OpenAI's response."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: dict[str, int]


class HitValue(Schema):
    """A record that was found, and its cosine."""

    id: str
    score: float
    fields: dict[str, Any]


class SearchResponse(Schema):
    """Hits, best first."""

    hits: list[HitValue]


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str = Field(default="", description="The request's id, as in the header X-Request-Id.")
