"""Encoding many texts in pieces, so that a worker runs the batches of other callers between them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from catalens.core.errors import CatalensError
from catalens.core.protocols import Encoder
from catalens.core.types import Vectors
from catalens.tasks.labels import encode_batch

_AT_ONCE = 16
"""Texts of a stage that are encoded on the spot: they cost about as much as a picture or two."""
_PER_CALL = 32


class UnfinishedError(CatalensError):
    """Texts must be encoded first, which `Preparation.go_on` does in pieces; then the same call succeeds."""


class Preparation:
    """The texts that one stage lacks. Their vectors are kept until the stage has taken all of them."""

    def __init__(self) -> None:
        """Lack nothing."""
        self._texts: dict[tuple[str, tuple[str, ...]], _Texts] = {}
        self._at_once = _AT_ONCE

    @property
    def is_over(self) -> bool:
        """Whether everything that was lacking has been taken."""
        return all(texts.is_taken for texts in self._texts.values())

    def encode(self, encoder: Encoder, texts: Sequence[str]) -> Vectors:
        """Return (n, dim) unit rows for n texts.

        Raises:
            UnfinishedError: they are many, and not all of them are encoded yet.
        """
        key = (encoder.name, tuple(texts))
        if key not in self._texts:
            lacking = _Texts(encoder, texts)
            if len(texts) <= self._at_once:
                self._at_once -= len(texts)
                lacking.go_on(0.0)  # one batch
            self._texts[key] = lacking
        return self._texts[key].take()

    def go_on(self, seconds: float) -> bool:
        """Encode for some seconds, at least one batch, and return whether nothing is lacking any more."""
        until_s = perf_counter() + seconds
        return all(texts.go_on(until_s) for texts in self._texts.values())


class _Texts:
    """Texts of one encoder, those of like length encoded together."""

    def __init__(self, encoder: Encoder, texts: Sequence[str]) -> None:
        self._encoder, self._texts = encoder, texts
        self._order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        self._vectors = np.empty((len(texts), encoder.dim), dtype=np.float32)
        self._done = 0
        self.is_taken = False

    def take(self) -> Vectors:
        if self._done < len(self._texts):
            raise UnfinishedError(f"{self._done} of {len(self._texts)} texts are encoded")
        self.is_taken = True
        return self._vectors

    def go_on(self, until_s: float) -> bool:
        while self._done < len(self._texts):
            places = self._order[self._done : self._done + _PER_CALL]
            self._vectors[places] = encode_batch(self._encoder, [self._texts[at] for at in places])
            self._done += len(places)
            if perf_counter() >= until_s:
                break
        return self._done == len(self._texts)


class PacedEncoder:
    """An encoder whose many texts are encoded in pieces, whenever there is a preparation to do it."""

    texts_per_call = sys.maxsize

    def __init__(self, encoder: Encoder, preparation: Callable[[], Preparation | None]) -> None:
        """Take an encoder, and what returns the preparation of the stage that is asked now."""
        self._encoder, self._preparation = encoder, preparation

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Return (n, dim) unit rows for n texts.

        Raises:
            UnfinishedError: they are many, and not all of them are encoded yet.
        """
        preparation = self._preparation()
        return encode_batch(self._encoder, texts) if preparation is None else preparation.encode(self._encoder, texts)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the encoder has
        return getattr(self._encoder, name)
