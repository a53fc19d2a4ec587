"""The page before a service on another machine: requests are passed on to it, with its key."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator

import httpx

from catalens.serving.guard import Receive, Scope, Send, too_large
from catalens.serving.problems import PROBLEM_JSON, ProblemError, document

_PASSED = ("v1/", "health/")
_HEADERS_IN = {b"content-type", b"accept", b"x-request-id"}
_HEADERS_OUT = {"content-type", "retry-after", "x-request-id", "cache-control"}


class Proxy:
    """Passes requests of the page on to a server; the browser never sees the server's key."""

    def __init__(
        self,
        server: str,
        *,
        server_key: str | None,
        api_key: str | None,
        max_body_bytes: int,
        timeout_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take a server; nothing is sent yet.

        Args:
            server: its address, such as "http://gpu:8080".
            server_key: sent to it.
            api_key: what callers of this page must send.
            max_body_bytes: maximum request body.
            timeout_s: longest wait for an answer.
            transport: of httpx, for tests.
        """
        headers = {} if server_key is None else {"authorization": f"Bearer {server_key}"}
        self._http = httpx.AsyncClient(base_url=server, headers=headers, timeout=timeout_s, transport=transport)
        self._server, self._key, self._max = server, api_key, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; only HTTP is passed on."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            await self._pass(scope, receive, send)
        except ProblemError as problem:
            await _refuse(problem, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        given: dict[bytes, bytes] = dict(scope["headers"])
        if self._key is not None and not hmac.compare_digest(
            given.get(b"authorization", b""), f"Bearer {self._key}".encode()
        ):
            raise ProblemError(401, "send the key as `Authorization: Bearer KEY`", {"WWW-Authenticate": "Bearer"})
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        request = self._http.build_request(
            scope["method"],
            path,
            headers=[(name, value) for name, value in given.items() if name in _HEADERS_IN],
            content=await self._body(receive) or None,
        )
        # As it is sent: by now httpx has resolved what `..` there was.
        if not request.url.path.removeprefix(self._http.base_url.path).startswith(_PASSED):
            raise ProblemError(404, "there is nothing at this address")
        try:
            response = await self._http.send(request, stream=True)
        except httpx.TimeoutException as error:
            raise ProblemError(504, f"{self._server} did not answer in time", {"Retry-After": "1"}) from error
        except httpx.TransportError as error:
            raise ProblemError(
                502, f"{self._server} cannot be reached; check that `catalens serve` runs there"
            ) from error
        try:
            headers = [(name, value) for name, value in response.headers.items() if name in _HEADERS_OUT]
            await _answer(send, response.status_code, headers, response.aiter_bytes())
        finally:
            await response.aclose()

    async def _body(self, receive: Receive) -> bytes:
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ProblemError(400, "the caller left")
            part = message.get("body", b"")
            size += len(part)
            if size > self._max:
                raise too_large(self._max)
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                await self._http.aclose()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return


async def _refuse(problem: ProblemError, send: Send) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield json.dumps(document(problem, "")).encode()

    headers = [("content-type", PROBLEM_JSON), *((name.lower(), value) for name, value in problem.headers.items())]
    await _answer(send, problem.status, headers, content())


async def _answer(send: Send, status: int, headers: list[tuple[str, str]], parts: AsyncIterator[bytes]) -> None:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    async for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
