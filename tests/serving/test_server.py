"""The server at its socket: headers without an end, and addresses that cannot be listened on."""

import socket

import pytest

from catalens.core.errors import InputError
from catalens.serving.config import ServeConfig
from catalens.serving.server import prepare
from tests.support.serving import answer, listening


def test_a_header_without_an_end_is_refused_and_others_are_answered() -> None:
    start = b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    chunked = b"POST /v1/tags HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"
    megabyte = b"a" * 2**20
    with listening() as address:
        assert answer(address, start, b"X-Long: " + b"a" * 20_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        for endless in (
            (start, b"X-Long: ", *[megabyte] * 8),
            (start, *[b"".join(b"X-%d: a\r\n" % each for each in range(9000))] * 20),
            (b"GET /ping?", *[megabyte] * 8),
        ):
            assert b" 200 " not in answer(address, *endless)
        assert b" 200 " not in answer(address, chunked, b"X-Trailer: ", *[megabyte] * 8)
        assert answer(address, start, b"\r\n").startswith(b"HTTP/1.1 200")


def test_a_large_body_is_no_header() -> None:
    body = b'{"inputs": "' + b"a" * 3_000_000 + b'"}'
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with listening() as address:
        assert b"characters" in answer(address, head, body)


def test_an_address_that_is_taken_or_elsewhere_is_refused_before_models_load() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen on port {port} of 127.0.0.1: .*in use.*--port"):
            prepare(ServeConfig(port=port))
    prepare(ServeConfig(port=port))
    with pytest.raises(InputError, match=r"'nowhere\.invalid' is no address of this machine"):
        prepare(ServeConfig(host="nowhere.invalid"))
