"""A server's encoder, for what works with encoders: one request for each batch of pictures or texts."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import numpy as np
from PIL.Image import Image

from catalens.client import calls
from catalens.client.synchronous import SHRINK_TO, Client
from catalens.core.types import Vectors

_NOBODY: Sequence[str] = ()


class RemoteEncoder:
    """Encodes pictures and texts by /v1/embeddings; it scores no labels, which /v1/tags does."""

    logit_scale = 1.0
    logit_bias: float | None = None
    input_size_wh = (SHRINK_TO, SHRINK_TO)
    unknown_texts = _NOBODY

    def __init__(self, client: Client) -> None:
        """Ask the server for its encoder's name and dimension.

        Raises:
            ServerError: it cannot be reached.
        """
        self._client = client
        weakref.finalize(self, client.close)
        row = client.send(calls.encode_call(["a picture"], None).as_row())
        self.name, self.dim = str(row["model"]), len(calls.encode_call([], None).made(row)[0])

    @property
    def fingerprint(self) -> str:
        """The name: the server says no more."""
        return self.name

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Return unit rows (n, dim)."""
        return self._encode([f"data:;base64,{calls.sent_image(image)}" for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit rows (n, dim)."""
        return self._encode(texts)

    def _encode(self, inputs: Sequence[str]) -> Vectors:
        if not inputs:
            return np.zeros((0, self.dim), dtype=np.float32)
        return self._client.send(calls.encode_call(inputs, None))
