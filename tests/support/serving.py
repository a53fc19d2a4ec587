"""A service for tests: fake models in this process, an application without sockets, and pictures."""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from catalens.serving.app import create_app
from catalens.serving.config import load_config
from catalens.serving.guard import App
from catalens.serving.runner import LocalRunner, Runner, WorkerConfig
from catalens.serving.server import TimedProtocol

FAKE = {"encoder": "fake", "reader": "fake"}


def picture(colour: str = "red", size: tuple[int, int] = (48, 40), kind: str = "PNG") -> bytes:
    """Return an encoded picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def answer(address: str, *parts: bytes) -> bytes:
    """Return what a server answers to bytes, until it closes the connection."""
    found = b""
    with socket.create_connection((urlsplit(address).hostname, urlsplit(address).port), timeout=120) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while part := connection.recv(65536):
                found += part
        except ConnectionError:
            pass  # closed before everything was sent
    return found


@contextmanager
def listening(
    runner: Callable[[WorkerConfig], Runner] = LocalRunner,
    around: Callable[[App], App] = lambda app: app,
    **settings: Any,
) -> Iterator[str]:
    """Serve fake models on a port of this machine, in a thread; gives the address."""
    settings.setdefault("models", {"default": FAKE})
    app = create_app(load_config(flags=settings), runner)
    config = uvicorn.Config(
        around(app), port=0, log_config=None, http=TimedProtocol, ws="none", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline_s = time.monotonic() + 240
        while not (server.started and app.service.is_ready):
            assert thread.is_alive()
            assert app.service.failure is None
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def serving(**settings: Any) -> Iterator[TestClient]:
    """Run an application over fake models; a fault of the program is a response of 500, not an exception."""
    settings.setdefault("models", {"default": FAKE})
    app = create_app(load_config(flags=settings), LocalRunner)
    with TestClient(app, base_url="http://test", raise_server_exceptions=False) as client:
        # Not by asking /health/ready, which would take the loading thread's time.
        deadline_s = time.monotonic() + 240
        while not app.service.is_ready and app.service.failure is None and time.monotonic() < deadline_s:
            time.sleep(0.002)
        yield client
