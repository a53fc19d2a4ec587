"""Writes in bulk, and the settings of an index while much is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from catalens.catalogue.opensearch.errors import reason_of
from catalens.core.errors import CatalogueError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_CHUNK = 500
_CHUNK_BYTES = 8 * 2**20
_RETRIES = 6
"""With waits of 1, 2, 4 … seconds: about a minute."""

_SUSPENDED: Mapping[str, Any] = {"refresh_interval": "-1", "number_of_replicas": "0"}


def send(client: OpenSearch, index: str, actions: Iterable[Mapping[str, Any]]) -> int:
    """Send index and delete actions; those that the server is too busy for are sent again, with growing waits.

    Returns:
        How many documents were written or deleted; deleting a missing one is not a failure.

    Raises:
        CatalogueError: documents were refused; the others are stored.
    """
    from opensearchpy.helpers import streaming_bulk

    done, refused, first = 0, 0, None
    for ok, answer in streaming_bulk(
        client,
        ({"_index": index, **action} for action in actions),
        chunk_size=_CHUNK,
        max_chunk_bytes=_CHUNK_BYTES,
        max_retries=_RETRIES,
        initial_backoff=1,
        max_backoff=30,
        raise_on_error=False,
    ):
        (result,) = answer.values()
        if ok:
            done += 1
        elif result["status"] != 404:
            refused += 1
            first = first or result
    if first is not None:
        reason = reason_of(first.get("error"), first["status"])
        raise CatalogueError(f"{index} refused {refused} of {done + refused} records, first {first['_id']!r}: {reason}")
    return done


def checked(answer: Mapping[str, Any], shown: str) -> Mapping[str, Any]:
    """Return one answer of several in one request, unless it is an error.

    Raises:
        CatalogueError: it is.
    """
    if "error" in answer:
        raise CatalogueError(f"{shown}: {reason_of(answer['error'], answer.get('status', 400))}")
    return answer


def suspend_settings(client: OpenSearch, index: str) -> None:
    """Turn refreshes and replicas off, and note in the mapping what they were."""
    for name, facts in client.indices.get(index=index).items():
        now = facts["settings"]["index"]
        about = facts["mappings"]["_meta"]["catalens"]
        before = about.get("before_loading") or {key: now.get(key) for key in _SUSPENDED}
        _note(client, name, {**about, "before_loading": before})
        client.indices.put_settings(index=name, body={"index": dict(_SUSPENDED)})


def restore_settings(client: OpenSearch, index: str) -> None:
    """Undo `suspend_settings`, of this process or of one that was killed."""
    for name, facts in client.indices.get(index=index).items():
        about = dict(facts["mappings"]["_meta"]["catalens"])
        before = about.pop("before_loading", None)
        if before is not None:
            client.indices.put_settings(index=name, body={"index": before})
            _note(client, name, about)


def _note(client: OpenSearch, index: str, about: Mapping[str, Any]) -> None:
    client.indices.put_mapping(index=index, body={"_meta": {"catalens": dict(about)}})
