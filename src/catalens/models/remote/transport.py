"""One POST of JSON within a deadline and a size limit, whatever the server does."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from socket import SHUT_RDWR, socket
from types import TracebackType
from typing import Any, Self

import httpx

from catalens.core.json_text import parse_json

MAX_BODY_BYTES = 8 << 20
"""Limit of a response's body, before and after decompression; a chat completion has some kilobytes."""
_DECOMPRESSED = ("gzip", "x-gzip", "deflate")


class TooLargeError(Exception):
    """The response's body is over the limit."""


class DeadlineError(Exception):
    """The response was not complete in time."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    headers: httpx.Headers
    text: str


def post(
    client: httpx.Client,
    url: httpx.URL,
    body: Mapping[str, Any],
    *,
    timeout_s: float,
    auth: httpx.Auth | None = None,
) -> Response:
    """Send a body as JSON and return the complete response.

    Args:
        client: whose connections are not reused, so that the deadline can cut each one.
        url: where to.
        body: what to send.
        timeout_s: total time from connecting to the last byte.
        auth: credentials; None for those of the client.

    Raises:
        DeadlineError: the time is over, even if the server sends a byte now and then.
        TooLargeError: the body is over `MAX_BODY_BYTES`.
        httpx.HTTPError: the server cannot be reached, or breaks the protocol.
    """
    deadline = _Deadline(timeout_s)
    more: dict[str, Any] = {"timeout": timeout_s, "extensions": {"trace": deadline.trace}}
    if auth is not None:
        more["auth"] = auth
    try:
        with deadline, client.stream("POST", url, json=body, **more) as response:
            content = _content(response, deadline)
            return Response(response.status_code, response.headers, content.decode("utf-8-sig", "replace"))
    except httpx.TimeoutException as error:
        raise DeadlineError from error
    except TooLargeError:
        raise
    except Exception as error:
        # A connection that was cut fails in many ways, some of them outside httpx's own tree.
        if deadline.is_over:
            raise DeadlineError from error
        raise


def _content(response: httpx.Response, deadline: _Deadline) -> bytes:
    """Read the body, decompressing no more than the limit."""
    raw = bytearray()
    for chunk in response.iter_raw():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise TooLargeError
        if deadline.is_over:
            raise DeadlineError
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return bytes(raw)
    if encoding not in _DECOMPRESSED:
        raise httpx.DecodingError(f"the content encoding {encoding!r} was not asked for")
    try:
        content = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(bytes(raw), MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"the body is not {encoding}: {error}") from error
    if len(content) > MAX_BODY_BYTES:
        raise TooLargeError
    return content


class _Deadline:
    """Cuts the connection when the time is over: timeouts of httpx count from the last byte, and a drip resets them."""

    def __init__(self, seconds: float) -> None:
        self._ends_s = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._socket: socket | None = None

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._ends_s

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Note the socket of the connection; called by httpcore."""
        stream = info.get("return_value")
        if event.endswith((".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")):
            self._socket = stream.get_extra_info("socket") if stream is not None else None
            if self.is_over:
                self._cut()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        if self._socket is not None:
            # Of a TLS socket too, whose own method would first take the encryption away from the reader.
            with suppress(OSError):  # closed already
                socket.shutdown(self._socket, SHUT_RDWR)


def parse(text: str) -> object:
    """Return the JSON value of a text.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    return parse_json(text)
