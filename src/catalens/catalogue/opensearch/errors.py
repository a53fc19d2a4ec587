"""Failures of OpenSearch as errors that name the cure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from catalens.core.errors import CatalensError, CatalogueError

if TYPE_CHECKING:
    from opensearchpy.exceptions import TransportError

_BY_TYPE: tuple[tuple[str, str], ...] = (
    (r"index_not_found", "the index was deleted; open it again, which makes it anew, and add the same source again"),
    (r"disk usage exceeded|flood.stage|read-only-allow-delete", "the server's disk is nearly full and it has made the "
     "index read-only; free some disk (or raise the watermark), then add the same source again"),
    (r"index_create_block|create-index blocked", "the server's disks are nearly full and it creates no index; free "
     "some, or set cluster.blocks.create_index to false"),
    (r"read-only|index write|cluster_block", "the index is blocked for writing; finish the `catalens index migrate "
     "--encoder` that did so (or end it with --drop), or set index.blocks.write and index.blocks.read_only to false"),
    (r"Document ID is not supported", "this serverless collection takes no document ids, which a catalogue needs; "
     "use an OpenSearch domain"),
    (r"dimension", "the vectors are of another width than the index"),
    (r"Unknown query|unknown field \[?knn|No handler for type \[knn_vector\]|knn_vector", "the server has no k-NN "
     "plug-in; install opensearch-knn"),
    (r"total fields", "the records have more distinct fields than an index can hold; leave columns out"),
    (r"too_many_clauses|maxClauseCount", "the query has too many words or conditions; shorten it"),
    (r"circuit_breaking", "the server is out of memory; give it more, or ask for fewer results at once"),
)  # fmt: skip
_BY_STATUS: dict[int | str, str] = {
    401: "the server does not know this user and password; write them as opensearch://USER:PASSWORD@HOST/INDEX",
    403: "this user may not do that; give the role rights on the index",
    413: "a request is larger than the server allows; raise its http.max_content_length",
    429: "the server has been too busy for a minute; add the same source again later",
}


@contextmanager
def errors_named(shown: str) -> Iterator[None]:
    """Raise what OpenSearch refuses as a CatalogueError that names the index and the cure."""
    from opensearchpy.exceptions import OpenSearchException, TransportError

    try:
        yield
    except CatalensError:
        raise
    except TransportError as error:
        raise CatalogueError(f"{shown}: {_sentence(error)}") from error
    except OpenSearchException as error:
        raise CatalogueError(f"{shown}: {error}") from error


def reason_of(error: Mapping[str, Any] | str | None, status: int | str) -> str:
    """Return what is wrong, and the cure, from the error object of an answer or of one document of a bulk."""
    text = _deepest(error)
    cure = next((cure for pattern, cure in _BY_TYPE if re.search(pattern, text, re.IGNORECASE)), None)
    cure = cure or _BY_STATUS.get(status)
    said = text[:300] or f"status {status}"
    return f"{cure} ({said})" if cure else f"the server refused this with status {status}: {said}"


def _sentence(error: TransportError) -> str:
    from opensearchpy.exceptions import ConnectionError, ConnectionTimeout, SSLError

    match error:
        case SSLError():
            return f"its certificate is not trusted, or it speaks no TLS (opensearch:// is without): {error.error}"
        case ConnectionTimeout():
            return "the server did not answer within a minute; is it overloaded?"
        case ConnectionError():
            return "no server answers there; start it, or correct host and port"
    info = error.info if isinstance(error.info, dict) else {}
    return reason_of(info.get("error", error.error), error.status_code)


def _deepest(error: Mapping[str, Any] | str | None) -> str:
    """Return the type and reason of an error with its innermost cause."""
    if not isinstance(error, dict):
        return str(error or "")
    found = [f"{error.get('type', '')}: {error.get('reason', '')}"]
    roots = error.get("root_cause") or ()
    for cause in (*roots, error.get("caused_by"), error.get("failed_shards")):
        if isinstance(cause, dict) and (text := _deepest(cause)) not in found:
            found.append(text)
    return "; ".join(found)
