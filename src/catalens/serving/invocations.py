"""/invocations: payload → answer for every payload that callers of a SageMaker endpoint send.

| payload | answer |
| --- | --- |
| `{"image", "prompt": [labels]}` | `{"labels": […], "probabilities": […]}` |
| `{"image", "prompt": "question"}` | `{"Sleeve Length": "Long Sleeves"}`; `{"answer": …}` for other questions |
| `{"image"}` | the task, such as `{"caption"}`, `{"prompt"}`, `{"tags"}`, `{"attributes"}` or `{"embedding"}` |
| `{"inputs": picture, "parameters"?}` | `{"outputs": text}`, of the endpoint's task; with flavors the prompt |
| `{"inputs": picture, "parameters": {"candidate_labels": […]}}` | `[{"label", "score"}]`, most probable first |
| `{"inputs": {"image", "question"}}` | `[{"answer"}]` |
| `{"inputs": text or [texts]}` | vectors |
| `image/*`, `application/x-image` | the picture's vector |
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from catalens.core.errors import InputError
from catalens.pipelines.answering import AnswerStage
from catalens.serving import capabilities as can
from catalens.serving import schemas
from catalens.serving.embeddings import as_json, encoded, picture_in
from catalens.serving.lane import Content
from catalens.serving.payloads import Ask, picture_of, without_bom
from catalens.serving.service import Service
from catalens.serving.stages import PROBABILITIES, LabelStage
from catalens.tasks.schema import Group, load_schema

_FILLER = frozenset({"what", "is", "the", "of", "a", "an", "in", "this", "picture", "kind"})


class Parameters(BaseModel):
    """Options of an invocation; those of generation and of other endpoints are accepted and ignored."""

    model_config = ConfigDict(extra="ignore")
    candidate_labels: list[str] | str | None = None
    max_new_tokens: int | None = Field(default=None, ge=1, le=512)
    max_flavors: int | None = Field(default=None, ge=1, le=64)
    min_flavors: int | None = Field(default=None, ge=0, le=64)
    top_k: int | None = Field(default=None, ge=1, le=1000)
    format: Literal["mapping", "list", "text"] = "mapping"


class PictureInput(BaseModel):
    """Hugging Face's input of visual question answering; without a question, a picture like any other."""

    model_config = ConfigDict(extra="ignore")
    image: str
    question: str | None = Field(default=None, min_length=1)


