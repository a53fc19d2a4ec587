"""The part of DJL Serving's `djl_python` that a handler meets, with its rules for batches."""

from __future__ import annotations

import json
from typing import Any


class Input:
    """One request, or a batch of them."""

    def __init__(self, content: bytes | None = None, kind: str | None = None, batch: tuple[Input, ...] = ()) -> None:
        self._content, self._batch = content, batch
        self._properties = {} if kind is None else {"content-type": kind}

    def get_properties(self) -> dict[str, str]:
        return self._properties

    def get_property(self, key: str) -> str | None:
        return self._properties.get(key.lower())

    def is_empty(self) -> bool:
        return self._content is None and not self._batch

    def is_batch(self) -> bool:
        return bool(self._batch)

    def get_batches(self) -> list[Input]:
        return list(self._batch)

    def get_as_bytes(self) -> bytes:
        assert self._content is not None
        return self._content


class Output:
    """The answer: JSON by place in the batch, and a status for all of it."""

    def __init__(self) -> None:
        self.code, self.message = 200, "OK"
        self.content: dict[int | None, Any] = {}

    def add_as_json(self, value: Any, key: str | None = None, batch_index: int | None = None) -> Output:
        assert batch_index not in self.content
        self.content[batch_index] = json.loads(json.dumps(value))
        return self

    def error(self, error: str, code: int = 424, message: str = "") -> Output:
        self.code, self.message = code, message
        return self.add_as_json({"code": code, "message": message, "error": error})  # beside what is there already
