"""Indexes that another program filled: read, searched, and copied from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalens.catalogue.filters import parse_filter
from catalens.catalogue.fusion import hybrid
from catalens.catalogue.migrating import migrate
from catalens.catalogue.opening import open_index
from catalens.catalogue.opensearch import foreign, paging
from catalens.core.errors import CatalogueError
from catalens.core.types import Record
from tests.support.indexes import DIM, ask, name_of, vectors_of
from tests.support.servers import Server

pytestmark = pytest.mark.opensearch

ARTICLE = ["red dress", "blue dress", "green shoes", "yellow hat"]


@pytest.fixture(params=["cosinesimil", "l2", "innerproduct"])
def article(request: pytest.FixtureRequest, opensearch: Server, client: Any) -> str:
    """An index as tutorials fill it: dynamic fields, vectors that are not of unit length, one document without."""
    uri = opensearch.new()
    method = {"name": "hnsw", "engine": "lucene", "space_type": request.param}
    field = {"type": "knn_vector", "dimension": DIM, "method": method}
    body = {"settings": {"index.knn": True}, "mappings": {"properties": {"image_vector": field}}}
    client.indices.create(index=name_of(uri), body=body)
    for at, (title, vector) in enumerate(zip(ARTICLE, vectors_of(4), strict=True)):
        document = {"title": title, "image_path": f"{at}.jpg", "price": at * 10, "brand": {"name": "Ours"}}
        client.index(index=name_of(uri), id=f"B0{at}", body=document | {"image_vector": (vector * (at + 1)).tolist()})
    client.index(index=name_of(uri), id="none", body={"title": "dress without a picture"})
    client.indices.refresh(index=name_of(uri))
    return uri


def test_an_index_from_elsewhere_is_read_once_its_encoder_is_named(article: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"not made by Catalens.*image_vector.*encoder=NAME"):
        open_index(article)
    uri, vectors = f"{article.partition('?')[0]}?encoder=fake-16", vectors_of(4)
    with pytest.raises(CatalogueError, match="was filled by fake-16"):
        open_index(uri, encoder_name="everyday@3")
    with open_index(uri, encoder_name="fake-16", dim=DIM) as index:
        assert len(index) == len(list(index.records())) == 4
        first = Record("B00", "0.jpg", {"title": "red dress", "image_path": "0.jpg", "price": 0, "name": "Ours"})
        assert index.get(["B00", "none", "other"]) == [first, None, None]
        np.testing.assert_allclose(index.vectors(["B02", "B00"]), vectors[[2, 0]], atol=1e-6)
        query = vectors_of(1, seed=4)[0]
        expected = sorted(zip(vectors @ query, ("B00", "B01", "B02", "B03"), strict=True), reverse=True)
        for hits in (ask(index, query, 4), ask(index, query, 20_000)):
            assert [hit.record.id for hit in hits] == [one for _, one in expected]
            assert [hit.score for hit in hits] == pytest.approx([score for score, _ in expected], abs=2e-6)
        dear = ask(index, query, 4, parse_filter("price >= 20"))
        assert [hit.record.id for hit in dear] == [one for _, one in expected if one in ("B02", "B03")]
        assert {record.id for record in index.keyword("dress", 5)} == {"B00", "B01"}
        assert [record.id for record in index.keyword("dress", 5, without=["blue"])] == ["B00"]
        assert hybrid(index, "hat", vectors[3], 1)[0].record.id == "B03"
        for write in (lambda: index.add([first], vectors[:1]), lambda: index.remove(["B00"])):
            with pytest.raises(CatalogueError, match="only read; copy it"):
                write()
    copy = tmp_path / "c.catalens"
    assert migrate(uri, copy).copied == 4
    with open_index(copy, encoder_name="fake-16") as index:
        assert ask(index, vectors[2], 1)[0].record.source == "2.jpg"


def test_vectors_indexed_by_nmslib_are_not_searched_but_can_be_copied(
    article: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No server makes such an index any more: what this one says of itself is changed on its way."""
    from opensearchpy.client.indices import IndicesClient

    real = IndicesClient.get

    def of_old(self: Any, index: str, **options: Any) -> Any:
        answer = real(self, index=index, **options)
        for facts in answer.values():
            facts["mappings"]["properties"]["image_vector"].pop("method")
            facts["settings"]["index"]["knn.space_type"] = "cosinesimil"
        return answer

    monkeypatch.setattr(IndicesClient, "get", of_old)
    uri = f"{article.partition('?')[0]}?encoder=fake-16"
    with open_index(uri) as index, pytest.raises(CatalogueError, match=r"nmslib, which OpenSearch 3 has removed; copy"):
        ask(index, vectors_of(1)[0], 1)
    assert migrate(uri, tmp_path / "c.catalens").records == 4


def test_a_filter_sees_every_record_with_the_words(article: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with more than 10,000 of them, which one request does not give."""
    monkeypatch.setattr(foreign, "_MAX_K", 1)
    monkeypatch.setattr(paging, "_PAGE", 1)
    with open_index(f"{article.partition('?')[0]}?encoder=fake-16") as index:
        for price in (0, 10):
            found = index.keyword("dress", 5, parse_filter(f"price = {price}"))
            assert [record.fields["price"] for record in found] == [price]
        assert len(index.keyword("dress", 5)) == 2


def test_vectors_that_the_documents_leave_out_are_an_error(opensearch: Server, client: Any) -> None:
    uri = opensearch.new()
    field = {"type": "knn_vector", "dimension": DIM, "method": {"name": "hnsw", "engine": "lucene"}}
    mappings = {"_source": {"excludes": ["v"]}, "properties": {"v": field}}
    client.indices.create(index=name_of(uri), body={"settings": {"index.knn": True}, "mappings": mappings})
    client.index(index=name_of(uri), body={"title": "hat", "v": vectors_of(1)[0].tolist()}, params={"refresh": "true"})
    with open_index(f"{uri.partition('?')[0]}?encoder=fake-16") as index:
        assert len(index) == 1
        with pytest.raises(CatalogueError, match=r"leaves the vectors in 'v' out .*_source"):
            ask(index, vectors_of(1)[0], 1)
