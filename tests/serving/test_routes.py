"""Every route over fake models: bodies of every kind in, responses and problem documents out."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import catalens
from catalens.core.errors import ModelError
from catalens.core.types import Turn
from catalens.models.readers.fake import FakeReader
from catalens.models.readers.registry import SHIPPED
from catalens.serving import payloads
from catalens.serving.schemas import EXAMPLE_IMAGE
from tests.support.serving import FAKE, b64, picture, serving

RED = picture("red")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with serving() as client:
        yield client


@pytest.fixture(scope="module")
def lens() -> catalens.Lens:
    return catalens.load(encoder="fake", reader="fake", cache=None)


def test_tags_are_those_of_the_local_call(client: TestClient, lens: catalens.Lens):
    response = client.post("/v1/tags", json={"image": b64(RED), "labels": ["cats", "dogs"]})
    assert response.status_code == 200
    assert response.json()["tags"] == [tag.to_dict() for tag in lens.tag(RED, ["cats", "dogs"])]
    assert response.json()["encoder"] == "fake-16"


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"image": "data:image/png;base64," + b64(RED), "labels": ["cats", "dogs"]}},
        {"files": {"image": ("../../etc/passwd", RED)}, "data": {"labels": ["cats", "dogs"]}},
        {"files": {"image": ("x.png", RED)}, "data": {"labels": "cats,dogs"}},
        {"content": RED, "headers": {"content-type": "image/png"}, "params": {"labels": "cats,dogs"}},
        {"content": RED, "headers": {"content-type": "application/x-image"}, "params": {"labels": ["cats", "dogs"]}},
    ],
)
def test_every_kind_of_body_gives_the_same_tags(client: TestClient, body: dict[str, Any]):
    plain = client.post("/v1/tags", json={"image": b64(RED), "labels": ["cats", "dogs"]}).json()
    response = client.post("/v1/tags", **body)
    assert response.status_code == 200, response.text
    assert response.json() == plain


def test_several_pictures_fail_one_by_one(client: TestClient):
    body = {"images": [b64(RED), b64(RED[:60]), b64(picture("blue"))]}
    results = client.post("/v1/captions", json=body).json()["results"]
    assert "red" in results[0]["caption"]
    assert results[1]["error"]["status"] == 422
    assert results[1]["error"]["detail"].startswith("picture 1")
    assert "blue" in results[2]["caption"]


def test_json_lines_are_answered_in_order_with_error_records(client: TestClient):
    lines = [json.dumps({"image": b64(picture(colour))}) for colour in ("red", "blue")]
    lines.insert(1, "{not json")
    for kind in ("application/jsonlines", "application/x-ndjson"):
        response = client.post("/v1/captions", content="\n".join(lines) + "\n", headers={"content-type": kind})
        rows = [json.loads(line) for line in response.text.splitlines()]
        assert response.status_code == 200
        assert "red" in rows[0]["caption"]
        assert rows[1]["error"]["status"] == 400
        assert "blue" in rows[2]["caption"]


def test_answers_open_and_closed(client: TestClient):
    ask = {"image": b64(RED), "question": "what colour is it?"}
    assert client.post("/v1/answers", json=ask).json()["answer"]
    closed = client.post("/v1/answers", json=ask | {"choices": ["red", "blue"]}).json()
    assert closed["answer"] in {"red", "blue"}
    assert set(closed["probabilities"]) == {"red", "blue"}


def test_a_follow_up_question_is_answered_with_the_conversation_before_it(client: TestClient, lens: catalens.Lens):
    ask = {"image": b64(RED), "question": "are you sure?"}
    turns = [Turn("is it new?", answer) for answer in ("yes", "no", "perhaps")]
    for before in (turns[:1], turns[1:2], turns):
        body = client.post("/v1/answers", json=ask | {"history": [asdict(turn) for turn in before]}).json()
        assert body["keeps_history"] is True
        assert body["answer"] == lens.answer(RED, "are you sure?", history=before).text
    alone = lens.answer(RED, "are you sure?").text
    assert any(lens.answer(RED, "are you sure?", history=[turn]).text != alone for turn in turns)


def test_a_reader_that_keeps_no_conversation_says_so_and_refuses_one(monkeypatch: pytest.MonkeyPatch):
    class Forgetful(FakeReader):
        keeps_history = False

    monkeypatch.setitem(SHIPPED, "fake", lambda _threads, _cache: Forgetful())
    ask: dict[str, Any] = {"image": b64(RED), "question": "what colour is it?"}
    with serving() as client:
        assert client.post("/v1/answers", json=ask).json()["keeps_history"] is False
        refused = client.post("/v1/answers", json=ask | {"history": [{"question": "new?", "answer": "yes"}]})
        assert refused.status_code == 422
        assert "answers each question on its own; leave the history out" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ([{"question": "what?"}], "history.0.answer"),
        ([{"question": "", "answer": "red"}], "history.0.question"),
        ([{"question": "what?", "answer": "x" * 9000}], "9000 characters"),
        ([{"question": "what?", "answer": "red"}] * 101, "history"),
        ("what?", "history"),
    ],
)
def test_a_conversation_that_is_none_is_refused(client: TestClient, history: Any, said: str):
    ask = {"image": b64(RED), "question": "sure?", "history": history}
    response = client.post("/v1/answers", json=ask)
    assert response.status_code == 422
    assert said in response.json()["detail"]


def test_a_conversation_is_sent_as_json_alone(client: TestClient):
    query = {"question": "sure?", "history": "yes,no"}
    response = client.post("/v1/answers", params=query, content=RED, headers={"content-type": "image/png"})
    assert response.status_code == 422
    assert "history is sent as JSON" in response.json()["detail"]


def test_the_page_of_the_routes_loads_nothing_from_elsewhere(client: TestClient):
    page = client.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(loaded) >= 3
    for path in loaded:
        assert path.startswith("/")
        assert client.get(path).status_code == 200
    assert client.get("/redoc").status_code == 404


def test_attributes_prompts_and_product_descriptions(client: TestClient):
    found = client.post("/v1/attributes", json={"image": b64(RED), "schema": "fashion", "threshold": 0}).json()
    assert {"type", "colour"} <= set(found["attributes"])
    prompt = client.post("/v1/prompts", json={"image": b64(RED), "mode": "fast", "caption": "a {red} thing"}).json()
    assert prompt["prompt"].startswith("a {red} thing")
    response = client.post("/v1/product-description", json={"image": b64(RED)})
    assert response.status_code in {200, 422}  # of a fake encoder's attributes there may be none to describe
    assert response.status_code == 422 or set(response.json()["attributes"])


def test_descriptions_state_the_given_attributes(client: TestClient):
    response = client.post("/v1/descriptions", json={"attributes": {"type": "Tshirts", "colour": "Red"}})
    assert response.status_code == 200, response.text
    assert "red" in response.json()["description"].lower()


def test_embeddings_mix_texts_and_pictures_and_equal_the_local_ones(client: TestClient, lens: catalens.Lens):
    asked = {"input": ["a red shirt", f"data:image/png;base64,{b64(RED)}", b64(RED)]}
    body = client.post("/v1/embeddings", json=asked).json()
    vectors = np.array([row["embedding"] for row in body["data"]], dtype=np.float32)
    np.testing.assert_allclose(vectors, lens.encode(["a red shirt", RED, RED]), atol=1e-6)
    assert body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}  # of words, since this encoder has no tokens
    packed = client.post("/v1/embeddings", json=asked | {"encoding_format": "base64"}).json()["data"]
    unpacked = [np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4") for row in packed]
    np.testing.assert_array_equal(np.stack(unpacked), vectors)


def test_vectors_of_many_texts_keep_the_order_of_the_request(client: TestClient, lens: catalens.Lens):
    texts = [f"shirt {at} " + "long " * (at * 7 % 11) for at in range(40)]
    mixed = [*texts[:20], b64(RED), *texts[20:]]
    rows = client.post("/v1/embeddings", json={"input": mixed}).json()["data"]
    vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    np.testing.assert_allclose(vectors, lens.encode([*texts[:20], RED, *texts[20:]]), atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "JSON"),
        (b"[]", 422, "object"),
        (b"{}", 422, "either image or images"),
        (b'{"image": "AAAA", "images": []}', 422, "either"),
        (b'{"image": "!!"}', 422, "base64"),
        (b'{"image": "AAAA"}', 422, "not a picture"),
        (b'{"image": "/etc/passwd"}', 422, "not a picture"),
        (b'{"image": "data:image/png;base64,"}', 422, "empty"),
        (b'{"image": "AAAA", "top": 0}', 422, "top"),
        (b'{"image": "AAAA", "schema": "/etc/shop.yaml"}', 422, "schema"),
        (b'{"image": "AAAA", "calibration": "x.json"}', 422, "calibration"),
        (b'{"image": "AAAA", "model": "other"}', 404, "other"),
        (b'{"image": "AAAA", "labels": ["\\ud800"]}', 400, "JSON"),
        (b'{"image": "http://169.254.169.254/latest"}', 422, "not fetched"),
    ],
)
def test_what_is_wrong_is_a_problem_document_with_an_id(client: TestClient, body: bytes, status: int, said: str):
    response = client.post("/v1/tags", content=body, headers={"content-type": "application/json"})
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status), response.text
    assert said in problem["detail"]
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["instance"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/tags", {"labels": ["a", " "]}, "label number 2 is empty"),
        ("/v1/tags", {"labels": ["a"], "templates": [""]}, "the template ''"),
        ("/v1/answers", {"question": " "}, "a question is empty"),
        ("/v1/answers", {"question": "new?", "choices": ["yes", ""]}, "none of them empty"),
        ("/v1/answers", {"question": "sure?", "history": [{"question": "\t", "answer": "a"}]}, "a question is empty"),
        ("/v1/product-description", {"keywords": ["red", " "]}, "a keyword is empty"),
        ("/invocations", {"prompt": "  "}, "a question is empty"),
        ("/invocations", {"prompt": ["a", " "]}, "not empty"),
    ],
)
def test_texts_of_nothing_are_refused(client: TestClient, path: str, body: dict[str, Any], said: str):
    response = client.post(path, json=body | {"image": b64(RED)})
    assert response.status_code == 422, response.text
    assert said in response.json()["detail"]


def test_unknown_paths_methods_and_types_are_problems_too(client: TestClient):
    for response, status in (
        (client.get("/nowhere"), 404),
        (client.get("/v1/tags"), 405),
        (client.post("/v1/tags", content=b"x", headers={"content-type": "text/csv"}), 415),
    ):
        assert response.status_code == response.json()["status"] == status


def test_request_id_of_the_caller_is_kept_only_if_it_is_plain(client: TestClient):
    assert client.get("/health/live", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    for asked in ("a b;c", "x" * 65, "sk-0123456789abcdefghij"):  # the last may be a key, and ids are logged
        assert client.get("/health/live", headers={"x-request-id": asked}).headers["x-request-id"] != asked


def test_operations(client: TestClient):
    assert client.get("/ping").status_code == 200
    assert client.get("/health/ready").json()["workers"] == {"default-encoder": "ready", "default-reader": "ready"}
    assert client.get("/execution-parameters").json()["BatchStrategy"] == "MULTI_RECORD"
    assert client.get("/v1/models").json()["data"] == [client.get("/v1/models/default").json()]
    assert client.get("/v1/models/default").json()["id"] == "default"
    assert client.get("/v1/models/other").json()["detail"] == "there is no model 'other'; there is: default"
    client.post("/v1/tags", json={"image": b64(RED), "labels": ["a", "b"]})
    text = client.get("/metrics").text
    for name in ("batch_size_count", "queue_length", "stage_seconds_count"):
        assert re.search(rf'catalens_{name}{{.*worker="default-encoder"', text)
    assert 'route="/v1/tags"' in text


def test_examples_of_the_document_run(client: TestClient):
    document = client.get("/openapi.json").json()
    ran = 0
    for path, methods in document["paths"].items():
        body = methods.get("post", {}).get("requestBody")
        if body is None or path == "/v1/search":
            continue
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for example in document["components"]["schemas"][name]["examples"]:
            response = client.post(path, json=example)
            # A fake encoder's attributes of a red square may be all unknown.
            assert response.status_code == 200 or path == "/v1/product-description", (path, response.text)
            ran += 1
    assert ran >= 8
    assert base64.b64decode(EXAMPLE_IMAGE)


def test_a_model_that_can_never_be_loaded_is_not_asked_for_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    missing = tmp_path / "nowhere"
    with serving(models={"default": FAKE, "lost": {"encoder": str(missing), "load": "lazy"}}) as client:
        found = client.post("/v1/tags", json={"image": b64(RED), "labels": ["a", "b"], "model": "lost"})
    assert found.status_code == 500
    assert "retry-after" not in found.headers
    assert found.json()["detail"] == "lost-encoder cannot be loaded; the log of the service says why"
    assert str(missing) in caplog.text


def test_errors_among_results_tell_no_paths_and_faults_only_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    class Damaged(FakeReader):
        def caption(self, encoded: Any, **_: Any) -> Any:
            raise ModelError(f"{tmp_path}/caption.onnx is damaged")

    monkeypatch.setitem(SHIPPED, "fake", lambda _threads, _cache: Damaged())
    monkeypatch.setattr(payloads, "decode_base64", _broken(payloads.decode_base64))
    body = {"image": b64(RED)}
    lines = "\n".join([json.dumps(body), json.dumps({"image": "broken"})])
    with serving(cache=tmp_path) as client:
        alone = client.post("/v1/captions", json=body).json()
        among = client.post("/v1/captions", json={"images": [b64(RED)] * 2}).json()["results"]
        text = client.post("/v1/captions", content=lines, headers={"content-type": "application/jsonlines"}).text
    in_lines = [json.loads(line)["error"] for line in text.splitlines()]
    for problem in (alone, *(each["error"] for each in among), in_lines[0]):
        assert problem["detail"] == "the cache/caption.onnx is damaged"
    assert in_lines[1]["detail"] == "the service failed; its log says more under this request's id"
    assert f"request {in_lines[1]['instance']} failed: ZeroDivisionError" in caplog.text


def _broken(decode: Callable[..., bytes]) -> Callable[..., bytes]:
    def decoded(text: str, name: str = "the picture") -> bytes:
        return decode(text, name) if text != "broken" else bytes(1 // 0)

    return decoded


def test_a_model_of_a_folder_is_shown_by_its_name(tmp_path: Path):
    models = {"default": FAKE, "ours": {"encoder": str(tmp_path / "private"), "load": "lazy"}}
    with serving(models=models) as client:
        shown = client.get("/v1/models").json()["data"]
    assert [each["encoder"] for each in shown] == ["fake", "ours"]


@pytest.mark.parametrize("route", ["/v1/catalogues/shop/records/1", "/v1/catalogues/shop/fields"])
def test_a_problem_names_a_catalogue_and_not_where_it_is(tmp_path: Path, route: str):
    path = tmp_path / "private" / "shop.catalens"
    path.parent.mkdir()
    path.write_bytes(b"no catalogue" * 100)
    with serving(catalogues={"shop": str(path)}) as client:
        found = client.get(route)
    assert found.status_code >= 400
    assert "private" not in found.text
    assert "shop" in found.json()["detail"]
