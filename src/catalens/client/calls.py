"""What is sent and what is made of the answer, without any input or output: shared by both clients."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit, urlunsplit

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from pydantic import BaseModel, ValidationError

from catalens.core.content import read_content
from catalens.core.errors import CatalensError, ImageError, InputError
from catalens.core.images import Limits, Source, read_image
from catalens.core.redaction import redact
from catalens.core.types import Decoding, Hit, Record, Tag, Turn, Vectors
from catalens.pipelines.results import Answer, Caption, FoundPrompt, PictureAttributes, ProductDescription
from catalens.serving import schemas

T = TypeVar("T")
_SHRUNK = 0.8
"""A picture is sent as it is unless shrinking saves a fifth of its bytes."""
_KINDS: Mapping[int, type[CatalensError]] = {400: InputError, 413: InputError, 415: InputError, 422: InputError}


class ServerError(CatalensError):
    """The server cannot be reached, refused the request, or failed.

    Attributes:
        status: of the response; 0 where there was none.
        request_id: as the server's log knows the request.
    """

    def __init__(self, message: str, status: int = 0, request_id: str = "") -> None:
        super().__init__(message)
        self.status, self.request_id = status, request_id


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and what makes a value of the response."""

    path: str
    body: Mapping[str, Any]
    made: Callable[[Any], T]

    def as_row(self) -> Call[dict[str, Any]]:
        """Return the call whose value is the response itself."""
        return Call(self.path, self.body, dict)


def server_address(url: str) -> str:
    """Return the address of a server as clients take it.

    `/v1`, with which OpenAI's clients end it, is left off, since the routes begin with it.

    Raises:
        InputError: it is none.

    >>> server_address("HTTP://localhost:8080/v1/")
    'http://localhost:8080'
    """
    try:
        parts = urlsplit(url.strip())
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        httpx.URL(url.strip())
    except (ValueError, httpx.InvalidURL):
        is_one = False
    if not is_one or parts.query or parts.fragment or " " in parts.netloc:
        raise InputError(f"{redact(url)!r} is not the address of a server, such as http://host:8080")
    return urlunsplit(parts).rstrip("/").removesuffix("/v1")


