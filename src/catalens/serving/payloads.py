"""From a request's body to validated requests with their pictures' bytes."""

from __future__ import annotations

import codecs
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import unquote, unquote_to_bytes

import pybase64
from pydantic import BaseModel
from starlette.datastructures import QueryParams, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from catalens.core.errors import ImageError, InputError
from catalens.serving.config import ServeConfig
from catalens.serving.lane import Content
from catalens.serving.problems import ProblemError
from catalens.serving.remote import fetch, is_address

S = TypeVar("S", bound=BaseModel)

JSON_LINES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-lines",
    }
)
_ONLY_JSON = frozenset({"attributes", "decoding", "fields", "history"})
"""Fields that are no texts, numbers or lists of them: a query or a form cannot hold them."""
JSON = frozenset({"application/json", "text/json", ""})
_PICTURES_TOO = "application/json, multipart/form-data or image/*"
_LONG_QUERY = 1000
"""Bytes of a query that is not kept for the next request."""
_TO_STANDARD = str.maketrans("-_", "+/")
_WHITE_SPACE = str.maketrans("", "", " \t\r\n")


@dataclass(slots=True)
class Ask(Generic[S]):
    """One validated request.

    Attributes:
        request: its options.
        pictures: content, or why it cannot be had.
        are_many: whether several results are expected.
    """

    request: S
    pictures: list[Content | Exception] = field(default_factory=list)
    are_many: bool = False


def media_type(request: Request) -> str:
    """Return the body's type, without parameters; JSON where none is named."""
    return request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


def is_picture_type(kind: str) -> bool:
    """Return whether a body of this type is the picture itself."""
    return kind.startswith("image/") or kind in {"application/x-image", "application/octet-stream"}


async def read_ask(request: Request, schema: type[S], config: ServeConfig) -> Ask[S]:
    """Read one request of JSON, a form, or a picture with options in the query.

    Raises:
        ProblemError: the type is not supported, or a form cannot be read.
        ValidationError: the fields are not what the schema says.
        InputError: a limit is exceeded.
    """
    kind = media_type(request)
    takes_pictures = "image" in schema.model_fields
    if kind in JSON:
        for name in request.query_params if request.scope["query_string"] else ():
            if name in schema.model_fields:
                raise InputError(f"{name} is in the query; beside a body of JSON it belongs into the body")
        return await json_ask(await request.body(), schema, config)
    if kind == "multipart/form-data" and takes_pictures:
        return await _form_ask(request, schema, config)
    if is_picture_type(kind) and takes_pictures:
        query: bytes = request.scope["query_string"]
        options = typing.cast(S, (_options if len(query) > _LONG_QUERY else _same_options)(query, schema))
        check_sizes(options, config)
        return Ask(options, [Content(await request.body())])
    raise unsupported(kind, _PICTURES_TOO if takes_pictures else "application/json")


def _options(query: bytes, schema: type[BaseModel]) -> BaseModel:
    return schema.model_validate(options_of(QueryParams(query).multi_items(), schema))


_same_options = lru_cache(64)(_options)
"""The options in a query, which are the same for most requests; nobody changes them."""


def unsupported(kind: str, accepted: str) -> ProblemError:
    """Return the refusal of a media type, with what is accepted instead."""
    return ProblemError(415, f"{kind[:100]!r} is not supported; send {accepted}")


def without_bom(body: bytes) -> bytes:
    """Return JSON without the byte order mark that some editors write before it."""
    return body.removeprefix(codecs.BOM_UTF8)


async def json_ask(body: bytes, schema: type[S], config: ServeConfig) -> Ask[S]:
    """Read one request of JSON."""
    asked = schema.model_validate_json(without_bom(body))
    check_sizes(asked, config)
    one, many = vars(asked).get("image"), vars(asked).get("images")
    if "images" not in schema.model_fields:
        return Ask(asked, [] if one is None else [await _outcome(one, "the picture", config)])
    if (one is None) == (many is None):
        raise InputError("send either image or images")
    if many is None:
        return Ask(asked, [await _outcome(typing.cast(str, one), "the picture", config)])
    _check_count(len(many), config)
    pictures = [await _outcome(each, f"picture {at}", config) for at, each in enumerate(many)]
    return Ask(asked, pictures, are_many=True)


async def picture_of(text: str, name: str, config: ServeConfig) -> Content:
    """Return the picture that base64, a `data:` address or an allowed address means; never a path.

    Raises:
        InputError: it means none.
    """
    if is_address(text):
        return Content(await fetch(text, config), name)
    return Content(decode_base64(text, name), name)


