"""Client of the HTTP service: the methods and result values of the local API.

from catalens.client import Client

with Client("http://127.0.0.1:8080") as client:
    client.tag("photo.jpg", ["a photo of cats", "a photo of dogs"])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catalens.client.asynchronous import AsyncClient
    from catalens.client.calls import ServerError
    from catalens.client.retrying import Retries
    from catalens.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "Retries", "ServerError"]

_HOMES = {"AsyncClient": "asynchronous", "Client": "synchronous", "Retries": "retrying", "ServerError": "calls"}


def __getattr__(name: str) -> object:
    """Load the module that a name lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module 'catalens.client' has no attribute {name!r}")
    return getattr(import_module(f"catalens.client.{_HOMES[name]}"), name)
