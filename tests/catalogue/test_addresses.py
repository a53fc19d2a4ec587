"""Addresses of indexes on servers; nothing is sent."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from catalens.catalogue.opensearch import address as opensearch
from catalens.catalogue.opensearch.foreign import layout_of
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


@pytest.mark.parametrize("service", ["es", "aoss"])
def test_requests_have_the_signature_that_botocore_gives_them(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    """Sent through the client's own connection, with the network replaced, and signed again by botocore."""
    opensearchpy = pytest.importorskip("opensearchpy")
    pytest.importorskip("boto3")
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    for name, value in (("ACCESS_KEY_ID", "AKIDEXAMPLE"), ("SECRET_ACCESS_KEY", "example"), ("SESSION_TOKEN", "token")):
        monkeypatch.setenv(f"AWS_{name}", value)
    sent: dict[str, Any] = {}

    def answer(_pool: object, method: str, url: str, body: bytes | None = None, **options: Any) -> object:
        sent.update(method=method, url=url, body=body, headers=dict(options["headers"]))
        raise ConnectionError("there is no network")

    monkeypatch.setattr("urllib3.connectionpool.HTTPConnectionPool.urlopen", answer)
    base = f"https://abc.us-east-1.{service}.amazonaws.com"
    client = opensearch.connect(opensearch.parse_address(f"{base}/shop"))
    with pytest.raises(opensearchpy.exceptions.ConnectionError):
        client.search(index="shop", body={"query": {"match": {"words": "röd"}}}, params={"routing": "a b"})
    client.close()
    headers = {name.lower(): value for name, value in sent["headers"].items()}
    stated = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(stated)
    # A collection refuses requests without; the body is compressed on its way.
    assert headers["x-amz-content-sha256"] == sha256(sent["body"]).hexdigest()
    url = base + sent["url"].removeprefix(base)
    again = AWSRequest(sent["method"], url, data=sent["body"], headers={n: headers[n] for n in stated if n in headers})
    again.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "example", "token"), service, "us-east-1")
    canonical = signer.canonical_request(again)
    assert headers["authorization"].endswith(signer.signature(signer.string_to_sign(again, canonical), again))
    assert f"/us-east-1/{service}/aws4_request" in headers["authorization"]


def facts_of(field: dict[str, Any], **settings: Any) -> dict[str, Any]:
    properties = {"title": {"type": "text"}, "image_vector": {"type": "knn_vector", "dimension": 512, **field}}
    return {"settings": {"index": {"knn": "true", **settings}}, "mappings": {"properties": properties}}


def test_the_vectors_of_an_index_from_elsewhere_are_found() -> None:
    by_settings = facts_of({}, **{"knn.space_type": "cosinesimil"})
    by_method = facts_of({"method": {"name": "hnsw", "engine": "nmslib"}})
    by_age = facts_of({}, version={"created": str(0x08000000 + 1_030_299)})
    for facts in (by_settings, by_method, by_age):
        assert opensearch_layout(facts) == ("image_vector", 512, "nmslib")
    of_today = facts_of({"method": {"name": "hnsw", "engine": "faiss"}}, version={"created": "137247827"})
    assert opensearch_layout(of_today) == ("image_vector", 512, "faiss")
    assert opensearch_layout(facts_of({}, version={"created": str(0x08000000 + 3_050_099)})) == (
        "image_vector",
        512,
        "",
    )
    inner = {"settings": {"index": {}}, "mappings": {"properties": {"clip": {"properties": {}}}}}
    inner["mappings"]["properties"]["clip"]["properties"] = {"v": {"type": "knn_vector", "dimension": 4}}  # type: ignore[index]
    assert opensearch_layout(inner)[:2] == ("clip.v", 4)
    several = facts_of({})
    several["mappings"]["properties"]["text_vector"] = {"type": "knn_vector", "dimension": 4}
    with pytest.raises(CatalensError, match=r"image_vector, text_vector.*vector_field=NAME"):
        opensearch_layout(several)
    assert layout_of(several, "shop", "text_vector").dim == 4
    for wrong, field in (({"title": {"type": "text"}}, None), (several["mappings"]["properties"], "vektor")):
        with pytest.raises(CatalensError, match="no vector field"):
            layout_of({"settings": {"index": {}}, "mappings": {"properties": wrong}}, "shop", field)


def opensearch_layout(facts: dict[str, Any]) -> tuple[str, int, str]:
    found = layout_of(facts, "opensearch://host/shop")
    return found.vector, found.dim, found.engine


def test_settings_of_a_table_and_libpq_s_are_told_apart() -> None:
    found = postgres.parse_address("postgres://me@host:5433/shop?sslmode=require&table=shoes&m=24")
    assert (found.database, found.table, found.m) == ("postgresql://me@host:5433/shop?sslmode=require", "shoes", 24)
    for wrong in ("postgresql://h/db?m=0", "postgresql://h/db?table=", f"postgresql://h/db?table={'x' * 60}"):
        with pytest.raises(CatalensError, match=r"whole number|name of a table"):
            postgres.parse_address(wrong)
