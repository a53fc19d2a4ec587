"""How alike things are: a matrix of pictures and texts, and its heat map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image

from catalens.catalogue.display import picture_of
from catalens.core.protocols import Encoder
from catalens.core.types import Record, Scores, Vectors
from catalens.pipelines.encoding import encode_texts
from catalens.pipelines.session import Session
from catalens.render.heatmap import Head, heatmap


@dataclass(frozen=True, slots=True, eq=False)
class Similarities:
    """The cosines of n things with m others.

    Attributes:
        rows: n names, each with its picture if it is one.
        columns: m of the same.
        cosines: (n, m).
    """

    rows: Sequence[Head]
    columns: Sequence[Head]
    cosines: Scores

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the others of each thing with their scores, as JSON values."""

        def scores(row: Sequence[float]) -> list[dict[str, Any]]:
            return [{"id": head.text, "score": round(score, 4)} for head, score in zip(self.columns, row, strict=True)]

        found = zip(self.rows, self.cosines.tolist(), strict=True)
        return [{"id": head.text, "similarity": scores(row)} for head, row in found]

    def heatmap(self) -> Image:
        """Draw the matrix.

        Raises:
            InputError: it is empty or too large.
        """
        return heatmap(self.cosines, self.rows, self.columns)


def compare(
    records: Sequence[Record], vectors: Vectors, texts: Sequence[str], encoder: Encoder, session: Session
) -> Similarities:
    """Compare pictures with texts; without one of the two, the others with each other.

    Args:
        records: n pictures.
        vectors: (n, dim) of the pictures.
        texts: m texts.
        encoder: made the vectors.
        session: of the job.
    """
    pictures = [Head(record.id, picture_of(record)) for record in records], vectors
    words = [Head(text) for text in texts], encode_texts(texts, encoder, session)
    (rows, left), (columns, right) = pictures if records or not texts else words, words if texts else pictures
    return Similarities(rows, columns, left @ right.T)
