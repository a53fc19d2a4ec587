"""What is special to OpenSearch: its settings, its refusals, and loading. The contract is in tests/contracts."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalens.catalogue.opening import open_index
from catalens.catalogue.opensearch import bulk
from catalens.catalogue.opensearch.index import OpenSearchIndex
from catalens.core.errors import CatalogueError, InputError
from catalens.core.types import Record
from tests.support.indexes import DIM, ask, name_of, titled, vectors_of
from tests.support.servers import Server, opensearch_server

pytestmark = pytest.mark.opensearch


@pytest.mark.parametrize("space", ["cosinesimil", "innerproduct", "l2"])
def test_scores_are_cosines_in_every_space(opensearch: Server, space: str) -> None:
    vectors, query = vectors_of(60), vectors_of(1, seed=4)[0]
    with open_index(f"{opensearch.new()}&space={space}", encoder_name="enc", dim=DIM) as index:
        index.add(titled(60), vectors)
        approximate, exact = ask(index, query, 60), ask(index, query, 20_000)
    expected = sorted((vectors @ query).tolist(), reverse=True)
    for hits in (approximate, exact):
        assert [hit.score for hit in hits] == pytest.approx(expected, abs=2e-6)


def test_settings_of_the_address_reach_the_mapping(opensearch: Server, client: Any) -> None:
    uri = f"{opensearch.new()}&m=24&ef_construction=77&shards=2"
    with open_index(uri, encoder_name="enc", dim=DIM):
        facts = client.indices.get(index=name_of(uri))[name_of(uri)]
    method = facts["mappings"]["properties"]["vector"]["method"]
    assert (method["engine"], method["parameters"]) == ("lucene", {"m": 24, "ef_construction": 77})
    assert facts["settings"]["index"]["number_of_shards"] == "2"


def test_another_encoder_or_width_is_refused(opensearch: Server) -> None:
    uri = opensearch.new()
    open_index(uri, encoder_name="everyday@3", dim=DIM).close()
    with pytest.raises(CatalogueError, match="was filled by everyday@3"):
        open_index(uri, encoder_name="starter@4", dim=DIM)
    with pytest.raises(CatalogueError, match=f"vectors {DIM} wide .* is 8 wide now; re-encode it with: .* migrate"):
        open_index(uri, dim=8)
    with pytest.raises(CatalogueError, match="reading only"), open_index(uri, read_only=True) as index:
        index.add(titled(1), vectors_of(1))
    with pytest.raises(CatalogueError, match="there is no index"):
        open_index(opensearch.new())


def test_a_deleted_index_is_named(opensearch: Server, client: Any) -> None:
    uri = opensearch.new()
    index = open_index(uri, encoder_name="enc", dim=DIM)
    client.indices.delete(index=name_of(uri))
    for use in (lambda: index.get(["a"]), lambda: ask(index, vectors_of(1)[0], 1)):
        with pytest.raises(CatalogueError, match="index was deleted"):
            use()
    index.close()


def test_an_alias_is_an_index(opensearch: Server, client: Any) -> None:
    uri = opensearch.new()
    with open_index(uri, encoder_name="enc", dim=DIM) as index:
        index.add(titled(3), vectors_of(3))
    alias = f"{name_of(uri)}-alias"
    client.indices.put_alias(index=name_of(uri), name=alias)
    with open_index(uri.replace(name_of(uri), alias), encoder_name="enc", dim=DIM) as index:
        index.add(titled(4), vectors_of(4))
        assert len(index) == 4


def test_loading_suspends_settings_and_a_killed_loader_is_repaired(opensearch: Server, client: Any) -> None:
    uri = opensearch.new()

    def settings() -> tuple[str | None, str]:
        found = client.indices.get_settings(index=name_of(uri))[name_of(uri)]["settings"]["index"]
        return found.get("refresh_interval"), found["number_of_replicas"]

    with OpenSearchIndex.open(uri, encoder_name="enc", dim=DIM) as index:
        client.indices.put_settings(index=name_of(uri), body={"refresh_interval": "7s"})
        with index.loading():
            assert settings() == ("-1", "0")
            index.add(titled(30), vectors_of(30))
            assert index.get(["r7"])[0] == titled(8)[7]
            assert len(index) == 30
        assert settings() == ("7s", "0")
        for _ in range(2):  # two loaders that were killed
            bulk.suspend_settings(client, name_of(uri))
    assert settings() == ("-1", "0")
    open_index(uri, read_only=True).close()
    assert settings() == ("-1", "0")
    open_index(uri).close()
    assert settings() == ("7s", "0")


def test_ids_and_texts_of_any_length_are_kept(opensearch: Server) -> None:
    records = [Record("x" * 600 + end, "y" * 40_000, {"text": "long " * 20_000}) for end in "ab"]
    with open_index(opensearch.new(), encoder_name="enc", dim=DIM) as index:
        index.add(records, vectors_of(2), ["h" * 40_000, None])
        assert index.get([record.id for record in records]) == records
        assert [record.id for record in index.keyword("long", 5)] == [record.id for record in records]
        assert index.remove([records[0].id]) == 1


def test_only_documents_that_met_a_busy_server_are_sent_again(
    opensearch: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own answers, of which every third document's is replaced by a 429 the first time."""
    with OpenSearchIndex.open(opensearch.new(), encoder_name="enc", dim=DIM) as index:
        real, sent = index._client.bulk, []

        def busy(body: Any, **options: Any) -> Any:
            lines = [json.loads(line) for line in body.strip().split("\n")]
            ids = [line["index"]["_id"] for line in lines if "index" in line]
            sent.append(ids)
            if len(sent) > 1:
                return real(body=body, **options)
            kept = [pair for at, pair in enumerate(zip(lines[::2], lines[1::2], strict=True)) if at % 3]
            answer = real(body="".join(f"{json.dumps(line)}\n" for pair in kept for line in pair), **options)
            refusal = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "queue is full"}}
            items = iter(answer["items"])
            answer["items"] = [
                next(items) if at % 3 else {"index": {"_id": one, **refusal}} for at, one in enumerate(ids)
            ]
            return answer

        monkeypatch.setattr(index._client, "bulk", busy)
        index.add(titled(10), vectors_of(10))
        assert sent[1:] == [["r0", "r3", "r6", "r9"]]
        assert sorted(index.records(), key=lambda record: record.id) == titled(10)


