"""Bodies as callers really write them, and what is said of those that cannot be read."""

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

import catalens
from tests.support.serving import b64, picture, serving

RED = picture("red")
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    path = tmp_path_factory.mktemp("bodies") / "shop.catalens"
    with catalens.load(encoder="fake", reader="fake", cache=None) as lens:
        lens.index(path).add([picture("red"), picture("blue")])
    with serving(catalogues={"shop": str(path)}, writable=True) as client:
        yield client


@pytest.mark.parametrize(
    "text",
    [
        f"\n data:image/png;base64,{b64(RED)}",
        f"data:image/png; base64,{b64(RED)}",
        f"data:image/png;charset=utf-8;BASE64, {b64(RED)}",
        "data:image/png;base64," + quote(b64(RED), safe=""),
        base64.urlsafe_b64encode(RED).decode().rstrip("="),
        base64.encodebytes(RED).decode().replace("\n", "\r\n"),
    ],
)
def test_a_picture_may_be_written_in_any_usual_way(client: TestClient, text: str) -> None:
    payload = {"image": text, "prompt": ["red", "blue"]}
    wanted = client.post("/invocations", json=payload | {"image": b64(RED)}).json()
    assert client.post("/invocations", json=payload).json() == wanted
    assert client.post("/invocations", json={"inputs": text}).json() == {"outputs": "a picture that is mostly red"}


def test_a_byte_order_mark_before_json_is_no_fault(client: TestClient) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"image": b64(RED)}).encode()
    for path in ("/v1/captions", "/invocations"):
        assert client.post(path, content=body, headers=JSON).json()["caption"] == "a picture that is mostly red"
        lines = client.post(path, content=body + b"\n" + body, headers={"content-type": "application/jsonlines"})
        assert [json.loads(line)["caption"] for line in lines.text.splitlines()] == ["a picture that is mostly red"] * 2


def test_a_picture_under_inputs_needs_no_question(client: TestClient) -> None:
    inputs = {"image": b64(RED)}
    assert client.post("/invocations", json={"inputs": inputs, "parameters": None}).json() == {
        "outputs": "a picture that is mostly red"
    }
    asked = {"inputs": inputs, "parameters": {"candidate_labels": ["blue", "red"]}}
    plain = {"inputs": b64(RED), "parameters": {"candidate_labels": ["blue", "red"]}}
    assert client.post("/invocations", json=asked).json() == client.post("/invocations", json=plain).json()


@pytest.mark.parametrize(
    ("path", "kind", "accepted"),
    [
        ("/invocations", "multipart/form-data; boundary=x", "application/json, application/jsonlines or image/*"),
        ("/v1/embeddings", "image/jpeg", "application/json"),
        ("/v1/embeddings", "multipart/form-data; boundary=x", "application/json"),
        ("/v1/descriptions", "multipart/form-data; boundary=x", "application/json"),
        ("/v1/tags", "text/csv", "application/json, multipart/form-data or image/*"),
    ],
)
def test_a_refused_media_type_is_told_what_the_route_takes(
    client: TestClient, path: str, kind: str, accepted: str
) -> None:
    response = client.post(path, content=b"x", headers={"content-type": kind})
    assert response.status_code == 415
    assert response.json()["detail"].endswith(f"send {accepted}")


def test_a_compressed_body_is_refused_as_what_it_is(client: TestClient) -> None:
    body = gzip.compress(json.dumps({"image": b64(RED)}).encode())
    response = client.post("/v1/captions", content=body, headers=JSON | {"content-encoding": "gzip"})
    assert (response.status_code, "'gzip'" in response.json()["detail"]) == (415, True)


def test_options_beside_json_are_not_ignored(client: TestClient) -> None:
    response = client.post("/v1/tags?labels=red,blue&trace=1", json={"image": b64(RED)})
    assert response.status_code == 422
    assert response.json()["detail"] == "labels is in the query; beside a body of JSON it belongs into the body"
    assert client.post("/v1/tags?trace=1", json={"image": b64(RED)}).status_code == 200


