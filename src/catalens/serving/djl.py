"""The handler that DJL Serving's Python engine calls; a bundle's `model.py` offers it.

The engine calls it once with an empty input to warm up, then with single requests or batches. A status of 300 or
more fails every request of a batch, so an item that failed is answered with its own error record.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from catalens.serving.embedded import Endpoint, endpoint_config

_JSON = "application/json"


class Handler:
    """`handle` of one bundle; the models are loaded by the first call."""

    def __init__(self, folder: Path) -> None:
        """Take the bundle's folder."""
        self._folder, self._lock = folder, threading.Lock()
        self._endpoint: Endpoint | None = None

    def handle(self, inputs: Any) -> Any:  # noqa: ANN401 - types of the engine, which is only there at run time
        """Answer one request or a batch; None for the warm-up.

        Raises:
            CatalensError: the bundle is incomplete, or a model cannot be had.
        """
        endpoint = self._loaded(inputs.get_properties())
        if inputs.is_empty():
            return None
        from djl_python import Output

        items = inputs.get_batches() if inputs.is_batch() else [inputs]
        answers = endpoint.answer_many([(_body(item), _type(item)) for item in items])
        output = Output()
        if inputs.is_batch():
            for at, answer in enumerate(answers):
                output.add_as_json(answer, batch_index=at)
        elif isinstance(answers[0], dict) and isinstance(answers[0].get("error"), dict):
            problem = answers[0]["error"]
            output.error(problem["detail"], code=problem["status"], message=problem["title"])
        else:
            output.add_as_json(answers[0])
        return output

    def _loaded(self, properties: dict[str, str]) -> Endpoint:
        with self._lock:
            if self._endpoint is None:
                fetched = properties.get("model_id")
                weights = Path(fetched) if fetched and Path(fetched).is_dir() else None
                self._endpoint = Endpoint(endpoint_config(self._folder, os.environ, weights))
            return self._endpoint


def _body(item: Any) -> bytes:  # noqa: ANN401 - of the engine
    return bytes(item.get_as_bytes() or b"")


def _type(item: Any) -> str:  # noqa: ANN401 - of the engine
    return item.get_property("Content-Type") or _JSON