def is_data_address(text: str) -> bool:
    """Return whether a text is a `data:` address, which may have white space before it."""
    return text[:32].lstrip()[:5].lower() == "data:"


def decode_base64(text: str, name: str = "the picture") -> bytes:
    """Return the bytes of base64, in either alphabet, or of a `data:` address.

    Raises:
        ImageError: it is neither.
    """
    if is_data_address(text):
        head, comma, text = text.partition(",")
        if not comma:
            raise ImageError(f"{name}: the data: address has no comma")
        if head.rpartition(";")[2].strip().lower() != "base64":
            return unquote_to_bytes(text)
        text = unquote(text) if "%" in text else text
    try:
        content: bytes = pybase64.b64decode(text, validate=True)
    except ValueError:  # the usual case, which needs no copies of the text, is tried first
        cleaned = text.translate(_WHITE_SPACE).translate(_TO_STANDARD).rstrip("=")
        try:
            content = pybase64.b64decode(cleaned + "=" * (-len(cleaned) % 4), validate=True)
        except ValueError as error:
            raise ImageError(f"{name}: not base64, nor a data: address") from error
    if not content:
        raise ImageError(f"{name} is empty")
    return content


def options_of(texts: Iterable[tuple[str, str]], schema: type[BaseModel]) -> dict[str, Any]:
    """Return names with texts as a schema takes them: a name that is repeated, or has commas, is a list."""
    values: dict[str, list[str]] = {}
    for name, text in texts:
        values.setdefault(name, []).append(text)
    given: dict[str, Any] = {}
    by_name = {info.alias or name: info.annotation for name, info in schema.model_fields.items()}
    for name, every in values.items():
        if name in _ONLY_JSON:
            raise InputError(f"{name} is sent as JSON; send the whole request as application/json")
        if _is_list(by_name.get(name)):
            given[name] = [each for text in every for each in text.split(",")] if len(every) == 1 else every
        else:
            given[name] = every[-1]
    return given


def check_sizes(request: BaseModel, config: ServeConfig) -> None:
    """Refuse too many labels, and texts that are too long.

    Raises:
        InputError: a limit is exceeded.
    """
    for name, value in vars(request).items():
        if not value or name in {"image", "images", "input"}:
            continue
        texts = _texts(value)
        if len(texts) > config.max_labels:
            raise InputError(f"{name} has {len(texts)} entries; at most {config.max_labels} are accepted")
        for each in texts:
            _check_text(name, each, config)


def _texts(value: object) -> list[Any]:
    """Return what a field holds of texts; numbers among them are harmless."""
    if isinstance(value, list):
        return [text for each in value for text in (_texts(each) if isinstance(each, BaseModel) else [each])]
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, BaseModel):
        return [each for _, each in value]
    return [value]


def _check_text(name: str, value: object, config: ServeConfig) -> None:
    if isinstance(value, str) and len(value) > config.max_text_chars:
        raise InputError(f"{name} has a text of {len(value)} characters; at most {config.max_text_chars} are accepted")


def _check_count(count: int, config: ServeConfig) -> None:
    if not 1 <= count <= config.max_pictures:
        raise InputError(f"{count} pictures; send 1 to {config.max_pictures} in a request")


async def _outcome(text: str, name: str, config: ServeConfig) -> Content | Exception:
    try:
        return await picture_of(text, name, config)
    except InputError as error:
        return error


async def _form_ask(request: Request, schema: type[S], config: ServeConfig) -> Ask[S]:
    fields: list[tuple[str, str]] = []
    pictures: list[Content | Exception] = []
    try:
        form = await request.form(max_files=config.max_pictures, max_fields=200, max_part_size=config.max_body_bytes)
    except MultiPartException as error:
        raise ProblemError(400, f"the form cannot be read: {error.message[:200]}") from error
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                # A file's own name is a caller's text, and no path: it is not used.
                pictures.append(Content(await value.read(), f"picture {len(pictures)}"))
            else:
                fields.append((name, value))
    finally:
        await form.close()
    asked = schema.model_validate(options_of(fields, schema))
    check_sizes(asked, config)
    if not pictures and getattr(asked, "image", None) is not None:
        pictures.append(await _outcome(asked.image, "the picture", config))  # type: ignore[attr-defined]
    if pictures or "images" in schema.model_fields:
        _check_count(len(pictures), config)
    return Ask(asked, pictures, are_many=len(pictures) > 1)


def _is_list(annotation: Any) -> bool:  # noqa: ANN401 - any annotation
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(_is_list(each) for each in typing.get_args(annotation))
    return origin in (list, Sequence)
