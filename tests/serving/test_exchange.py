"""One request and its answer: callers who leave, what takes too long, and the end of the service."""

import asyncio
import json
from typing import Any

import pytest

from catalens.serving.app import create_app
from catalens.serving.config import load_config
from catalens.serving.guard import Guard
from catalens.serving.runner import LocalRunner
from tests.support.serving import FAKE


@pytest.mark.parametrize("begun", [False, True])
def test_caller_who_leaves_ends_only_what_is_not_yet_answered(*, begun: bool):
    """Also the task goes on: what comes after the exchange is not cancelled with it."""
    ended: list[str] = []
    parts = iter(({"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}))
    service = create_app(load_config(flags={"models": {"default": FAKE}}), LocalRunner).service

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        ended.append(message["type"])

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()
        try:
            await asyncio.sleep(0.05 if begun else 60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        ended.append("finished")

    async def exchange() -> float | None:
        scope = {"type": "http", "path": "/v1/tags", "method": "POST", "headers": []}
        await asyncio.wait_for(Guard(slow, service)(scope, receive, send), 120)
        await asyncio.sleep(0)
        return service.metrics.registry.get_sample_value(
            "catalens_requests_total", {"route": "other", "status": "200" if begun else "499"}
        )

    assert asyncio.run(exchange()) == 1
    assert ended == (["http.response.start", "finished"] if begun else ["cancelled"])


def test_a_request_that_the_server_ends_at_shutdown_is_answered():
    sent: list[Any] = []
    service = create_app(load_config(flags={"models": {"default": FAKE}}), LocalRunner).service

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    async def slow(*_: Any) -> None:
        await asyncio.sleep(60)

    async def exchange() -> bool:
        scope = {"type": "http", "path": "/v1/tags", "method": "POST", "headers": []}
        task = asyncio.create_task(Guard(slow, service)(scope, receive, send))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task], timeout=60)
        return task.cancelled()

    assert asyncio.run(exchange()) is False
    start, body = sent
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"1"
    assert json.loads(body["body"])["detail"] == "the service shut down before this was done"


@pytest.mark.parametrize(
    ("limit", "body", "status"), [("body_timeout_s", {"more_body": True}, 408), ("request_timeout_s", {}, 504)]
)
def test_what_takes_too_long_is_refused(limit: str, body: dict[str, Any], status: int):
    """A body that does not end, and an application that does not answer."""
    sent: list[Any] = []
    limits = {"body_timeout_s": 100.0, "request_timeout_s": 100.0, limit: 0.1}
    service = create_app(load_config(flags={"models": {"default": FAKE}, **limits}), LocalRunner).service
    parts = iter([{"type": "http.request", "body": b"{", **body}])

    async def receive() -> Any:
        for part in parts:
            return part
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()

    async def exchange() -> None:
        scope = {"type": "http", "path": "/v1/tags", "method": "POST", "headers": []}
        await asyncio.wait_for(Guard(slow, service)(scope, receive, send), 120)
        assert not asyncio.current_task().cancelling()  # type: ignore[union-attr]

    asyncio.run(exchange())
    assert [each.get("status") for each in sent] == [status, None]
