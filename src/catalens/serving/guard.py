"""The outermost ASGI layer: request ids, key, limits, timeouts, disconnected callers, metrics, traces, access log."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any, cast

from catalens.core.redaction import redact
from catalens.serving.problems import PROBLEM_JSON, ProblemError, as_problem, document, log_fault
from catalens.serving.service import Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OPEN = frozenset({"/ping", "/health/live", "/health/ready"})
"""Paths that need no key and no free place, since whoever watches the service must always get an answer; not traced."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger("catalens.serving.access")


class Guard:
    """Wraps the application; nothing reaches it that breaks a limit."""

    def __init__(self, app: App, service: Service) -> None:
        self._app, self.service = app, service
        self._running = 0
        service.metrics.running.set_function(lambda: self._running)
        self._entry: App = self._guarded
        if origins := service.config.cors_origins:  # outermost: a browser must also be able to read a refusal
            from starlette.middleware.cors import CORSMiddleware

            self._entry = cast(
                App,
                CORSMiddleware(
                    self._guarded,
                    allow_origins=list(origins),
                    allow_methods=["GET", "POST", "DELETE"],
                    allow_headers=["*"],
                    expose_headers=["Retry-After", "X-Request-Id"],
                ),
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._entry(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # as GET; the server sends no body, since its own scope says HEAD
            scope = {**scope, "method": "GET"}
        exchange = _Exchange(scope, receive, send, self.service)
        tracing, span = self.service.tracing, None
        if tracing is not None and exchange.path not in _OPEN:
            span = tracing.request(exchange.method, exchange.headers, exchange.request_id)
        self._running += 1
        try:
            await self._answer(exchange)
        finally:
            self._running -= 1
            exchange.finish()
            if span is not None:
                span.end(exchange.route, exchange.status)

    async def _answer(self, exchange: _Exchange) -> None:
        try:
            self._check(exchange)
            await exchange.run(self._app)
        except _GoneError:
            exchange.status = 499
        except asyncio.CancelledError:  # by the server, whose time to finish is over
            cast(asyncio.Task[Any], asyncio.current_task()).uncancel()
            problem = ProblemError(503, "the service shut down before this was done", {"Retry-After": "1"})
            await exchange.refuse(problem)
        except Exception as error:  # noqa: BLE001 - every request is answered
            problem = as_problem(error, self.service)
            log_fault(problem, error, exchange.request_id)
            await exchange.refuse(problem)

    def _check(self, exchange: _Exchange) -> None:
        config = self.service.config
        if exchange.path in _OPEN:
            return
        if self._running > config.max_concurrency:
            raise ProblemError(429, "too many requests at a time; try again later", {"Retry-After": "1"})
        if config.api_key is not None:
            given = exchange.headers.get(b"authorization", b"")
            wanted = b"Bearer " + config.api_key.get_secret_value().encode()
            if not hmac.compare_digest(given, wanted):
                raise ProblemError(401, "send the key as `Authorization: Bearer KEY`", {"WWW-Authenticate": "Bearer"})
        coding = exchange.headers.get(b"content-encoding", b"").lower()
        if coding not in {b"", b"identity"}:
            raise ProblemError(415, f"the body is compressed as {coding[:40].decode('latin-1')!r}; send it as it is")
        length = exchange.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > config.max_body_bytes:
            raise too_large(config.max_body_bytes)


def too_large(limit: int) -> ProblemError:
    """Return the refusal of a body."""
    return ProblemError(413, f"the body is larger than {limit:,} bytes")


class _GoneError(Exception):
    """The caller disconnected."""


class _Exchange:
    """One request and its response on the wire."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, service: Service) -> None:
        self.path, self.method = scope["path"], scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        asked = self.headers.get(b"x-request-id", b"").decode("latin-1")
        is_id = _REQUEST_ID.fullmatch(asked) and redact(asked) == asked  # it is logged
        self.request_id = asked if is_id else os.urandom(16).hex()
        self.status = 0
        self._scope, self._receive, self._send, self._service = scope, receive, send, service
        self._started_s = perf_counter()
        self._size = 0
        self._ended: Exception | None = None
        self._answering: asyncio.Task[Any] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._body_limit: asyncio.TimerHandle | None = None
        scope.setdefault("state", {})["request_id"] = self.request_id

    @property
    def route(self) -> str | None:
        """Template of the route; None if there is none for the path, or it is not known yet."""
        return getattr(self._scope.get("route"), "path", None)

    async def run(self, app: App) -> None:
        """Run the application until it has answered, the time is over or the caller is gone.

        Raises:
            ProblemError: the body or the answer took too long, or the body is too large.
            _GoneError: the caller disconnected.
        """
        limit_s = self._service.config.request_timeout_s
        self._answering = asyncio.current_task()
        self._limit = asyncio.get_running_loop().call_later(
            limit_s,
            lambda: self._end(ProblemError(504, f"no answer within {limit_s:g} s", {"Retry-After": "1"})),
        )
        try:
            await app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            if self._ended is None or self._answering is None:
                raise
            self._answering.uncancel()
            raise self._ended from None
        finally:
            for each in (self._limit, self._body_limit, self._watching):
                if each is not None:
                    each.cancel()

    async def receive(self) -> Message:
        """Return the next part of the body.

        Raises:
            ProblemError: it is too large.
            _GoneError: the caller disconnected.
        """
        if self._watching is not None:
            await asyncio.Event().wait()  # `_watch` listens; whoever waits here is cancelled
        config = self._service.config
        if self._body_limit is None:
            limit_s = config.body_timeout_s
            self._body_limit = asyncio.get_running_loop().call_later(
                limit_s, lambda: self._end(ProblemError(408, f"the body did not arrive within {limit_s:g} s"))
            )
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        self._size += len(message.get("body", b""))
        if self._size > config.max_body_bytes:
            raise too_large(config.max_body_bytes)
        if not message.get("more_body", False):
            self._body_limit.cancel()
            self._watching = asyncio.create_task(self._watch())
        return message

    async def send(self, message: Message) -> None:
        """Pass on a part of the response, with the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.request_id.encode())]
        await self._send(message)

    async def refuse(self, problem: ProblemError) -> None:
        """Answer with a problem document, unless an answer has begun."""
        if self.status:
            return
        body = json.dumps(document(problem, self.request_id)).encode()
        headers = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", str(len(body)).encode())]
        headers += [
            (name.lower().encode(), value.encode("latin-1", "replace")) for name, value in problem.headers.items()
        ]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def finish(self) -> None:
        """Count and log the request; the path is the route's template, so that no caller's text is kept."""
        template = self.route or "other"
        seconds = perf_counter() - self._started_s
        self._service.metrics.requests.labels(template, str(self.status)).inc()
        self._service.metrics.latency.labels(template).observe(seconds)
        about = {"request_id": self.request_id, "method": self.method, "route": template, "status": self.status}
        level = logging.DEBUG if self.path in _OPEN else logging.INFO
        _log.log(level, "request", extra={"about": about | {"ms": round(seconds * 1000, 1), "bytes": self._size}})

    def _end(self, why: Exception) -> None:
        """Cancel the task that answers. `asyncio.timeout` would take twice as long, for every request."""
        if self._answering is not None:
            self._ended = why
            self._answering.cancel()

    async def _watch(self) -> None:
        """End the exchange when the caller disconnects before the response has begun."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.status:
            self._end(_GoneError())
