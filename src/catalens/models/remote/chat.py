"""A client of chat completions, for readers and writers alike: vLLM, Ollama, llama.cpp, a gateway, a provider."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from catalens.core.errors import AnswerError, InputError, ModelError, UnavailableError
from catalens.core.redaction import redact
from catalens.models.addresses import shown
from catalens.models.remote.replies import Choice, error_message, join_stream, page_title, read_choice
from catalens.models.remote.retry import BusyError, retry_after_s, with_retry
from catalens.models.remote.transport import MAX_BODY_BYTES, DeadlineError, Response, TooLargeError, parse, post

_NEXT_STEP: Mapping[int, str] = {
    401: "give the key that the server asks for",
    403: "the key is not allowed to use this model",
    404: "check the address, which usually ends in /v1, and the model's name",
    413: "the request is too large for the server",
}
_EVENTS = ("data:", "event:", ":")
"""How a stream of events begins; lines after a colon alone keep the connection open."""
_NO_QUOTA = "insufficient_quota"
"""OpenAI's code for an account without credit, for which no waiting helps."""
_SHOWN = 200
"""Characters of a server's message or a model's text in an error."""
_FAILED = frozenset({500, 502, 504})
_MORE_TOKENS, _LEAST_TOKENS = 4, 1024
"""A text that was cut is asked for again with four times the tokens, and at least as many as reasoning takes."""


