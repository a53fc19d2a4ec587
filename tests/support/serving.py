"""A service for tests: fake models in this process, an application without sockets, and pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image
from starlette.testclient import TestClient

from catalens.serving.app import create_app
from catalens.serving.config import load_config
from catalens.serving.worker import LocalRunner

FAKE = {"encoder": "fake", "reader": "fake"}


def picture(colour: str = "red", size: tuple[int, int] = (48, 40), kind: str = "PNG") -> bytes:
    """Return an encoded picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@contextmanager
def serving(**settings: Any) -> Iterator[TestClient]:
    """Run an application over fake models; a fault of the program is a response of 500, not an exception."""
    settings.setdefault("models", {"default": FAKE})
    app = create_app(load_config(flags=settings), LocalRunner)
    with TestClient(app, base_url="http://test", raise_server_exceptions=False) as client:
        for _ in range(200):
            if client.get("/health/ready").status_code == 200:
                break
        yield client
