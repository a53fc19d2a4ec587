"""Clients that cost a service little of the cores that they share with it, and what they measure.

A client keeps one connection, sends requests made beforehand, and reads a status and a body of stated length.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import closing
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import uvloop

from benchmarks.plan import Figures

T = TypeVar("T")

CLIENTS = 32
_TIMEOUT_S = 120.0
_REFUSED_S = 0.05
"""How long a client waits after a refusal."""
_ALIKE = 0.01
"""How far a number may be from that of the same request alone: batches of other sizes add up in other orders."""


def post(path: str, bodies: Sequence[bytes], content_type: str) -> list[bytes]:
    """Return the requests that post each body."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: "
    return [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, on the event loop that costs least."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def measured(url: str, requests: Sequence[bytes], seconds: float, clients: int = CLIENTS, each: int = 1) -> Figures:
    """Return the figures of some clients that ask at a time for some seconds.

    Args:
        url: of the service.
        requests: whole ones, sent in turn.
        seconds: of asking.
        clients: that ask at a time.
        each: items in a request.

    Returns:
        Items a second, latencies, statuses, the processor time of this process for a request, and how many answers
        were not those of the same requests one by one.
    """
    return run(_measured(url, requests, seconds, clients, each))


async def _measured(url: str, requests: Sequence[bytes], seconds: float, clients: int, each: int) -> Figures:
    latencies: list[float] = []
    statuses: Counter[str] = Counter()
    answers: dict[int, bytes] = {}

    async def caller(number: int) -> None:
        at = number
        status: int | str
        with closing(Client(url)) as client:
            while time.perf_counter() < end_s:
                asked_s = time.perf_counter()
                try:
                    status, answer = await client.ask(requests[at % len(requests)])
                except OSError as error:
                    status, answer = type(error).__name__, b""
                statuses[str(status)] += 1
                if status == 200:
                    latencies.append(time.perf_counter() - asked_s)
                    answers[at % len(requests)] = answer
                else:
                    await asyncio.sleep(_REFUSED_S)
                at += clients

    with closing(Client(url)) as alone:
        await alone.ask(requests[0])
        worked_s, started_s = time.process_time(), time.perf_counter()
        end_s = started_s + seconds
        await asyncio.gather(*map(caller, range(clients)))
        taken_s, worked_s = time.perf_counter() - started_s, time.process_time() - worked_s
        differ = 0
        for at, answer in answers.items():
            status, wanted = await alone.ask(requests[at])
            differ += status == 200 and not alike(answer, wanted)
    ordered = sorted(latencies) or [0.0]
    return {
        "per_s": round(each * len(latencies) / taken_s, 1),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 3),
        "p99_ms": round(1000 * ordered[int(len(ordered) * 0.99)], 3),
        "client_ms_of_processor": round(1000 * worked_s / max(1, statuses.total()), 3),
        "differ": differ,
        "statuses": dict(statuses),
    }


def alike(one: bytes, other: bytes) -> bool:
    """Return whether two answers of JSON say the same, but for the rounding of numbers and vectors."""
    return _alike(json.loads(one), json.loads(other))


def _alike(one: Any, other: Any) -> bool:  # noqa: ANN401 - JSON values
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= _ALIKE
    if isinstance(one, str) and isinstance(other, str) and one != other:
        vectors = _vector(one), _vector(other)
        return vectors[0].shape == vectors[1].shape and bool(np.allclose(*vectors, rtol=0, atol=_ALIKE))
    return bool(one == other)


def _vector(text: str) -> np.ndarray[Any, Any]:
    """Return the vector that base64 means; mere words are one that equals none."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4")
    except (binascii.Error, ValueError):
        return np.array([np.nan])


class Client(asyncio.Protocol):
    """One connection, which asks one thing at a time."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Return the status and the body of an answer.

        Raises:
            OSError: there is no connection, it was lost, or there was no answer in time.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            self._transport, _ = await loop.create_connection(lambda: self, self._host, self._port)
        self._received.clear()
        self._answer = loop.create_future()
        late = loop.call_later(_TIMEOUT_S, self._fail, TimeoutError())
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            late.cancel()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._answer is None or self._answer.done():
            return
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if not length:
            self._fail(OSError("an answer without a length"))
        elif len(body) >= int(length):
            self._answer.set_result((int(head[9:12]), bytes(body)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._fail(exc or ConnectionResetError("closed before the answer"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
