"""What each route does: its schemas, the stages of a request, and the response made of what they find."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from catalens.core.errors import InputError
from catalens.core.types import Turn
from catalens.pipelines import answering
from catalens.pipelines.answering import AnswerStage
from catalens.pipelines.attributes import AttributeStage
from catalens.pipelines.captioning import CaptionStage
from catalens.pipelines.describing import DescribeStage
from catalens.pipelines.prompting import PromptStage, prompt_stages
from catalens.pipelines.stages import Stage, Values
from catalens.pipelines.tagging import TagStage
from catalens.serving import schemas
from catalens.serving.config import ServeConfig
from catalens.serving.gathering import each
from catalens.serving.lane import Content
from catalens.serving.payloads import Ask
from catalens.serving.service import Service
from catalens.tasks.instruction import Style
from catalens.tasks.interrogation import Plan

S = TypeVar("S", bound=BaseModel)
Response = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Capability(Generic[S]):
    """One thing that the service can do to a picture.

    Attributes:
        path: of the route.
        request: schema.
        response: schema.
        stages: makes the stages of a request.
        made: makes the response of what they found.
        summary: for the documentation.
    """

    path: str
    request: type[S]
    response: type[BaseModel]
    stages: Callable[[S, ServeConfig], Sequence[Stage]]
    made: Callable[[Values], Response]
    summary: str

    async def answer(self, ask: Ask[S], service: Service) -> list[Response | Exception]:
        """Return a response or an error for each picture."""
        stages = self.stages(ask.request, service.config)
        model: str | None = getattr(ask.request, "model", None)

        async def one(content: Content | Exception) -> Response:
            if isinstance(content, Exception):
                raise content
            return self.made(await service.run(stages, content, model))

        return await each(one, ask.pictures)


def picked(*names: str, optional: Sequence[str] = ()) -> Callable[[Values], Response]:
    """Return a function that takes values by name."""
    return lambda values: (
        {name: values[name] for name in names} | {name: values[name] for name in optional if name in values}
    )


def _tags(asked: schemas.TagsRequest, _: ServeConfig) -> Sequence[Stage]:
    if asked.labels and asked.schema_ is not None:
        raise InputError("labels and schema exclude each other; send one of them")
    if asked.templates and not asked.labels:
        raise InputError("templates go with labels; a schema has its own")
    return [
        TagStage(
            labels=tuple(asked.labels),
            templates=tuple(asked.templates),
            schema=asked.schema_,
            threshold=asked.threshold,
            top=asked.top,
            deny=tuple(asked.deny),
        )
    ]


def _attributes(asked: schemas.AttributesRequest, _: ServeConfig) -> Sequence[Stage]:
    return [AttributeStage(schema=asked.schema_, threshold=asked.threshold)]


def _captions(asked: schemas.CaptionsRequest, _: ServeConfig) -> Sequence[Stage]:
    return [CaptionStage(prompt=asked.prompt, count=asked.count, decoding=asked.decoding.decoding())]


def _answers(asked: schemas.AnswersRequest, _: ServeConfig) -> Sequence[Stage]:
    return [
        AnswerStage(
            questions=(asked.question,),
            choices=tuple(asked.choices),
            unknown_below=asked.unknown_below,
            history=tuple(Turn(each.question, each.answer) for each in asked.history),
            decoding=asked.decoding.decoding(),
        )
    ]


def _prompts(asked: schemas.PromptsRequest, _: ServeConfig) -> Sequence[Stage]:
    plan = Plan(mode=asked.mode, search=asked.search, min_flavors=asked.min_flavors, max_flavors=asked.max_flavors)
    # Braces would make a template of a caller's caption.
    caption = None if asked.caption is None else asked.caption.replace("{", "{{").replace("}", "}}")
    return prompt_stages(PromptStage(plan=plan, vocabulary=asked.vocabulary, caption=caption))


def describe_stage(asked: schemas.DescribingOptions, config: ServeConfig, *, from_fields: bool) -> DescribeStage:
    """Return the stage that writes a description as a request wants it."""
    style = Style(
        tone=asked.tone,
        length=asked.length,
        language=asked.language,
        keywords=tuple(asked.keywords),
        seed=asked.seed,
    )
    return DescribeStage(style=style, writer=config.writer, from_fields=from_fields, schema=asked.schema_)


def _product(asked: schemas.ProductDescriptionRequest, config: ServeConfig) -> Sequence[Stage]:
    return [AttributeStage(schema=asked.schema_), describe_stage(asked, config, from_fields=False)]


def _answer(values: Values) -> Response:
    row: Mapping[str, Any] = values[answering.ANSWERS][0]
    return {**row, answering.KEEPS_HISTORY: values[answering.KEEPS_HISTORY]}


DESCRIPTION = picked(
    "description", "sentences", "facts", "writer", "language", optional=("problems", "keywords_left_out")
)
TAGS = Capability(
    "/v1/tags", schemas.TagsRequest, schemas.TagsResponse, _tags, picked("tags", "encoder"), "Tags of a picture"
)
ATTRIBUTES = Capability(
    "/v1/attributes",
    schemas.AttributesRequest,
    schemas.AttributesResponse,
    _attributes,
    picked("attributes", "encoder"),
    "Attributes of a picture",
)
CAPTIONS = Capability(
    "/v1/captions",
    schemas.CaptionsRequest,
    schemas.CaptionsResponse,
    _captions,
    picked("caption", "captions"),
    "Captions of a picture",
)
ANSWERS = Capability(
    "/v1/answers",
    schemas.AnswersRequest,
    schemas.AnswersResponse,
    _answers,
    _answer,
    "Answer to a question about a picture",
)
PROMPTS = Capability(
    "/v1/prompts",
    schemas.PromptsRequest,
    schemas.PromptsResponse,
    _prompts,
    picked("prompt", "cosine", "tokens", "encoder", "caption", "terms", "left_out", "runners_up"),
    "Prompt that comes nearest to a picture",
)
PRODUCT = Capability(
    "/v1/product-description",
    schemas.ProductDescriptionRequest,
    schemas.ProductDescriptionResponse,
    _product,
    lambda values: {"attributes": values["attributes"], **DESCRIPTION(values)},
    "Attributes and description of the product in a picture",
)
ALL: tuple[Capability[Any], ...] = (TAGS, ATTRIBUTES, CAPTIONS, ANSWERS, PROMPTS, PRODUCT)
