"""A query as users write it: texts and pictures, each with an optional weight, and what hits should not be like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalens.catalogue.search import Mode, Query, Weighted, parse_weighted
from catalens.core.filters import Filter
from catalens.core.folders import existing
from catalens.core.images import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTerms:
    """Terms such as "red dress:2", "like.jpg" or "floral:0.5".

    Attributes:
        texts: what hits should be like.
        images: picture files that hits should be like.
        minus: texts that hits should not be like.
        minus_images: picture files that hits should not be like.
    """

    texts: Sequence[str] = ()
    images: Sequence[str] = ()
    minus: Sequence[str] = ()
    minus_images: Sequence[str] = ()

    def query(self, where: Filter | None = None, mode: Mode = "vector") -> Query:
        """Return the query.

        Args:
            where: what fields must be.
            mode: how records are ranked.

        Raises:
            InputError: nothing is looked for, a weight is not positive, or a picture does not exist.
        """
        return Query(
            texts=(*map(parse_weighted, self.texts), *(parse_weighted(text, minus=True) for text in self.minus)),
            images=(*map(_picture, self.images), *(_picture(text, minus=True) for text in self.minus_images)),
            where=where,
            mode=mode,
        )

    def title(self, where: str | None = None) -> str:
        """Return the query in one line, for people; `where` is the filter as it was written."""
        asked = [*self.texts, *(f"like {each}" for each in self.images)]
        unlike = [*self.minus, *(f"unlike {each}" for each in self.minus_images)]
        return " ".join([*asked, *(f"minus {each}" for each in unlike), *([f"where {where}"] if where else [])])


def _picture(text: str, *, minus: bool = False) -> Weighted[Source]:
    # A file may be called like.jpg:2 itself.
    term = Weighted(text, -1.0 if minus else 1.0) if Path(text).exists() else parse_weighted(text, minus=minus)
    return Weighted(existing(term.value), term.weight)