class Invocation(BaseModel):
    """Any payload of /invocations."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"image": schemas.EXAMPLE_IMAGE, "prompt": ["a photo of cats", "a photo of dogs"]}]
        },
    )
    image: str | None = None
    prompt: str | list[str] | None = None
    inputs: str | list[str] | PictureInput | None = None
    parameters: Annotated[Parameters, BeforeValidator(lambda value: {} if value is None else value)] = Parameters()


async def invoke(body: bytes, service: Service) -> Any:  # noqa: ANN401 - JSON values of several shapes
    """Answer one JSON payload.

    Raises:
        InputError: it is none of the payloads that are known.
        ValidationError: it is not JSON, or a field has another type.
    """
    asked = Invocation.model_validate_json(without_bom(body))
    _check(asked, service)
    if asked.image is not None:
        content = await picture_of(asked.image, "the picture", service.config)
        return await _of_image(content, asked, service)
    if isinstance(asked.inputs, PictureInput):
        content = await picture_of(asked.inputs.image, "the picture", service.config)
        if asked.inputs.question is None:
            return await _of_picture(content, asked, service)
        return [{"answer": (await _answer(content, asked.inputs.question, asked, service))["answer"]}]
    if isinstance(asked.inputs, list):
        found = await encoded(asked.inputs, service)
        return [as_json(vector) for vector in found.vectors]
    if asked.inputs is not None:
        return await _of_input(asked.inputs, asked, service)
    raise InputError('send {"image": …}, {"image": …, "prompt": …} or {"inputs": …}')


async def invoke_picture(content: Content, service: Service) -> Any:  # noqa: ANN401 - JSON values
    """Return the vector of a picture that is the body itself."""
    from catalens.pipelines.encoding import EmbedStage

    return as_json((await service.run([EmbedStage()], content))["vector"])


async def invoke_task(content: Content, service: Service) -> dict[str, Any]:
    """Do what the endpoint is configured for with a picture that is the body itself."""
    return await _by_task(content, Invocation(), service)


def attribute_of(question: str) -> Group | None:
    """Return the group of the product schema that a question asks for; None where it asks for something else.

    >>> attribute_of("What is the sleeve length of the shirt?").name
    'sleeve_length'
    """
    words = set(re.findall(r"[a-z]+", question.lower())) - _FILLER
    best, most = None, 0.0
    for group in load_schema("fashion").groups:
        names = set(group.name.split("_"))
        # "What type of collar" asks for the collar.
        weight = 0.5 if names == {"type"} else float(len(names))
        if names <= words and weight > most:
            best, most = group, weight
    return best


async def _of_image(content: Content, asked: Invocation, service: Service) -> Any:  # noqa: ANN401
    if isinstance(asked.prompt, list):
        found = await _probabilities(content, asked.prompt, service)
        if asked.parameters.format == "list":
            return found
        return {"labels": asked.prompt, "probabilities": found}
    if asked.prompt:
        return await _named_answer(content, asked.prompt, asked, service)
    return await _by_task(content, asked, service)


async def _of_input(text: str, asked: Invocation, service: Service) -> Any:  # noqa: ANN401
    content = await picture_in(text, "the picture", service.config)
    if content is None:
        (vector,) = (await encoded([text], service)).vectors
        return as_json(vector)
    return await _of_picture(content, asked, service)


async def _of_picture(content: Content, asked: Invocation, service: Service) -> Any:  # noqa: ANN401
    """Answer `inputs` that are a picture: with the scores of candidate labels, or by the task."""
    labels = asked.parameters.candidate_labels
    if labels is not None:
        named = [each.strip() for each in labels.split(",")] if isinstance(labels, str) else labels
        found = await _probabilities(content, named, service)
        ranked = sorted(zip(found, named, strict=True), key=lambda pair: -pair[0])[: asked.parameters.top_k]
        return [{"score": score, "label": label} for score, label in ranked]
    made = await _by_task(content, asked, service)
    if "tags" in made:
        return {"outputs": ", ".join(tag["label"] for tag in made["tags"])}
    return {"outputs": next(iter(made.values()))}


async def _by_task(content: Content, asked: Invocation, service: Service) -> dict[str, Any]:
    """Do what the endpoint is configured for; flavors are only asked of an interrogator."""
    options = asked.parameters
    task = service.config.task
    if options.max_flavors is not None or options.min_flavors is not None:
        task = "prompt"
    if task == "prompt":
        least = min(8, options.max_flavors or 8) if options.min_flavors is None else options.min_flavors
        prompts = schemas.PromptsRequest.model_validate({"min_flavors": least, "max_flavors": options.max_flavors})
        return {"prompt": (await _one(can.PROMPTS, prompts, content, service))["prompt"]}
    if task == "tags":
        return {"tags": (await _one(can.TAGS, schemas.TagsRequest.model_validate({}), content, service))["tags"]}
    if task == "attributes":
        found = await _one(can.ATTRIBUTES, schemas.AttributesRequest.model_validate({}), content, service)
        return {"attributes": {name: row["value"] for name, row in found["attributes"].items()}}
    if task == "description":
        found = await _one(can.PRODUCT, schemas.ProductDescriptionRequest.model_validate({}), content, service)
        return {"description": found["description"]}
    if task == "embedding":
        return {"embedding": await invoke_picture(content, service)}
    captions = schemas.CaptionsRequest.model_validate({"decoding": _decoding(options)})
    return {"caption": (await _one(can.CAPTIONS, captions, content, service))["caption"]}


async def _one(
    capability: can.Capability[Any], request: BaseModel, content: Content, service: Service
) -> dict[str, Any]:
    (found,) = await capability.answer(Ask(request, [content]), service)
    if isinstance(found, Exception):
        raise found
    return found


async def _probabilities(content: Content, labels: list[str], service: Service) -> list[float]:
    if not labels or not all(label.strip() for label in labels):
        raise InputError("labels must be one or more texts that are not empty")
    values = await service.run([LabelStage(tuple(labels))], content)
    found: list[float] = values[PROBABILITIES]
    return found


async def _named_answer(content: Content, question: str, asked: Invocation, service: Service) -> Any:  # noqa: ANN401
    """Return the answer under the name of the attribute that was asked for, chosen from its values."""
    group = attribute_of(question)
    choices = () if group is None else tuple(label.name for label in group.labels)
    answer = (await _answer(content, question, asked, service, choices))["answer"]
    name = "answer" if group is None else group.name.replace("_", " ").title()
    return f"{name}: {answer}" if asked.parameters.format == "text" else {name: answer}


async def _answer(
    content: Content, question: str, asked: Invocation, service: Service, choices: tuple[str, ...] = ()
) -> dict[str, Any]:
    decoding = schemas.DecodingOptions.model_validate(_decoding(asked.parameters)).decoding()
    stage = AnswerStage(questions=(question,), choices=choices, decoding=decoding)
    values = await service.run([stage], content)
    found: dict[str, Any] = values["answers"][0]
    return found


def _decoding(options: Parameters) -> dict[str, Any]:
    return {} if options.max_new_tokens is None else {"max_tokens": options.max_new_tokens}


def _check(asked: Invocation, service: Service) -> None:
    config = service.config
    for many in (asked.prompt, asked.parameters.candidate_labels):
        if many is not None and len(many) > (config.max_labels if isinstance(many, list) else config.max_text_chars):
            raise InputError(f"at most {config.max_labels} labels, of {config.max_text_chars} characters, are accepted")
        if isinstance(many, list) and any(len(each) > config.max_text_chars for each in many):
            raise InputError(f"at most {config.max_text_chars} characters per label are accepted")
    if isinstance(asked.inputs, list) and not 1 <= len(asked.inputs) <= config.max_texts:
        raise InputError(f"inputs has {len(asked.inputs)} entries; send 1 to {config.max_texts}")
