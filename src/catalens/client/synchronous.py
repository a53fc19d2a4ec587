"""Synchronous client: one pool of connections, retries, and the result values of the local API."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeVar

import httpx

from catalens.client import calls
from catalens.client.calls import Call, ServerError
from catalens.client.retrying import DEFAULT_RETRIES, RETRIED, Retries
from catalens.core.images import Source
from catalens.core.redaction import redact
from catalens.core.types import Decoding, Hit, Tag, Turn, Vectors
from catalens.pipelines.results import Answer, Caption, FoundPrompt, PictureAttributes, ProductDescription

T = TypeVar("T")
SHRINK_TO = 512
"""Length of the shorter side that is enough for the bundled models and common pretrained ones."""


class Client:
    """Tags, attributes, captions, answers, prompts, descriptions, vectors and search by a server.

    A picture is a path, bytes, a `data:` address, a Pillow image or an array.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        model: str | None = None,
        timeout_s: float = 60.0,
        retries: Retries = DEFAULT_RETRIES,
        shrink_to: int | None = SHRINK_TO,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Take a server; nothing is sent yet.

        Args:
            url: such as "http://127.0.0.1:8080".
            api_key: sent as `Authorization: Bearer KEY`.
            model: a name of the server's /v1/models; None is its first.
            timeout_s: longest wait for one attempt.
            retries: how often, and how soon, a refused request is sent again.
            shrink_to: pictures are sent with a shorter side of at most as many pixels; None sends them as they are.
            transport: of httpx, for tests.

        Raises:
            InputError: the address is none.
        """
        headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(
            base_url=calls.server_address(url), headers=headers, timeout=timeout_s, transport=transport
        )
        self._model, self._retries, self._shrink_to = model, retries, shrink_to

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def tag(
        self,
        picture: Source,
        labels: Sequence[str] | None = None,
        *,
        templates: Sequence[str] = (),
        schema: str | None = None,
        threshold: float | None = None,
        top: int = 10,
        deny: Sequence[str] = (),
    ) -> list[Tag]:
        """Return the labels that fit, each with its probability."""
        options = {
            "templates": list(templates) or None,
            "schema": schema,
            "threshold": threshold,
            "top": top,
            "deny": list(deny) or None,
        }
        return self.send(calls.tag_call(self._picture(picture), labels, self._with_model(options)))

    def attributes(
        self, picture: Source, *, schema: str | None = None, threshold: float | None = None
    ) -> PictureAttributes:
        """Return one value, or "unknown", for each group of a schema that applies."""
        options = self._with_model({"schema": schema, "threshold": threshold})
        return self.send(calls.attributes_call(self._picture(picture), options))

    def caption(
        self, picture: Source, *, prompt: str = "", count: int = 1, decoding: Decoding | None = None
    ) -> Caption:
        """Return captions by the server's reader."""
        options = self._with_model({"prompt": prompt, "count": count})
        return self.send(calls.caption_call(self._picture(picture), decoding, options))

    def answer(
        self, picture: Source, question: str, *, history: Sequence[Turn] = (), decoding: Decoding | None = None
    ) -> Answer:
        """Return the reader's answer to a question; `history` is the conversation so far, for readers that keep one."""
        options = self._with_model({})
        return self.send(calls.answer_call(self._picture(picture), question, decoding, options, history))

    def choose(
        self, picture: Source, question: str, choices: Sequence[str], *, unknown_below: float | None = None
    ) -> Answer:
        """Return the most probable of some allowed answers, with a probability for each."""
        options = self._with_model({"choices": list(choices), "unknown_below": unknown_below})
        return self.send(calls.answer_call(self._picture(picture), question, None, options))

    def prompt(
        self,
        picture: Source,
        *,
        mode: Literal["best", "fast", "classic", "negative"] = "best",
        caption: str | None = None,
        vocabulary: str | None = None,
        search: Literal["exact", "lazy"] = "exact",
        max_flavors: int | None = None,
    ) -> FoundPrompt:
        """Return the prompt that comes nearest to a picture."""
        options = {
            "mode": mode,
            "caption": caption,
            "vocabulary": vocabulary,
            "search": search,
            "max_flavors": max_flavors,
        }
        return self.send(calls.prompt_call(self._picture(picture), self._with_model(options)))

    def describe(
        self,
        product: Mapping[str, object] | Source,
        *,
        tone: str = "plain",
        length: Literal["short", "medium", "long"] = "medium",
        language: str = "English",
        keywords: Sequence[str] = (),
        seed: int = 0,
    ) -> ProductDescription:
        """Return a description of known attributes, or of the product in a picture."""
        options = self._with_model(
            {"tone": tone, "length": length, "language": language, "keywords": list(keywords), "seed": seed}
        )
        given = product if isinstance(product, Mapping) else self._picture(product)
        return self.send(calls.describe_call(given, options))

    def encode(self, inputs: str | Source | Sequence[str | Source]) -> Vectors:
        """Return unit rows (n, dim) for texts and pictures in one space; (dim,) for a single input."""
        many = isinstance(inputs, list | tuple)
        each = inputs if many else [inputs]
        encoded = [calls.encoded_input(value, self._shrink_to) for value in each]  # type: ignore[union-attr,arg-type]
        rows = self.send(calls.encode_call(encoded, self._model))
        return rows if many else rows[0]

    def search(
        self,
        text: str | Sequence[str] = (),
        *,
        catalogue: str | None = None,
        image: Source | None = None,
        minus: str | Sequence[str] = (),
        where: str | None = None,
        k: int = 10,
        mode: Literal["vector", "keyword", "hybrid"] = "vector",
        min_score: float | None = None,
    ) -> list[Hit]:
        """Return the k best records of a catalogue of the server, best first; a hit's source is its id."""
        options = {
            "text": [text] if isinstance(text, str) else list(text),
            "catalogue": catalogue,
            "image": None if image is None else self._picture(image),
            "minus": [minus] if isinstance(minus, str) else list(minus),
            "where": where,
            "k": k,
            "mode": mode,
            "min_score": min_score,
        }
        return self.send(calls.search_call(options))

    def send(self, call: Call[T]) -> T:
        """Send a request, again where it was refused for a while, and return what its response means."""
        for attempt in range(1, self._retries.attempts + 1):
            last = attempt == self._retries.attempts
            retry_after = None
            try:
                response = self._http.post(call.path, json=call.body)
            except httpx.TransportError as error:
                if last:
                    raise ServerError(redact(f"{self._http.base_url} cannot be reached: {error}")) from error
            else:
                if last or response.status_code not in RETRIED:
                    return self._made(call, response)
                retry_after = response.headers.get("retry-after")
            time.sleep(self._retries.delay_s(attempt, retry_after))
        raise AssertionError("the last attempt returns or raises")

    def _made(self, call: Call[T], response: httpx.Response) -> T:
        try:
            content: Any = response.json()
        except ValueError:
            content = None
        if response.status_code != 200 or content is None:
            raise calls.failure(response.status_code, content, response.headers.get("x-request-id", ""))
        return call.made(content)

    def _picture(self, picture: Source) -> str:
        return calls.picture_field(picture, self._shrink_to)

    def _with_model(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**options, "model": self._model}
