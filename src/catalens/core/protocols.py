"""The seams: what a model or an index must offer to be used by every task.

A second implementation of each exists (at least a shipped fake), and one suite in
`tests/contracts` runs over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from PIL.Image import Image

from catalens.core.filters import Filter
from catalens.core.types import Hit, Record, Scores, Vectors


class Encoder(Protocol):
    """Puts pictures and texts into one space where nearness means likeness.

    Both methods take one batch that fits in memory, return exactly one row per item in
    order, and never let a row depend on its batch-mates. Empty in gives `(0, dim)`.
    """

    @property
    def name(self) -> str:
        """Model, revision and adapter: an index and a label bank remember it."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    @property
    def input_size_wh(self) -> tuple[int, int]:
        """(width, height) that pictures are brought to; readers need not decode more."""

    @property
    def logit_scale(self) -> float:
        """What a cosine is multiplied by before the softmax or the sigmoid."""

    @property
    def logit_bias(self) -> float | None:
        """None: softmax over labels (CLIP). A number: independent sigmoids (SigLIP)."""

    @property
    def unknown_texts(self) -> Sequence[str]:
        """Texts trained to mean "none of these"; empty for encoders that have none."""

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """Give (n, dim) unit rows for n RGB pictures."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Give (n, dim) unit rows for n texts."""


class Index(Protocol):
    """Keeps records with their vectors and finds the nearest; all of one encoder.

    Scores are cosines in [-1, 1], higher is better. Equal scores keep the order of `records`, which
    is the order in which they were last added.
    """

    @property
    def encoder_name(self) -> str:
        """The encoder that made the vectors; queries of another make no sense."""

    @property
    def dim(self) -> int:
        """Width of a vector."""

    def __len__(self) -> int:
        """Give the number of records."""

    def add(self, records: Sequence[Record], vectors: Vectors, hashes: Sequence[str | None] | None = None) -> None:
        """Store n records with (n, dim) vectors, all or none; those with a known id are replaced."""

    def remove(self, ids: Sequence[str]) -> int:
        """Forget records and give how many there were; unknown ids are no error."""

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """Give one record per id, in order; None where there is none."""

    def hashes(self, ids: Sequence[str] | None = None) -> dict[str, str]:
        """Give the hashes that were added, for some ids or for all; what has none is left out."""

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Give (n, dim) vectors of n known ids, in order."""

    def records(self) -> Iterator[Record]:
        """Give every record in the order in which they were last added."""

    def query(self, vector: Vectors, k: int, where: Filter | None = None, min_score: float | None = None) -> list[Hit]:
        """Give the k best for a (dim,) vector, best first; the filter and the minimum come before k."""

    def scores(self, vector: Vectors) -> Scores:
        """Give (n,) cosines of a (dim,) vector with every record, in the order of `records`."""

    def keyword(self, text: str, k: int, where: Filter | None = None) -> list[Record]:
        """Give at most k records that have any of the words, best first; no text is an error."""
