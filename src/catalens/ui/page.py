"""The page before a service: its files, strict headers, and callers that other sites sent are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from catalens.serving.guard import App, Message, Receive, Scope, Send
from catalens.serving.problems import PROBLEM_JSON, ProblemError, document
from catalens.serving.server import LOOPBACK
from catalens.ui.files import File, files

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_OF_THE_PAGE = {
    "content-security-policy": _POLICY,
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-cache",
}


class Page:
    """Answers for the page's own files, and passes everything else on."""

    def __init__(self, app: App, host: str) -> None:
        """Take the service behind it.

        Args:
            app: the service.
            host: the address that is listened on; on the loopback one, only names of this machine are answered to.
        """
        self._app, self._is_local = app, host in LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refusal(scope["method"], headers)
        file = files().get(scope["path"])
        if refused is not None:
            await _refuse(refused, send)
        elif file is not None and scope["method"] in {"GET", "HEAD"}:
            await _send_file(file, headers, send, is_head=scope["method"] == "HEAD")
        else:
            await self._app(scope, receive, _with_headers(send))

    def _refusal(self, method: str, headers: Mapping[str, str]) -> ProblemError | None:
        """Refuse what a page of another site may have sent: by a name that leads here, or straight."""
        host, origin = headers.get("host", ""), headers.get("origin", "")
        try:
            name, sender = urlsplit(f"//{host}").hostname, urlsplit(origin).netloc
        except ValueError:
            return ProblemError(400, "the header Host or Origin is not an address")
        if self._is_local and name not in LOOPBACK:
            return ProblemError(
                421, f"this page answers to localhost, not to {host[:100]!r}; give --host to serve it to others"
            )
        if method not in {"GET", "HEAD", "OPTIONS"} and origin and sender != host:
            return ProblemError(403, "a page of another site may not use this service")
        return None


def _with_headers(send: Send) -> Send:
    """Add what answers of the service need where a browser sees them."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            more = _EVERYWHERE | ({} if b"cache-control" in names else {"cache-control": "no-store"})
            message = {**message, "headers": [*given, *_encoded(more)]}
        await send(message)

    return sent


async def _send_file(file: File, headers: Mapping[str, str], send: Send, *, is_head: bool) -> None:
    more = {**_EVERYWHERE, **_OF_THE_PAGE, "etag": file.tag, "vary": "accept-encoding"}
    if headers.get("if-none-match") == file.tag:
        await _send(send, 304, more, b"")
        return
    content = file.content
    if file.compressed and "gzip" in headers.get("accept-encoding", ""):
        content, more["content-encoding"] = file.compressed, "gzip"
    more |= {"content-type": file.kind, "content-length": str(len(content))}
    await _send(send, 200, more, b"" if is_head else content)


async def _refuse(problem: ProblemError, send: Send) -> None:
    content = json.dumps(document(problem, "")).encode()
    headers = {**_EVERYWHERE, "content-type": PROBLEM_JSON, "content-length": str(len(content)), "connection": "close"}
    await _send(send, problem.status, headers, content)


async def _send(send: Send, status: int, headers: Mapping[str, str], content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": content})


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
