"""Pictures by address from hosts that are allowed but hostile: real sockets on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ipaddress
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from catalens.core.errors import ImageError, InputError
from catalens.serving import remote
from catalens.serving.config import load_config
from catalens.serving.remote import fetch

CONFIG = load_config(flags={"allowed_hosts": "pictures.example", "max_body_bytes": 100_000})
HOST, PRIVATE = "127.0.0.1", "127.0.0.2"
"""Stands for an address of the public internet; the other is of the own network."""
OK = b"HTTP/1.1 200 OK\r\n"
Answer = Callable[[socket.socket], None]


@contextmanager
def answering(answer: Answer, host: str = HOST, port: int = 0) -> Iterator[tuple[int, list[bytes]]]:
    """Answer each connection by a function; gives the port, and the requests that came."""
    requests: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                requests.append(connection.recv(65536))
                answer(connection)

    with socket.create_server((host, port)) as listener:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], requests
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(60)


def sending(*parts: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return answer


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The host's name leads to `HOST` first, and to `PRIVATE` ever after; gives the names that were looked up."""
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *given: Any, **named: Any) -> Any:
        if host != "pictures.example":
            return real(host, port, *given, **named)
        looked_up.append(host)
        there = HOST if len(looked_up) == 1 else PRIVATE
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (there, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(remote, "is_public", lambda address: address == ipaddress.ip_address(HOST))
    return looked_up


def get(port: int) -> bytes:
    return asyncio.run(fetch(f"http://pictures.example:{port}/a.jpg", CONFIG))


def test_a_name_that_leads_elsewhere_when_it_is_looked_up_again_does_not_lead_there(names: list[str]):
    with (
        answering(sending(OK, b"Content-Length: 3\r\n\r\nred")) as (port, asked),
        answering(sending(OK, b"Content-Length: 6\r\n\r\nsecret"), PRIVATE, port) as (_, private),
    ):
        assert get(port) == b"red"
        with pytest.raises(InputError, match="private address"):
            get(port)  # which is looked up anew, and now leads to the own network
    assert names == ["pictures.example"] * 2
    assert f"Host: pictures.example:{port}".encode().lower() in asked[0].lower()
    assert private == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch):
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in (HOST, PRIVATE)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(InputError, match="private address"):
        get(80)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (sending(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"), "answered 302"),
        (sending(OK, b"Content-Length: 10\r\n\r\nred"), "breaks off"),
        (sending(OK, b"Transfer-Encoding: chunked\r\n\r\n5\r\nred"), "breaks off"),
        (sending(OK, b"Content-Length: -1\r\n\r\nred"), "breaks off, or answers with something that is no HTTP"),
        (sending(b"220 mail.example ESMTP\r\n"), "no HTTP"),
        (sending(b""), "breaks off"),
        (sending(OK, *[b"X-%d: %s\r\n" % (at, b"a" * 1000) for at in range(500)]), "no HTTP"),
        (sending(OK, b"Content-Length: 200000\r\n\r\n", b"a" * 200_000), "larger than 100,000 bytes"),
        (sending(OK, b"\r\n", b"a" * 200_000), "larger than 100,000 bytes"),
        (
            sending(OK, b"Content-Encoding: gzip\r\n\r\n", gzip.compress(bytes(50_000_000))),
            "compresses",
        ),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_in_words(answer: Answer, said: str):
    with answering(answer) as (port, _), pytest.raises(ImageError, match=said) as caught:
        get(port)
    assert "Error" not in str(caught.value)


def test_a_port_that_nobody_listens_on_is_said_in_words():
    with answering(sending(b"")) as (port, _):
        pass
    with pytest.raises(ImageError, match="cannot be fetched: its host cannot be connected to"):
        get(port)


@pytest.mark.parametrize("start", [OK + b"\r\n", OK + b"Content-Length: 90000\r\n\r\n", OK + b"X-Slow: ", b"HTTP/1.1"])
def test_bytes_that_come_slowly_for_ever_are_cut_off_in_all(monkeypatch: pytest.MonkeyPatch, start: bytes):
    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"a")
            time.sleep(0.02)

    monkeypatch.setattr(remote, "_TIMEOUT_S", 0.5)
    with answering(drip) as (port, _):
        started_s = time.monotonic()
        with pytest.raises(ImageError, match=r"did not answer within 0\.5 s"):
            get(port)
        assert time.monotonic() - started_s < 10
