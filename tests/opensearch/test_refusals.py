"""What the server refuses, and the cure that is named: provoked where a small node can be."""

from __future__ import annotations

import os
import time
from contextlib import closing
from typing import Any

import pytest

from catalens.catalogue.opening import open_index
from catalens.catalogue.opensearch import bulk
from catalens.catalogue.replacing import replacement_of
from catalens.core.errors import CatalogueError
from catalens.core.types import Record
from tests.support.indexes import DIM, name_of, titled, vectors_of
from tests.support.servers import Server

pytestmark = pytest.mark.opensearch

NO_RETRY = 0

BLOCKS = {
    "read_only_allow_delete": "disk is nearly full",
    "write": "blocked for writing",
    "read_only": "blocked for writing",
}


def test_a_server_that_went_away_before_the_drop_says_so(opensearch: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from opensearchpy import Transport
    from opensearchpy.exceptions import ConnectionError

    def gone(*_: object, **__: object) -> None:
        raise ConnectionError("N/A", "refused", OSError())

    uri = opensearch.new()
    open_index(uri, encoder_name="enc", dim=DIM).close()
    with closing(replacement_of(uri)) as replacement:
        monkeypatch.setattr(Transport, "perform_request", gone)
        with pytest.raises(CatalogueError, match="no server answers there"):
            replacement.drop()


@pytest.mark.parametrize(("block", "cure"), BLOCKS.items(), ids=BLOCKS)
def test_a_blocked_index_says_why(
    opensearch: Server, client: Any, block: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_RETRIES", NO_RETRY)
    uri = opensearch.new()
    with open_index(uri, encoder_name="enc", dim=DIM) as index:
        index.add(titled(1), vectors_of(1))
        client.indices.put_settings(index=name_of(uri), body={f"index.blocks.{block}": True})
        with pytest.raises(CatalogueError, match=cure):
            index.add(titled(2), vectors_of(2))
        with pytest.raises(CatalogueError, match=cure):  # a new field, which the mapping lacks
            index.add([Record("a", "", {block: 1})], vectors_of(1))
        client.indices.put_settings(index=name_of(uri), body={f"index.blocks.{block}": None})
        index.add([Record("a", "", {block: 1})], vectors_of(1))
        assert len(index) == 2


def test_a_disk_beyond_its_watermark_says_so(opensearch: Server, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood stage that every disk has reached: the server itself closes the index for writing."""
    monkeypatch.setattr(bulk, "_RETRIES", NO_RETRY)
    if "OPENSEARCH_TEST_URL" in os.environ and client.cat.indices(format="json", index="*,-test-*,-.*"):
        pytest.skip("this server holds other indexes")
    uri = opensearch.new()
    stages = dict.fromkeys(("low", "high", "flood_stage"), "0%")
    watermark = "cluster.routing.allocation.disk.watermark"
    settings: dict[str, Any] = {f"{watermark}.{stage}": value for stage, value in stages.items()}
    settings |= {"cluster.routing.allocation.disk.threshold_enabled": True, "cluster.info.update.interval": "10s"}
    with open_index(uri, encoder_name="enc", dim=DIM) as index:
        index.add(titled(1), vectors_of(1))
        client.cluster.put_settings(body={"transient": settings})
        try:
            with pytest.raises(CatalogueError, match="disk is nearly full"):  # noqa: PT012 - within half a minute
                for _ in range(60):
                    time.sleep(0.5)
                    index.add(titled(1), vectors_of(1))
            with pytest.raises(CatalogueError, match="disks are nearly full"):
                open_index(opensearch.new(), encoder_name="enc", dim=DIM)
        finally:
            # Disks first: the monitor would block anew, and lifts its block by itself only later.
            client.cluster.put_settings(body={"transient": dict.fromkeys(settings)})
            unblocked = {"cluster.blocks.create_index": None}
            client.cluster.put_settings(body={"persistent": unblocked, "transient": unblocked})
            client.indices.put_settings(index="test-*", body={"index.blocks.read_only_allow_delete": None})


def test_a_queue_that_is_full_is_tried_again_and_then_named(
    opensearch: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own refusal for lack of memory: a limit on the bytes that it indexes at once."""
    monkeypatch.setattr(bulk, "_RETRIES", NO_RETRY)
    monkeypatch.setattr(bulk, "_CHUNK_BYTES", 64 * 2**20)
    uri = opensearch.new()
    with open_index(uri, encoder_name="enc", dim=DIM) as index:
        index.add(titled(1), vectors_of(1))
        huge = [Record(f"r{at}", "", {"text": "word " * 3_000_000}) for at in range(2)]  # a tenth of the heap
        with pytest.raises(CatalogueError, match=r"too busy|out of memory|larger than the server allows"):
            index.add(huge, vectors_of(2))
        index.add(titled(2), vectors_of(2))
        assert len(index) == 2


def test_a_server_without_the_plug_in_or_with_a_password_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What servers with security, and those without k-NN, answer; recorded, since the node in tests is neither."""
    from opensearchpy import Transport, exceptions

    parsing = {"type": "mapper_parsing_exception", "reason": "No handler for type [knn_vector] declared on field"}
    answers: list[tuple[Exception, str]] = [
        (exceptions.AuthenticationException(401, "Unauthorized", "Unauthorized"), "user and password"),
        (exceptions.AuthorizationException(403, "security_exception", {"error": {"reason": "no rights"}}), "rights"),
        (exceptions.RequestError(400, "mapper_parsing_exception", {"error": parsing}), "no k-NN plug-in"),
        (exceptions.TransportError(413, "", "Request Entity Too Large"), "http.max_content_length"),
    ]
    for error, cure in answers:

        def refuse(*_: Any, error: Exception = error, **__: Any) -> Any:
            raise error

        monkeypatch.setattr(Transport, "perform_request", refuse)
        with pytest.raises(CatalogueError, match=cure):
            open_index("opensearch://127.0.0.1:9/shop", encoder_name="enc", dim=DIM)
