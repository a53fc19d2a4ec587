"""Bytes at the socket that no client would send: each is answered, or refused, for what it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.support.serving import answer, b64, listening, picture

RED = picture("red")
IMAGE = b64(RED)
TAG = json.dumps({"image": IMAGE, "labels": ["a", "b"]}).encode()
FORM = b"multipart/form-data; boundary=bnd"
FILE = b'Content-Disposition: form-data; name="image"; filename="x"'


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with listening(body_timeout_s=1.0) as address:
        yield address


def post(
    body: bytes, extra: bytes = b"", *, path: bytes = b"/v1/tags", kind: bytes = b"application/json", last: bool = True
) -> bytes:
    lines = [b"POST %s HTTP/1.1" % path, b"Host: x", b"Content-Type: " + kind, b"Content-Length: %d" % len(body)]
    lines += [extra] if extra else []
    lines += [b"Connection: close"] if last else []
    return b"\r\n".join([*lines, b"", body])


def form(*parts: tuple[bytes, bytes]) -> bytes:
    body = b"".join(b"--bnd\r\n%s\r\n\r\n%s\r\n" % part for part in parts) + b"--bnd--\r\n"
    return post(body, kind=FORM)


def tagged(**fields: str) -> bytes:
    """Return a request for tags with fields that are JSON already."""
    inside = "".join(f', "{name}": {value}' for name, value in fields.items())
    return post(f'{{"image": "{IMAGE}"{inside}}}'.encode("utf-8", "surrogatepass"))


CHUNKED = b"POST /v1/tags HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
RAW = {
    "three at once": (post(TAG, last=False) + post(b"{}", last=False) + post(TAG), [200, 422, 200]),
    "HTTP/1.0": (post(TAG).replace(b"HTTP/1.1", b"HTTP/1.0"), [200]),
    "too large, and asks first": (
        post(b"", b"Expect: 100-continue").replace(b"Length: 0", b"Length: 999999999"),
        [413],
    ),
    "chunks without an end": (CHUNKED + b"\r\n1\r\n{\r\n1\r\n}\r\n", [408]),
    "chunk of any size": (CHUNKED + b"Connection: close\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nabc", [400]),
    "chunks and a length": (CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", [400]),
    "two lengths": (post(TAG, b"Content-Length: 3"), [400]),
    "a length below zero": (post(b"").replace(b"Length: 0", b"Length: -5"), [400]),
    "body shorter than its length": (post(TAG).replace(b"Length: ", b"Length: 9"), [408]),
    "websocket": (
        b"GET /v1/tags HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
        b"\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        [405],
    ),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "TLS": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(100), [400]),
    "lone CR in a header": (GET + b"A: b\rX-Evil: 1\r\n\r\n", [400]),
    "id with a header in it": (post(TAG, b"X-Request-Id: a\rX-Evil: 1"), [400]),
    "path of bytes": (b"GET /v1/models/\xff HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    "path of half a letter": (b"GET /v1/models/%ed%a0%80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", [404]),
    "10,000 files": (form(*[(FILE, b"x")] * 10_000), [400]),
    "10,000 fields": (form(*[(b'Content-Disposition: form-data; name="a"', b"x")] * 10_000), [400]),
    "part with long headers": (form((FILE + b"\r\nX: " + b"a" * 500_000, RED)), [400]),
    "another boundary": (form((FILE, RED)).replace(b"=bnd", b"=zzz"), [400]),
    "deep JSON": (post(b"[" * 200_000), [400]),
    "infinite": (tagged(threshold="1e999"), [422]),
    "not a number": (tagged(threshold="NaN"), [422]),
    "long number": (tagged(top="9" * 400_000), [400]),
    "key twice": (tagged(labels='["x"], "labels": ["a", "b"]'), [200]),
    "half a letter": (tagged(labels='["\\ud800", "b"]'), [400]),
    "half a letter in UTF-8": (tagged(labels='["\ud800", "b"]'), [400]),
    "both halves": (tagged(labels='["\\ud83d\\ude00", "b"]'), [200]),
    "5,000 names": (
        post(RED, path=b"/v1/tags?" + b"&".join(b"a%d" % at for at in range(5000)), kind=b"image/png"),
        [422],
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_bytes_are_answered_for_what_they_are(address: str, name: str):
    sent, expected = RAW[name]
    found = answer(address, sent)
    assert b"\r\nX-Evil" not in found
    assert [int(each) for each in re.findall(rb"HTTP/1\.1 (\d+) ", found)] == expected
    assert httpx.get(f"{address}/health/live", timeout=120).status_code == 200
