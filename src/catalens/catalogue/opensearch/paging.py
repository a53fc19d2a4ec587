"""All hits of a search, page by page, as they were when it began (point in time)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from catalens.catalogue.opensearch.errors import errors_named

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_PAGE = 1000
_KEEP_ALIVE = "5m"


class Pages:
    """A point in time of an index; a context manager."""

    def __init__(self, client: OpenSearch, index: str) -> None:
        """Open it."""
        self._client = client
        self._id = client.create_pit(index=index, params={"keep_alive": _KEEP_ALIVE})["pit_id"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        from opensearchpy.exceptions import OpenSearchException

        with suppress(OpenSearchException):  # it ends by itself
            self._client.delete_pit(body={"pit_id": [self._id]})

    def hits(self, body: dict[str, Any], shown: str) -> Iterator[dict[str, Any]]:
        """Return every hit of a search with a sort that has no ties."""
        after: list[Any] | None = None
        while True:
            page = {
                **body,
                "size": _PAGE,
                "track_total_hits": False,
                "pit": {"id": self._id, "keep_alive": _KEEP_ALIVE},
            }
            if after is not None:
                page["search_after"] = after
            with errors_named(shown):
                hits = self._client.search(body=page)["hits"]["hits"]
            yield from hits
            if len(hits) < _PAGE:
                return
            after = hits[-1]["sort"]