def picture_field(picture: Source, shrink_to: int | None) -> str:
    """Return a picture as base64, no larger than a model reads.

    Args:
        picture: a path, bytes, a `data:` address, a Pillow image or an array.
        shrink_to: length of the shorter side that is enough; None sends the picture as it is.

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(picture, Image | np.ndarray):
        return _png_or_jpeg(read_image(picture))
    content, name = read_content(picture, max_bytes=Limits().max_bytes)
    if shrink_to is not None:
        smaller = _shrunk(content, name, shrink_to)
        content = smaller if len(smaller) < _SHRUNK * len(content) else content
    return base64.b64encode(content).decode("ascii")


def _shrunk(content: bytes, name: str, shrink_to: int) -> bytes:
    image = read_image(content, name=name)
    shorter = min(image.size)
    if shorter > shrink_to:
        size = (round(image.width * shrink_to / shorter), round(image.height * shrink_to / shorter))
        image = image.resize(size, resample=3, reducing_gap=2.0)  # bicubic
    elif content[:2] == b"\xff\xd8":
        return content  # encoding it again could only lose
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92)
    return file.getvalue()


def _png_or_jpeg(image: Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")  # what was given as pixels arrives as the same pixels
    return base64.b64encode(file.getvalue()).decode("ascii")


def sent_image(image: Image) -> str:
    """Return a decoded image as base64: small ones exactly, of large ones a fine JPEG, a tenth of the bytes."""
    file = io.BytesIO()
    if image.width * image.height <= 256 * 256:
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=95)
    return base64.b64encode(file.getvalue()).decode("ascii")


def checked(schema: type[BaseModel], /, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """Return a request's body, checked by the schema that the server checks it with.

    Raises:
        InputError: a field is not accepted.
    """
    try:
        request = schema.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return request.model_dump(exclude_none=True, exclude_unset=True, by_alias=True)


def failure(status: int, content: Any, request_id: str) -> CatalensError:  # noqa: ANN401 - JSON, or None
    """Return the error that a response stands for."""
    detail = content.get("detail") if isinstance(content, dict) else None
    message = str(detail or f"the server answered {status}")
    if status in _KINDS:
        kind = ImageError if "picture" in message else _KINDS[status]
        return kind(message)
    return ServerError(message, status, request_id)


def tag_call(picture: str, labels: Sequence[str] | None, options: Mapping[str, Any]) -> Call[list[Tag]]:
    """Return the call of `tag`."""
    body = checked(schemas.TagsRequest, image=picture, labels=list(labels) if labels else None, **options)
    return Call("/v1/tags", body, lambda row: [Tag(**each) for each in row["tags"]])


def attributes_call(picture: str, options: Mapping[str, Any]) -> Call[PictureAttributes]:
    """Return the call of `attributes`."""
    return Call(
        "/v1/attributes", checked(schemas.AttributesRequest, image=picture, **options), PictureAttributes.from_values
    )


def caption_call(picture: str, decoding: Decoding | None, options: Mapping[str, Any]) -> Call[Caption]:
    """Return the call of `caption`."""
    body = checked(schemas.CaptionsRequest, image=picture, decoding=_decoding(decoding), **options)
    return Call("/v1/captions", body, Caption.from_values)


def answer_call(
    picture: str,
    question: str,
    decoding: Decoding | None,
    options: Mapping[str, Any],
    history: Sequence[Turn] = (),
) -> Call[Answer]:
    """Return the call of `answer` and `choose`."""
    turns = [asdict(turn) for turn in history] or None
    body = checked(
        schemas.AnswersRequest,
        image=picture,
        question=question,
        decoding=_decoding(decoding),
        history=turns,
        **options,
    )
    return Call("/v1/answers", body, lambda row: Answer.from_values({"answers": [row]}))


def prompt_call(picture: str, options: Mapping[str, Any]) -> Call[FoundPrompt]:
    """Return the call of `prompt`."""
    return Call("/v1/prompts", checked(schemas.PromptsRequest, image=picture, **options), FoundPrompt.from_values)


def describe_call(product: str | Mapping[str, object], options: Mapping[str, Any]) -> Call[ProductDescription]:
    """Return the call of `describe`, for a picture or for known attributes."""
    if isinstance(product, str):
        body = checked(schemas.ProductDescriptionRequest, image=product, **options)
        return Call("/v1/product-description", body, ProductDescription.from_values)
    body = checked(schemas.DescriptionsRequest, attributes=dict(product), **options)
    return Call("/v1/descriptions", body, ProductDescription.from_values)


def encode_call(inputs: Sequence[str], model: str | None) -> Call[Vectors]:
    """Return the call of `encode`: (n, dim)."""
    body = checked(schemas.EmbeddingsRequest, input=list(inputs), encoding_format="base64", model=model)

    def made(row: Any) -> Vectors:  # noqa: ANN401 - JSON
        vectors = [np.frombuffer(base64.b64decode(each["embedding"]), dtype="<f4") for each in row["data"]]
        found: NDArray[np.float32] = np.stack(vectors).astype(np.float32)
        return found

    return Call("/v1/embeddings", body, made)


def search_call(options: Mapping[str, Any]) -> Call[list[Hit]]:
    """Return the call of `search`."""
    body = checked(schemas.SearchRequest, **options)

    def made(row: Any) -> list[Hit]:  # noqa: ANN401 - JSON
        return [Hit(Record(each["id"], each["id"], each["fields"]), each["score"]) for each in row["hits"]]

    return Call("/v1/search", body, made)


def encoded_input(value: str | Source, shrink_to: int | None) -> str:
    """Return an input of `encode`: a text as it is, a path or a picture as a `data:` address."""
    if isinstance(value, str) and not os.path.exists(value):  # noqa: PTH110 - a text may be too long for a path
        return value
    return f"data:application/octet-stream;base64,{picture_field(value, shrink_to)}"


def _decoding(decoding: Decoding | None) -> dict[str, Any] | None:
    return None if decoding is None else asdict(decoding)
