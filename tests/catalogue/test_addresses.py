"""Addresses of indexes on servers; nothing is sent."""

from __future__ import annotations

import pytest

from catalens.catalogue.opensearch import address as opensearch
from catalens.catalogue.opensearch.existing import _vector_field
from catalens.catalogue.postgres import address as postgres
from catalens.core.errors import CatalensError

PLACES = {
    "opensearch://localhost/shop": "http://localhost:9200",
    "opensearch://localhost:9201/shop": "http://localhost:9201",
    "opensearchs://host/shop": "https://host:9200",
    "https://host/shop": "https://host:443",
    "https://[::1]:9200/shop": "https://[::1]:9200",
    "opensearch://search-x.eu-west-1.es.amazonaws.com/shop": "https://search-x.eu-west-1.es.amazonaws.com:443",
}


@pytest.mark.parametrize(("uri", "base"), PLACES.items(), ids=PLACES)
def test_where_a_server_is(uri: str, base: str) -> None:
    assert opensearch.parse_address(uri).base == base


WRONG = {
    "opensearch://host": "names no index",
    "opensearch://host/Shop": "lower-case",
    "opensearch://host/a/b": "names no index",
    "opensearch://host:x/shop": "Port",
    "opensearch://host/shop?engine=nmslib": "removed it",
    "opensearch://host/shop?m=many": "not a whole number",
    "opensearch://host/shop?colour=red": "no setting 'colour'; there are: engine",
}


@pytest.mark.parametrize(("uri", "expected"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_with_an_address_is_said(uri: str, expected: str) -> None:
    with pytest.raises(CatalensError, match=expected):
        opensearch.parse_address(uri)


def test_passwords_are_read_and_not_shown() -> None:
    found = opensearch.parse_address("opensearchs://me:p%40ss@host/shop")
    assert (found.login, "p" in found.shown.replace("opensearchs", "").replace("shop", "")) == (("me", "p@ss"), False)
    assert "secret" not in postgres.parse_address("postgresql://me:secret@host/db?table=x").shown
    assert "secret" not in postgres.parse_address("postgresql:///db?password=secret&user=me").shown


SIGNED = {
    "opensearch://search-x.eu-west-1.es.amazonaws.com/shop": ("eu-west-1", "es"),
    "https://abc.us-east-1.aoss.amazonaws.com/shop": ("us-east-1", "aoss"),
    "https://search.shop.example/shop?aws_region=eu-north-1": ("eu-north-1", "es"),
    "https://me:secret@search-x.eu-west-1.es.amazonaws.com/shop": None,
    "https://search.shop.example/shop": None,
}


@pytest.mark.parametrize(("uri", "expected"), SIGNED.items(), ids=SIGNED)
def test_requests_to_amazon_are_signed(uri: str, expected: tuple[str, str] | None) -> None:
    assert opensearch.parse_address(uri).aws == expected


def test_the_signature_names_region_and_service(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opensearchpy")
    pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    client = opensearch.connect(opensearch.parse_address("https://abc.us-east-1.aoss.amazonaws.com/shop"))
    connection = client.transport.connection_pool.connections[0]
    headers = connection.http_auth("POST", "https://abc.us-east-1.aoss.amazonaws.com/shop/_search", b"{}")
    assert "/us-east-1/aoss/aws4_request" in headers["Authorization"]
    assert "X-Amz-Content-SHA256" in headers  # a collection refuses requests without
    client.close()


def test_the_engine_that_opensearch_3_removed_is_named() -> None:
    by_settings = {
        "settings": {"index": {"knn": "true", "knn.space_type": "cosinesimil"}},
        "mappings": {"properties": {"image_vector": {"type": "knn_vector", "dimension": 512}}},
    }
    by_method = {
        "settings": {"index": {"knn": "true"}},
        "mappings": {"properties": {"v": {"type": "knn_vector", "method": {"name": "hnsw", "engine": "nmslib"}}}},
    }
    for facts in (by_settings, by_method):
        assert "nmslib, which OpenSearch 3 has removed" in _vector_field(facts)


def test_settings_of_a_table_and_libpq_s_are_told_apart() -> None:
    found = postgres.parse_address("postgres://me@host:5433/shop?sslmode=require&table=shoes&m=24")
    assert (found.database, found.table, found.m) == ("postgresql://me@host:5433/shop?sslmode=require", "shoes", 24)
    for wrong in ("postgresql://h/db?m=0", "postgresql://h/db?table=", f"postgresql://h/db?table={'x' * 60}"):
        with pytest.raises(CatalensError, match=r"whole number|name of a table"):
            postgres.parse_address(wrong)
