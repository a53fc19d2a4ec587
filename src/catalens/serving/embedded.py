"""The service inside another server: bodies in, JSON values out, without HTTP.

Model servers such as SageMaker's and DJL Serving own the sockets and call functions; this runs the same payloads,
through the same code, in their process.
"""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from catalens.core.errors import InputError
from catalens.core.json_text import parse_json
from catalens.serving.config import ServeConfig, load_config
from catalens.serving.gathering import each
from catalens.serving.invocations import invoke, invoke_picture, invoke_task
from catalens.serving.lane import Content
from catalens.serving.payloads import JSON_LINES, is_picture_type, unsupported
from catalens.serving.problems import error_record
from catalens.serving.runner import LocalRunner
from catalens.serving.service import Service
from catalens.settings import Settings

T = TypeVar("T")
ENDPOINT_FILE, ARTICLE_FILE = "endpoint.json", "model_name.json"
"""What a bundle serves, and the file that the published DJL Serving example uses for the same."""
_ARTICLE_KEYS = {"clip_model_name": "encoder", "caption_model_name": "reader"}
_POLL_S = 0.01


class Lines(list[Any]):
    """Answers to a body of JSON lines."""


class Endpoint:
    """Loaded models with an event loop in a thread of its own. Safe to share between threads."""

    def __init__(self, config: ServeConfig) -> None:
        """Load the models.

        Raises:
            CatalensError: a model cannot be had.
        """
        self.service = Service(config, LocalRunner)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()
        self._wait_for(self._start())

    def answer(self, body: bytes, media_type: str) -> Any:  # noqa: ANN401 - JSON values of several shapes
        """Answer one request.

        Args:
            body: of the request.
            media_type: its Content-Type.

        Returns:
            a JSON value; `Lines` for JSON lines, with an error record for each line that failed.

        Raises:
            Exception: as `problems.as_problem` translates it.
        """
        return self._wait_for(self._answer(body, media_type))

    def answer_many(self, requests: Sequence[tuple[bytes, str]]) -> list[Any]:
        """Answer a batch of (body, media type), with an error record in the place of each request that failed."""
        return self._wait_for(self._records(requests))

    def close(self) -> None:
        """Release the models."""
        self._wait_for(self.service.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> None:
        await self.service.start()
        while not self.service.is_ready:
            if self.service.failure is not None:
                raise self.service.failure
            await asyncio.sleep(_POLL_S)

    async def _answer(self, body: bytes, media_type: str) -> Any:  # noqa: ANN401 - JSON values
        kind = media_type.partition(";")[0].strip().lower() or "application/json"
        if kind in JSON_LINES:
            lines = [(line, "application/json") for line in body.split(b"\n") if line.strip()]
            most = self.service.config.max_pictures
            if not 1 <= len(lines) <= most:
                raise InputError(f"{len(lines)} lines; send 1 to {most} in a request")
            return Lines(await self._records(lines))
        if is_picture_type(kind):
            of_picture = invoke_picture if self.service.config.task == "embedding" else invoke_task
            return await of_picture(Content(body), self.service)
        if kind in {"application/json", "text/json"}:
            return await invoke(body, self.service)
        if kind == "text/plain":
            text = json.dumps({"inputs": body.decode("utf-8", "replace")})
            return await invoke(text.encode(), self.service)
        raise unsupported(kind, "application/json, application/jsonlines, text/plain or image/*")

    async def _records(self, requests: Sequence[tuple[bytes, str]]) -> list[Any]:
        async def one(request: tuple[bytes, str]) -> Any:  # noqa: ANN401 - JSON values
            return await self._answer(*request)

        found = await each(one, list(requests))
        return [
            error_record(row, self.service, uuid.uuid4().hex) if isinstance(row, Exception) else row for row in found
        ]


def endpoint_config(folder: Path, env: Mapping[str, str], weights: Path | None = None) -> ServeConfig:
    """Return the configuration of an unpacked bundle.

    Args:
        folder: of the bundle.
        env: variables of the container; `CATALENS_SERVE_*`, and MODEL_NAME and ENCODE_TYPE of the published
            examples. They override the bundle.
        weights: the model's folder where the server fetched it from elsewhere.

    Raises:
        InputError: a file or a variable is not as expected.
    """
    given = _read(folder / ENDPOINT_FILE)
    article = _read(folder / ARTICLE_FILE)
    model = {name: given.get(name) for name in ("encoder", "reader")}
    inner = weights or folder / str(given["weights"]) if given.get("weights") or weights else None
    if inner is not None:
        model |= dict.fromkeys(given.get("weights_are", ()), str(inner))
    model |= {name: article[key] for key, name in _ARTICLE_KEYS.items() if key in article}
    if env.get("MODEL_NAME"):
        model["encoder"] = env["MODEL_NAME"]
    named = {name: value for name, value in model.items() if value is not None}
    flags = {"models": {"default": named}, "task": _task(env) or given.get("task", "caption")}
    return load_config(flags={**flags, **Settings.from_env(env).serve})


def _task(env: Mapping[str, str]) -> str | None:
    kind = env.get("ENCODE_TYPE", "")
    if kind.upper() not in {"", "TEXT", "IMAGE"}:
        raise InputError(f"ENCODE_TYPE is {kind!r}; use TEXT or IMAGE")
    return "embedding" if kind else None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} of the bundle cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path.name} of the bundle is not a JSON object")
    return found
