"""From a writer's name to a writer; what a writer needs is imported when it is named."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import InputError, ModelError

if TYPE_CHECKING:
    from catalens.core.protocols import Writer

NAMES = (
    "bedrock:MODEL-ID, openai:URL#MODEL (or just https://…/v1#MODEL), transformers:FOLDER, fake; "
    "the template needs no model"
)


def load_writer(name: str, *, api_key: str | None = None, timeout_s: float = 60.0) -> Writer:
    """Load a writer by its name.

    Args:
        name: `bedrock:MODEL-ID` (a model or an inference profile), `openai:URL#MODEL` or an http(s) URL with `#MODEL`
            (any chat completions server), `transformers:FOLDER` (a chat model on disk), or `fake`.
        api_key: bearer token for a server; AWS credentials are found by boto3.
        timeout_s: total time of one request over a network.

    Raises:
        InputError: the name is unknown, or the timeout is not above 0.
        ModelError: a library or a folder is missing; the message names the cure.
    """
    if timeout_s <= 0:
        raise InputError(f"the timeout is {timeout_s} seconds; it must be above 0")
    kind, _, rest = name.partition(":")
    if kind in {"http", "https"}:
        kind, rest = "openai", name
    makers: dict[str, Callable[[], Writer]] = {
        "bedrock": lambda: _bedrock(rest, timeout_s),
        "openai": lambda: _openai(rest, api_key, timeout_s),
        "transformers": lambda: _transformers(rest),
    }
    if name == "fake":
        from catalens.models.writers.fake import FakeWriter

        return FakeWriter()
    if kind not in makers or not rest.strip():
        raise InputError(f"there is no writer {name!r}; accepted are: {NAMES}")
    return makers[kind]()


def _bedrock(model: str, timeout_s: float) -> Writer:
    _need("boto3", "aws")
    from catalens.models.writers.bedrock import load_bedrock

    return load_bedrock(model, timeout_s=timeout_s)


def _openai(address: str, api_key: str | None, timeout_s: float) -> Writer:
    from catalens.models.remote import need_httpx

    need_httpx("writers behind a server")
    from catalens.models.remote.chat import connect
    from catalens.models.writers.chat import ChatWriter

    return ChatWriter(connect(address, api_key=api_key, timeout_s=timeout_s))


def _transformers(folder: str) -> Writer:
    _need("transformers", "hub")
    _need("torch", "hub")
    from catalens.models.writers.local import load_local

    return load_local(Path(folder))


def _need(package: str, extra: str) -> None:
    if find_spec(package) is None:
        raise ModelError(f'this writer needs {package}, which is not installed: pip install "catalens[{extra}]"')
