"""The clients of the service's benchmark: what they count, and that a wrong answer is noticed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("uvloop", reason='the service is not installed: pip install "catalens[serve]"')

from benchmarks.load import _measured, alike, post, run


def found(answer: Callable[[int, bytes], bytes], requests: list[bytes]) -> dict[str, object]:
    """Measure a server that answers each request, by its number, with whole responses."""
    count = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
                count += 1
                whole = answer(count, body)
                writer.write(whole[:20])
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(whole[20:])
        except asyncio.IncompleteReadError:
            writer.close()

    async def measure() -> dict[str, object]:
        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await _measured(f"http://127.0.0.1:{port}", requests, 0.2, clients=2, each=3)

    return run(measure())


def ok(value: object) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_answers_are_counted_and_the_same_ones_do_not_differ() -> None:
    figures = found(lambda _, body: ok({"echo": body.decode()}), post("/echo", [b"one", b"two", b""], "text/plain"))
    asked = figures["statuses"]["200"]  # type: ignore[index]
    assert asked > 0
    assert 0 < figures["per_s"] <= 3 * asked / 0.2  # type: ignore[operator]
    assert figures["differ"] == 0
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]  # type: ignore[operator]
    assert figures["client_ms_of_processor"] > 0  # type: ignore[operator]


def test_an_answer_that_is_not_that_of_its_request_differs() -> None:
    figures = found(lambda number, _: ok({"number": f"{number} th"}), post("/tags", [b"a", b"b"], "text/plain"))
    assert figures["differ"] == 2


def test_refusals_are_counted_by_status_and_are_no_answers() -> None:
    refusal = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
    figures = found(lambda number, _: refusal if number % 2 else ok(1), post("/tags", [b"a"], "text/plain"))
    assert figures["statuses"].keys() == {"200", "429"}  # type: ignore[attr-defined]
    assert figures["differ"] == 0  # also where it is refused when it is asked alone


def test_numbers_and_vectors_may_be_rounded_and_words_may_not() -> None:
    vector = np.array([0.6, 0.8], dtype="<f4")
    rows = [json.dumps({"v": base64.b64encode(each.tobytes()).decode()}).encode() for each in (vector, vector + 1e-3)]
    assert alike(*rows)
    assert not alike(rows[0], json.dumps({"v": base64.b64encode((vector + 0.1).tobytes()).decode()}).encode())
    assert alike(b'{"tags": [{"label": "shirt", "score": 0.5}]}', b'{"tags": [{"label": "shirt", "score": 0.5001}]}')
    assert not alike(b'{"tags": [{"label": "shirt", "score": 0.5}]}', b'{"tags": [{"label": "shoes", "score": 0.5}]}')
    assert not alike(b'{"tags": [{"label": "shirt", "score": 0.5}]}', b'{"tags": [{"label": "shirt", "score": 0.6}]}')
    assert not alike(b'{"a": [1]}', b'{"a": []}')
