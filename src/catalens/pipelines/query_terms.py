"""A query as users write it: texts and pictures, each with an optional weight, and what hits should not be like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from catalens.catalogue.search import Query, Weighted, parse_weighted
from catalens.core.filters import Filter
from catalens.core.images import Source
from catalens.pipelines.pictures import existing


def parse_query(
    texts: Sequence[str],
    images: Sequence[str],
    minus: Sequence[str],
    minus_images: Sequence[str],
    where: Filter | None,
    mode: Literal["vector", "keyword", "hybrid"],
) -> Query:
    """Return a query for terms such as "red dress:2", "like.jpg" or "floral:0.5".

    Args:
        texts: what hits should be like.
        images: picture files that hits should be like.
        minus: texts that hits should not be like.
        minus_images: picture files that hits should not be like.
        where: what fields must be.
        mode: how records are ranked.

    Raises:
        InputError: nothing is looked for, a weight is not positive, or a picture does not exist.
    """
    return Query(
        texts=(*map(parse_weighted, texts), *(parse_weighted(text, minus=True) for text in minus)),
        images=(*map(_picture, images), *(_picture(text, minus=True) for text in minus_images)),
        where=where,
        mode=mode,
    )


def _picture(text: str, *, minus: bool = False) -> Weighted[Source]:
    # A file may be called like.jpg:2 itself.
    term = Weighted(text, -1.0 if minus else 1.0) if Path(text).exists() else parse_weighted(text, minus=minus)
    return Weighted(existing(term.value), term.weight)
