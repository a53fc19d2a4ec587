"""Running the page: before models of this process, or before a server."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvicorn

from catalens.catalogue.opening import scheme_of
from catalens.core.errors import InputError
from catalens.serving.config import ModelConfig, ServeConfig
from catalens.serving.server import announce, prepare, run_server, serve, server_of
from catalens.ui.page import Page
from catalens.ui.proxy import Proxy

_UNNAMED = re.compile(r"[^A-Za-z0-9._-]+")


def run_page(config: ServeConfig) -> None:
    """Serve models and the page until SIGTERM or SIGINT.

    Raises:
        CatalensError: an eager model cannot be loaded.
    """
    # The terminal keeps the address of the page in sight.
    logging.getLogger("catalens.serving.access").setLevel(logging.WARNING)
    serve(config, lambda app: Page(app, config.host))


def run_page_at(server: str, config: ServeConfig, *, server_key: str | None) -> None:
    """Serve the page before a server until SIGTERM or SIGINT.

    Args:
        server: its address.
        config: where the page listens, and its limits.
        server_key: sent to the server.
    """
    prepare(config)
    proxy = Proxy(
        server,
        server_key=server_key,
        api_key=None if config.api_key is None else config.api_key.get_secret_value(),
        max_body_bytes=config.max_body_bytes,
        timeout_s=config.request_timeout_s,
    )
    found = server_of(config, Page(proxy, config.host))
    run_server(found, _run(found))


async def _run(server: uvicorn.Server) -> None:
    serving = asyncio.create_task(server.serve())
    await announce(server, serving)
    await serving


def catalogues_named(given: Sequence[str]) -> dict[str, str]:
    """Return catalogues by name: NAME=FILE as it is, FILE under the name of the file.

    Raises:
        InputError: two have the same name, or there is no such file.

    >>> catalogues_named(["shoes=opensearch://localhost/shop"])
    {'shoes': 'opensearch://localhost/shop'}
    """
    found: dict[str, str] = {}
    for each in given:
        name, equals, path = each.partition("=")
        if not equals or "/" in name:
            name, path = _named(Path(each).stem), each
        if scheme_of(path) is None and not Path(path).is_file():
            raise InputError(f"there is no catalogue {path}; make one with: catalens index add {path} FOLDER")
        if name in found:
            raise InputError(f"two catalogues are named {name!r}; give one of them as NAME={path}")
        found[name] = path
    return found


def models_named(encoders: Sequence[str], reader: str) -> Mapping[str, ModelConfig]:
    """Return models by name: the first is loaded at once, others when they are first used.

    Args:
        encoders: their names; none takes the bundled ones, routed by picture and each by itself.
        reader: which all of them share.

    >>> list(models_named(["ViT-L-14/openai", "starter"], "starter"))
    ['ViT-L-14-openai', 'starter']
    """
    if not encoders:
        bundled = {name: ModelConfig(encoder=name, reader=reader, load="lazy") for name in ("starter", "everyday")}
        return {"bundled": ModelConfig(reader=reader), **bundled}
    return {
        _named(name): ModelConfig(encoder=name, reader=reader, load="lazy" if at else "eager")
        for at, name in enumerate(encoders)
    }


def _named(text: str) -> str:
    """Return a name made of letters, digits, dots, dashes and underscores.

    >>> _named("ViT-L-14/openai")
    'ViT-L-14-openai'
    """
    return _UNNAMED.sub("-", text).strip("-") or "unnamed"
