"""Requests to an endpoint: bodies from pictures and texts, within the endpoint's limits, and what it answers.

Knows the payloads of /invocations and SageMaker's limits; `endpoint` sends them.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalens.catalogue.sources import Entry, Item
from catalens.core.content import Limits, read_content
from catalens.core.errors import CatalensError, ImageError, InputError
from catalens.core.images import read_image
from catalens.core.json_text import parse_json
from catalens.core.types import Outcome
from catalens.deployment.requests import Format

IMAGE, JSON, LINES = "application/x-image", "application/json", "application/jsonlines"
MAX_LINES = 64
"""Requests joined in one body of JSON lines; what a service takes unless it is configured otherwise."""
_SHRINK, _LEAST_SIDE, _QUALITY = 0.75, 64, 92


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of an endpoint beside its own task.

    Attributes:
        labels: to choose from.
        question: about each picture.
        parameters: of the payload, such as `max_flavors`.
    """

    labels: tuple[str, ...] = ()
    question: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check.

        Raises:
            InputError: both labels and a question.
        """
        if self.labels and self.question is not None:
            raise InputError("give labels or a question: an endpoint answers one of the two")

    @property
    def is_plain(self) -> bool:
        """Whether the picture alone says everything."""
        return not (self.labels or self.question or self.parameters)


@dataclass(frozen=True, slots=True)
class Request:
    """One body, for one item or, in JSON lines, for several.

    Attributes:
        items: (id, source) of each, in order.
        body: to send.
        content_type: of the body.
        notices: what was changed to keep the limit.
    """

    items: tuple[tuple[str, str], ...]
    body: bytes
    content_type: str
    notices: tuple[str, ...] = ()


def requests_of(
    entries: Iterable[Entry], asked: Asked, *, format: Format = "auto", most: int
) -> Iterator[Request | Outcome]:
    """Return the requests for pictures, in order, and an outcome for each one that cannot be sent.

    Args:
        entries: pictures.
        asked: of each of them.
        format: "image" sends the picture itself, "json" base64, "jsonl" as many as fit into a body; "auto" sends the
            picture itself where nothing else is asked.
        most: bytes of a body; a picture that is over it is sent smaller.

    Raises:
        InputError: the format cannot carry what is asked.
    """
    chosen = ("image" if asked.is_plain else "json") if format == "auto" else format
    if chosen == "image" and not asked.is_plain:
        raise InputError("--format image sends nothing beside the picture; use json or jsonl for labels and questions")
    made = (_one(entry, asked, as_image=chosen == "image", most=most) for entry in entries)
    return _joined(made, most) if chosen == "jsonl" else made


def text_request(text: str, asked: Asked, *, most: int) -> Request:
    """Return the request for a text's vector.

    Raises:
        InputError: it is over the limit, or something is asked of it.
    """
    if not asked.is_plain:
        raise InputError("labels and questions are about pictures; a text gets its vector")
    body = _json({"inputs": text})
    if len(body) > most:
        raise InputError(f"the text has {len(body):,} bytes as JSON; the endpoint takes {most:,}")
    return Request(((text[:80], text[:80]),), body, JSON)


def rows_of(request: Request, answer: bytes) -> list[dict[str, Any]]:
    """Return what an endpoint answered, a row for each item; a failed line has the key `error`.

    Raises:
        CatalensError: the answer is not JSON, or has another number of lines than the request.
    """
    try:
        found = (
            [parse_json(line) for line in answer.splitlines()]
            if request.content_type == LINES
            else [parse_json(answer)]
        )
    except ValueError as error:
        raise CatalensError(f"the endpoint's answer is not JSON: {answer[:100]!r}") from error
    if len(found) != len(request.items):
        raise CatalensError(f"the endpoint gave {len(found)} answers to {len(request.items)} lines")
    return [
        {"id": id, "source": source, **named(each)} for (id, source), each in zip(request.items, found, strict=True)
    ]


def named(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """Return an answer as columns: a vector as `embedding`, what else is no object as `answer`.

    >>> named([0.6, 0.8]), named({"caption": "a dress"}), named([{"answer": "red"}])
    ({'embedding': [0.6, 0.8]}, {'caption': 'a dress'}, {'answer': [{'answer': 'red'}]})
    """
    if isinstance(answer, dict):
        if isinstance(answer.get("error"), dict):
            return {"error": str(answer["error"].get("detail", answer["error"]))}
        return answer
    is_vector = isinstance(answer, list) and answer and all(isinstance(each, float | int) for each in answer)
    return {"embedding" if is_vector else "answer": answer}


def _one(entry: Entry, asked: Asked, *, as_image: bool, most: int) -> Request | Outcome:
    if not isinstance(entry, Item):
        return entry
    try:
        source = entry.picture() if callable(entry.picture) else entry.picture
        content, name = read_content(source, max_bytes=Limits().max_bytes)
        small, notice = fit(content, entry.source or name, _room(asked, as_image=as_image, most=most))
    except InputError as error:
        return Outcome(entry.id, str(error))
    body = small if as_image else _json(_payload(small, asked))
    return Request(((entry.id, entry.source),), body, IMAGE if as_image else JSON, (notice,) if notice else ())


def fit(content: bytes, name: str, most: int) -> tuple[bytes, str]:
    """Return a picture of at most some bytes, and what was done to it: nothing where it fits.

    Args:
        content: of the picture's file.
        name: for messages.
        most: bytes.

    Raises:
        ImageError: it is over the limit and cannot be read, or made small enough.
    """
    if len(content) <= most:
        return content, ""
    image = read_image(content, name=name)
    width, height = image.size
    while min(image.size) > _LEAST_SIDE:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=_QUALITY)
        if file.tell() <= most:
            now = f"{image.width} × {image.height}"
            notice = f"{name}: {len(content):,} bytes are over the endpoint's limit; sent as a JPEG of {now}"
            return file.getvalue(), f"{notice} instead of {width} × {height}"
        image = image.resize((round(image.width * _SHRINK), round(image.height * _SHRINK)), reducing_gap=2.0)
    raise ImageError(f"{name}: {len(content):,} bytes cannot be made to fit into {most:,}")


def _room(asked: Asked, *, as_image: bool, most: int) -> int:
    """Return how many bytes are left for a picture: base64 takes four for three."""
    if as_image:
        return most
    left = most - len(_json(_payload(b"", asked))) - 8
    if left <= 0:
        raise InputError(f"labels, question and parameters alone are over the endpoint's {most:,} bytes")
    return left // 4 * 3


def _payload(content: bytes, asked: Asked) -> dict[str, Any]:
    payload: dict[str, Any] = {"image": base64.b64encode(content).decode("ascii")}
    if asked.labels:
        payload["prompt"] = list(asked.labels)
    if asked.question is not None:
        payload["prompt"] = asked.question
    return payload | ({"parameters": dict(asked.parameters)} if asked.parameters else {})


def _joined(made: Iterable[Request | Outcome], most: int) -> Iterator[Request | Outcome]:
    """Join requests of one item into bodies of JSON lines; outcomes keep their places."""
    waiting: list[Request] = []
    size = 0
    for each in made:
        full = isinstance(each, Outcome) or size + len(each.body) + 1 > most or len(waiting) == MAX_LINES
        if full and waiting:
            yield _lines(waiting)
            waiting, size = [], 0
        if isinstance(each, Outcome):
            yield each
        else:
            waiting.append(each)
            size += len(each.body) + 1
    if waiting:
        yield _lines(waiting)


def _lines(requests: Sequence[Request]) -> Request:
    return Request(
        tuple(item for each in requests for item in each.items),
        b"\n".join(each.body for each in requests),
        LINES,
        tuple(notice for each in requests for notice in each.notices),
    )


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