@pytest.mark.parametrize("others", [0, 300])
def test_a_query_that_comes_again_means_the_same(client: TestClient, others: int) -> None:
    labels = ["red", "blue", *(f"shade-{at}" for at in range(others))]
    wanted = client.post("/v1/tags", json={"image": b64(RED), "labels": labels, "top": 1}).json()
    assert len(wanted["tags"]) == 1
    query, kind = f"?labels={','.join(labels)}&top=1", {"content-type": "image/png"}
    for _ in range(2):
        assert client.post(f"/v1/tags{query}", content=RED, headers=kind).json() == wanted
        assert client.post(f"/v1/captions{query}", content=RED, headers=kind).status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/invocations", {"inputs": 3}, "inputs: send a text or a list of texts or an object with an image"),
        ("/invocations", {"image": "AAAA", "prompt": [1]}, "prompt: send a text or a list of texts"),
        ("/v1/embeddings", {"input": [[1, 2]]}, "input: send a text or a list of texts"),
        ("/v1/tags", {"image": "AAAA", "lables": []}, "lables is not known here; /docs lists the fields"),
        (
            "/v1/catalogues/shop/records",
            {"id": "a", "image": "AAAA", "fields": {"size": None}},
            "fields.size: send a text or a number or true or false",
        ),
    ],
)
def test_a_field_of_another_type_is_one_sentence(client: TestClient, path: str, body: Any, said: str) -> None:
    response = client.post(path, json=body)
    assert (response.status_code, response.json()["detail"]) == (422, said)


@pytest.mark.parametrize("path", ["/v1/catalogues/shop/similar/a?k=0", "/v1/catalogues/shop/duplicates?min_score=x"])
def test_a_query_that_is_not_accepted_is_a_problem_document_too(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith(("k: ", "min_score: "))
    assert response.json()["instance"] == response.headers["x-request-id"]


def test_unknown_routes_and_methods_say_what_there_is(client: TestClient) -> None:
    assert client.get("/v2/tags").json()["detail"] == "there is no such route; /docs lists all of them"
    assert client.get("/v1/tags").json()["detail"] == "this route takes POST"


def test_head_is_answered_where_get_is(client: TestClient) -> None:
    assert [client.head(path).status_code for path in ("/ping", "/v1/models", "/metrics")] == [200] * 3
    assert client.head("/v1/tags").status_code == 405


def test_a_form_and_a_picture_alone_reach_catalogues(client: TestClient) -> None:
    records = "/v1/catalogues/shop/records"
    assert client.post(records, data={"id": "form"}, files={"image": RED}).json()["outcome"] == "added"
    added = client.post(f"{records}?id=raw", content=RED, headers={"content-type": "image/png"})
    assert added.json() == {"id": "raw", "outcome": "added"}
    assert client.post("/v1/search", files={"text": (None, "red")}).json()["hits"]
    assert "one picture" in client.post(records, json={"id": "none"}).json()["detail"]
    broken = client.post(records, json={"id": "broken", "image": b64(b"no picture")}).json()["detail"]
    assert broken.startswith("not a picture; ")
    said = client.post(records, data={"id": "f", "fields": "{}"}, files={"image": RED}).json()["detail"]
    assert said == "fields is sent as JSON; send the whole request as application/json"


@pytest.mark.parametrize(("id", "status"), [("a\nb", 422), ("..", 422), (" ", 422), ("a/b c.é?", 200)])
def test_only_ids_that_an_address_can_name_are_added(client: TestClient, id: str, status: int) -> None:
    records = "/v1/catalogues/shop/records"
    assert client.post(records, json={"id": id, "image": b64(RED)}).status_code == status
    if status == 200:
        assert client.get(f"{records}/{quote(id, safe='')}").json()["id"] == id


def test_one_broken_catalogue_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "junk.catalens").write_bytes(b"junk" * 999)
    names = {"junk": str(tmp_path / "junk.catalens"), "new": str(tmp_path / "new.catalens")}
    with serving(catalogues=names) as client:
        junk, new = client.get("/v1/catalogues").json()["catalogues"]
    assert junk["records"] is None
    assert junk["error"].startswith("junk ")
    assert str(tmp_path) not in junk["error"]
    assert new == {"name": "new", "records": 0}