class ChatClient:
    """One model of one server.

    Args:
        client: with the headers that the server needs; its connections should not be reused, see `transport.post`.
        address: such as "http://localhost:8000/v1".
        model: as the server calls it.
        timeout_s: total time of one request.
        secrets: what no message may show.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        client: httpx.Client,
        address: str,
        model: str,
        *,
        timeout_s: float = 120.0,
        secrets: Sequence[str] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        url = httpx.URL(address)
        url = url.copy_with(path=f"{url.path.rstrip('/').removesuffix('/chat/completions')}/chat/completions")
        self._secrets = (*secrets, url.password, *url.params.values())
        self._client, self._model, self._timeout_s, self._sleep = client, model, timeout_s, sleep
        # Within the address, the password would be in the log of httpx.
        self._auth = httpx.BasicAuth(url.username, url.password) if url.userinfo else None
        self._url = url.copy_with(username=None, password=None) if url.userinfo else url
        self.name = f"{shown(address).rstrip('/')}#{model}"
        self._limit_key = "max_tokens"

    def texts(
        self, messages: Sequence[Mapping[str, Any]], *, count: int = 1, max_tokens: int, settings: Mapping[str, Any]
    ) -> list[str]:
        """Return `count` texts, without reasoning.

        Many servers ignore `n` and return one text: they are asked until there are enough. A text that was cut is
        asked for once more, with more tokens.

        Raises:
            AnswerError: the model refused, returned no text, or was cut off again; or the response is malformed.
            ModelError: the server cannot be reached, refuses the request, or is busy.
        """
        limit, texts = max_tokens, list[str]()
        while (missing := count - len(texts)) > 0:
            more = {"n": missing} if count > 1 else {}
            if texts and "seed" in settings:
                more["seed"] = settings["seed"] + len(texts)  # with the same seed the same text would come again
            choices = self.choices({"messages": messages, **settings, **more}, limit)
            texts += [self._text(choice) for choice in choices if not choice.is_cut or choice.refusal is not None]
            if cut := [choice for choice in choices if choice.is_cut]:
                if limit > max_tokens:
                    raise AnswerError(self._cut_message(cut[0], limit))
                limit = max(_MORE_TOKENS * max_tokens, _LEAST_TOKENS)
        return texts[:count]

    def choices(self, body: Mapping[str, Any], max_tokens: int) -> list[Choice]:
        """Return the choices of one completion, at least one.

        Raises:
            AnswerError: the response is not a chat completion.
            ModelError: the server cannot be reached, refuses the request, or is busy.
        """
        request = {"model": self._model, **body}
        response = with_retry(lambda: self._post(request, max_tokens), what=self.name, sleep=self._sleep)
        try:
            value = join_stream(response.text) if response.text.startswith(_EVENTS) else parse(response.text)
        except ValueError as error:
            title = page_title(response.text)
            told = f" but a page ({self._safe(title)!r})" if title else ""
            message = f"{self.name} returned no JSON{told}; is this the address of a chat completions server?"
            raise AnswerError(message) from error
        choices = value.get("choices") if isinstance(value, Mapping) else None
        if not isinstance(choices, list) or not choices:
            said = error_message(value)
            told = f" but: {self._safe(said)!r}" if said else ""
            raise AnswerError(
                f"{self.name} returned no chat completion{told}; is this the address of a chat completions server?"
            )
        try:
            return [read_choice(each) for each in choices]
        except ValueError as error:
            raise AnswerError(
                f"{self.name} returned no chat completion with a message; is this the address of such a server?"
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _text(self, choice: Choice) -> str:
        if choice.refusal is not None:
            raise AnswerError(f"{self.name} refused{f': {self._safe(choice.refusal)}' if choice.refusal else ''}")
        if not choice.text:
            raise AnswerError(
                f"{self.name} returned no text (finish reason {choice.reason!r}); does the model take such a request?"
            )
        return choice.text

    def _cut_message(self, choice: Choice, limit: int) -> str:
        where = f"at {self._safe(choice.text)!r}" if choice.text else "within its reasoning"
        return f"{self.name} was cut off after {limit} tokens, {where}; ask for a shorter text, or allow more tokens"

    def _post(self, request: Mapping[str, Any], max_tokens: int) -> Response:
        response = self._send({**request, self._limit_key: max_tokens})
        if response.status == 400 and self._limit_key == "max_tokens" and "max_completion_tokens" in response.text:
            # Some servers and models know the limit by its newer name alone.
            self._limit_key = "max_completion_tokens"
            response = self._send({**request, self._limit_key: max_tokens})
        if response.status == 200:
            return response
        said = self._error_text(response)
        if response.status == 429 and _NO_QUOTA in response.text:
            raise ModelError(f"{self.name} answered HTTP 429: {said!r}; its quota or credit is used up")
        if response.status == 429 or response.status >= 500:
            reason = f"HTTP {response.status}{f': {said!r}' if said else ''}"
            pause_s = retry_after_s(response.headers.get("retry-after"))
            raise BusyError(reason, pause_s, failed=response.status in _FAILED)
        step = _NEXT_STEP.get(response.status, "the server's log may say more")
        raise ModelError(f"{self.name} answered HTTP {response.status}: {said!r}; {step}")

    def _send(self, body: Mapping[str, Any]) -> Response:
        try:
            return post(self._client, self._url, body, timeout_s=self._timeout_s, auth=self._auth)
        except DeadlineError as error:
            raise UnavailableError(
                f"{self.name} did not answer in time ({self._timeout_s:g} seconds); allow more seconds, or ask for less"
            ) from error
        except TooLargeError as error:
            raise AnswerError(
                f"{self.name} sent more than {MAX_BODY_BYTES >> 20} MiB, which is more than an answer may have"
            ) from error
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"{self.name} cannot be reached: {self._safe(str(error))}; is the server running?"
            ) from None
        except RuntimeError as error:  # the client was closed
            raise ModelError(f"{self.name} cannot be asked: {self._safe(str(error))}") from None

    def _error_text(self, response: Response) -> str:
        try:
            said = error_message(parse(response.text))
        except ValueError:
            said = None
        return self._safe(said or page_title(response.text) or response.text.strip())

    def _safe(self, text: str) -> str:
        return redact(text, self._secrets)[:_SHOWN]


def connect(address: str, *, api_key: str | None = None, timeout_s: float = 120.0) -> ChatClient:
    """Make a client for `http(s)://…/v1#MODEL`; nothing is sent yet.

    Args:
        address: of the server, with the model.
        api_key: bearer token; None for none.
        timeout_s: total time of one request.

    Raises:
        InputError: the address is invalid, names no model, or the key cannot be sent.
    """
    url, _, model = address.partition("#")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"{shown(url)!r} is not an address: {error}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host or not model:
        raise InputError(
            f"{shown(address)!r} should be an address and a model, such as http://localhost:8000/v1#qwen2-vl"
        )
    key = (api_key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError("the API key has characters that no HTTP header can carry; copy it again")
    headers = {"Accept-Encoding": "gzip"} | ({"Authorization": f"Bearer {key}"} if key else {})
    # A deadline cuts the connection, which it knows only if the request opened it.
    limits = httpx.Limits(max_keepalive_connections=0)
    client = httpx.Client(headers=headers, limits=limits)
    _hide_in_log((key, *parsed.params.values()))
    return ChatClient(client, url, model, timeout_s=timeout_s, secrets=(key,))


class _Hidden(logging.Filter):
    """Removes secrets from what httpx logs, such as a key in an address."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__()
        self.secrets = {each for each in secrets if each}

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage(), self.secrets), None
        return True


def _hide_in_log(secrets: Sequence[str]) -> None:
    log = logging.getLogger("httpx")
    hidden = next((each for each in log.filters if isinstance(each, _Hidden)), None)
    if hidden is None:
        log.addFilter(_Hidden(secrets))
    else:
        hidden.secrets |= {each for each in secrets if each}
