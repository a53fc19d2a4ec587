"""Any server that speaks chat completions: vLLM, Ollama, llama.cpp, a gateway, a provider."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from catalens.core.errors import AnswerError, InputError, ModelError
from catalens.models.addresses import shown
from catalens.models.writers.retry import BusyError, with_retry

_BUSY = frozenset({429, 502, 503, 504, 529})
_NEXT_STEP: Mapping[int, str] = {
    401: "give the key that the server asks for",
    403: "the key is not allowed to use this model",
    404: "check the address, which usually ends in /v1, and the model's name",
    413: "give fewer facts",
}


class ChatWriter:
    """A `Writer` over one model of one server."""

    def __init__(
        self, client: httpx.Client, address: str, model: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = f"openai:{shown(address)}#{model}"
        self._address = address.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
        self._client, self._model, self._sleep = client, model, sleep
        self._limit = "max_tokens"

    def write(self, system: str, instruction: str, *, max_tokens: int = 400) -> str:
        """Return the model's text.

        Raises:
            AnswerError: the model refused, was cut off, or gave nothing, or the answer cannot be read.
            ModelError: it cannot be had: address, key, too busy, too slow.
        """
        messages = [{"role": "system", "content": system}, {"role": "user", "content": instruction}]
        body = {"model": self._model, "messages": messages}
        answer = with_retry(lambda: self._post(body, max_tokens), what=self.name, sleep=self._sleep)
        try:
            choice = answer["choices"][0]
            message, reason = choice["message"], choice.get("finish_reason")
            refusal, text = message.get("refusal"), _text(message.get("content"))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise AnswerError(f"{self.name} gave no chat completion; is this the address of such a server?") from error
        if reason == "content_filter" or refusal:
            raise AnswerError(f"{self.name} refused{f': {refusal}' if refusal else ''}; look at the facts")
        if reason == "length":
            raise AnswerError(f"{self.name} was cut off after {max_tokens} tokens; ask for a shorter text")
        if not text:
            raise AnswerError(f"{self.name} gave no text (it stopped for {reason!r}); name another model")
        return text

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, body: Mapping[str, Any], max_tokens: int) -> Mapping[str, Any]:
        try:
            answer = self._client.post(self._address, json={**body, self._limit: max_tokens})
            if answer.status_code == 400 and self._limit == "max_tokens" and "max_completion_tokens" in answer.text:
                # Some servers and models know the limit by its newer name alone.
                self._limit = "max_completion_tokens"
                answer = self._client.post(self._address, json={**body, self._limit: max_tokens})
        except httpx.TimeoutException as error:
            raise ModelError(f"{self.name} did not answer in time; allow more seconds, or ask for less") from error
        except httpx.HTTPError as error:
            raise ModelError(f"{self.name} cannot be reached: {error}; is the server running?") from error
        if answer.status_code in _BUSY:
            raise BusyError(f"HTTP {answer.status_code}", _pause(answer.headers.get("retry-after")))
        if answer.status_code != 200:
            step = _NEXT_STEP.get(answer.status_code, "see the server's log")
            raise ModelError(f"{self.name} answered HTTP {answer.status_code}: {answer.text[:200].strip()!r}; {step}")
        try:
            read: Mapping[str, Any] = answer.json()
        except ValueError as error:
            raise AnswerError(f"{self.name} gave what is no JSON; is this the address of such a server?") from error
        return read


def load_chat(address: str, *, api_key: str | None, timeout_s: float) -> ChatWriter:
    """Make a writer for `http(s)://…/v1#MODEL`.

    Raises:
        InputError: the address is none, or names no model.
    """
    url, _, model = address.partition("#")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"{shown(url)!r} is no address: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host or not model:
        raise InputError(
            f"{shown(address)!r} should be an address and a model, such as http://localhost:11434/v1#llama3.2"
        )
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return ChatWriter(httpx.Client(timeout=timeout_s, headers=headers), url, model)


def _text(content: object) -> str:
    """Read a message's content: a text, or a list of parts of which some are texts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if part.get("type") in {"text", None}).strip()
    return str(content or "").strip()


def _pause(header: str | None) -> float | None:
    try:
        return float(header) if header else None
    except ValueError:  # a date, which few servers send; the usual pauses do
        return None