def test_a_server_killed_while_a_bulk_is_under_way_doubles_nothing(tmp_path: Path, opensearch: Server) -> None:
    home = tmp_path / "node"
    home.mkdir()
    vectors, acknowledged = vectors_of(4000), 0
    with opensearch_server(home, ours=True) as server:
        uri = server.new()
        index = open_index(uri, encoder_name="enc", dim=DIM)
        killer = threading.Timer(1.0, server.kill)
        killer.start()
        with suppress(CatalogueError):  # wherever it is then, in a request or between two
            while True:
                start = acknowledged % 4000
                index.add([Record(f"r{at}", "") for at in range(start, start + 40)], vectors[start : start + 40])
                acknowledged += 40
        killer.join()
        with suppress(CatalogueError):
            index.close()
    with (
        opensearch_server(home, ours=True) as server,
        open_index(f"opensearch://{server.url.removeprefix('http://')}/{name_of(uri)}") as index,
    ):
        ids = [record.id for record in index.records()]
        assert len(ids) == len(set(ids)) >= min(acknowledged, 4000)
        assert {f"r{at}" for at in range(min(acknowledged, 4000))} <= set(ids)
        for start in range(0, 4000, 400):  # the same source once more
            index.add([Record(f"r{at}", "") for at in range(start, start + 400)], vectors[start : start + 400])
        assert len(index) == len({record.id for record in index.records()}) == 4000


def test_a_server_killed_in_mid_load_loses_nothing_that_was_acknowledged(tmp_path: Path, opensearch: Server) -> None:
    acknowledged: list[Record] = []
    home = tmp_path / "node"
    home.mkdir()
    vectors = vectors_of(2000)
    with opensearch_server(home, ours=True) as server:
        uri = server.new()
        index = open_index(uri, encoder_name="enc", dim=DIM)
        with pytest.raises(CatalogueError, match="no server answers there"):  # noqa: PT012 - batch by batch
            for start in range(0, 2000, 50):
                if start == 500:
                    server.kill()
                batch = [Record(f"r{at}", "") for at in range(start, start + 50)]
                index.add(batch, vectors[start : start + 50])
                acknowledged += batch
        with pytest.raises(CatalogueError, match="no server answers there"):
            index.close()
    assert len(acknowledged) == 500
    with (
        opensearch_server(home, ours=True) as server,
        open_index(f"opensearch://{server.url.removeprefix('http://')}/{name_of(uri)}") as index,
    ):
        assert [one for one in index.get([record.id for record in acknowledged]) if one is None] == []
        index.add([Record(f"r{at}", "") for at in range(2000)], vectors)
        assert len(index) == len({record.id for record in index.records()}) == 2000


def test_recall_is_nearly_whole(opensearch: Server) -> None:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((3000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with open_index(opensearch.new(), encoder_name="enc", dim=64) as index:
        index.add([Record(str(at), "") for at in range(3000)], vectors)
        found = index.query(vectors[:50], 10)
    best = np.argsort(-(vectors[:50] @ vectors.T), axis=1)[:, :10]
    right = sum(
        len({int(hit.record.id) for hit in hits} & set(row.tolist())) for hits, row in zip(found, best, strict=True)
    )
    assert right >= 475


def test_wrong_widths_are_refused_before_anything_is_sent(opensearch: Server) -> None:
    with open_index(opensearch.new(), encoder_name="enc", dim=DIM) as index:
        with pytest.raises(CatalogueError, match=r"\(1, 17\)"):
            index.add(titled(1), np.ones((1, 17), dtype=np.float32))
        with pytest.raises(InputError, match="unit length"):
            index.add(titled(1), np.zeros((1, DIM), dtype=np.float32))
        assert len(index) == 0
