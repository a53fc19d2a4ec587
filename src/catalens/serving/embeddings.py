"""/v1/embeddings in OpenAI's shape: texts and pictures, in any mixture, into one space."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from catalens.core.errors import InputError
from catalens.core.images import picture_format
from catalens.core.types import Vectors
from catalens.core.vectors import batched
from catalens.pipelines.encoding import ENCODER, VECTOR, EmbedStage
from catalens.serving.config import ServeConfig
from catalens.serving.gathering import every
from catalens.serving.lane import Content
from catalens.serving.payloads import decode_base64, is_data_address, picture_of
from catalens.serving.remote import is_address
from catalens.serving.schemas import EmbeddingsRequest
from catalens.serving.service import Service
from catalens.serving.stages import TEXTS, TOKENS, VECTORS, TextStage

_SHORTEST_PICTURE = 48
"""Characters of base64: a GIF of one pixel has as many."""
_TEXTS_PER_ITEM = 16
"""Texts that share a place in the queue: as many cost about as much as one or two pictures."""
_TEXT_ITEMS_AT_A_TIME = 4
"""Places in the queue that the texts of a request take at a time: all of them would be a batch of a second."""


async def embeddings(asked: EmbeddingsRequest, service: Service) -> dict[str, Any]:
    """Return OpenAI's response.

    Raises:
        InputError: an input is empty or too long, a picture cannot be read, or the dimensions are others.
    """
    inputs = [asked.input] if isinstance(asked.input, str) else asked.input
    config = service.config
    if not 1 <= len(inputs) <= config.max_texts:
        raise InputError(f"input has {len(inputs)} entries; send 1 to {config.max_texts}")
    found = await encoded(inputs, service, asked.model)
    width = len(found.vectors[0])
    if asked.dimensions is not None and asked.dimensions != width:
        raise InputError(f"dimensions is {asked.dimensions}; this encoder has {width}")
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": as_json(vector, asked.encoding_format)}
            for at, vector in enumerate(found.vectors)
        ],
        "model": found.encoder,
        "usage": {"prompt_tokens": found.tokens, "total_tokens": found.tokens},
    }


@dataclass(frozen=True, slots=True)
class Encoded:
    """What became of texts and pictures.

    Attributes:
        vectors: one (dim,) for each.
        encoder: its name.
        tokens: how many the encoder read of all texts; a picture has none.
    """

    vectors: Sequence[Vectors]
    encoder: str
    tokens: int


async def encoded(inputs: Sequence[str], service: Service, model: str | None = None) -> Encoded:
    """Encode texts and pictures, at least one.

    Raises:
        InputError: one of them is empty, too long, or not a picture although it looks like one.
    """
    found: dict[int, Vectors] = {}
    encoder, tokens = "", 0
    places_in_queue = asyncio.Semaphore(_TEXT_ITEMS_AT_A_TIME)

    async def read_picture(at: int, content: Content) -> None:
        nonlocal encoder
        values = await service.run([EmbedStage()], content, model)
        found[at], encoder = values[VECTOR], values[ENCODER]

    async def read_texts(places: Sequence[int]) -> None:
        nonlocal encoder, tokens
        async with places_in_queue:
            values = await service.run([TextStage()], None, model, {TEXTS: [inputs[at] for at in places]})
        found.update(zip(places, values[VECTORS], strict=True))
        encoder, tokens = values[ENCODER], tokens + values[TOKENS]

    jobs: list[Callable[[], Awaitable[None]]] = []
    words: list[int] = []
    for at, text in enumerate(inputs):
        content = await picture_in(text, f"input {at}", service.config)
        if content is None:
            _check_text(text, f"input {at}", service.config)
            words.append(at)
        else:
            jobs.append(partial(read_picture, at, content))
    jobs += [partial(read_texts, places) for places in batched(words, _TEXTS_PER_ITEM)]
    await every(lambda job: job(), jobs)
    return Encoded([found[at] for at in range(len(inputs))], encoder, tokens)


def _check_text(text: str, name: str, config: ServeConfig) -> None:
    if not text.strip():
        raise InputError(f"{name} is empty")
    if len(text) > config.max_text_chars:
        raise InputError(f"{name} has {len(text)} characters; at most {config.max_text_chars} are accepted")


async def picture_in(text: str, name: str, config: ServeConfig) -> Content | None:
    """Return the picture that a text holds; None where it is mere words.

    A `data:` address and an address on an allowed host are pictures; base64 is one if its first bytes are.
    """
    if is_data_address(text):
        return await picture_of(text, name, config)
    if is_address(text) and config.allowed_hosts:
        return await picture_of(text, name, config)
    if len(text) < _SHORTEST_PICTURE or any(letter.isspace() for letter in text[:_SHORTEST_PICTURE].strip()):
        return None
    try:
        head = decode_base64(text[:_SHORTEST_PICTURE])
    except InputError:
        return None
    return Content(decode_base64(text, name), name) if picture_format(head) else None


def as_json(vector: Vectors, encoding: str = "float") -> list[float] | str:
    """Return a vector as numbers, or as base64 of little-endian float32."""
    if encoding == "base64":
        return base64.b64encode(np.ascontiguousarray(vector, dtype="<f4").tobytes()).decode("ascii")
    numbers: list[float] = vector.tolist()
    return numbers
