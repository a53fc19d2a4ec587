"""/invocations: every payload that callers of the source articles send, in the shape that they expect."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from starlette.testclient import TestClient

import catalens
from catalens.serving.invocations import attribute_of
from tests.support.serving import b64, picture, serving

RED = picture("red")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with serving() as client:
        yield client


@pytest.fixture(scope="module")
def lens() -> catalens.Lens:
    return catalens.load(encoder="fake", reader="fake", cache=None)


def invoke(client: TestClient, payload: object):
    response = client.post("/invocations", json=payload)
    assert response.status_code == 200, response.text
    return response.json()


def test_labels_have_the_probabilities_of_a_softmax_over_them(client: TestClient, lens: catalens.Lens):
    labels = ["a photo of cats", "a photo of dogs"]
    answer = invoke(client, {"image": b64(RED), "prompt": labels})
    logits = 10.0 * lens.encode(labels) @ lens.encode(RED)  # the scale of the fake encoder
    wanted = np.exp(logits) / np.exp(logits).sum()
    assert answer["labels"] == labels
    np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-5)
    bare = invoke(client, {"image": b64(RED), "prompt": labels, "parameters": {"format": "list"}})
    assert bare == answer["probabilities"]


def test_question_about_an_attribute_is_answered_under_its_name(client: TestClient):
    answer = invoke(client, {"prompt": "What is the sleeve length of the shirt?", "image": b64(RED)})
    assert list(answer) == ["Sleeve Length"]
    assert answer["Sleeve Length"].endswith(("Sleeves", "Sleeveless"))
    ask = {"prompt": "What is the sleeve length?", "image": b64(RED), "parameters": {"format": "text"}}
    assert invoke(client, ask).startswith("Sleeve Length: ")
    assert list(invoke(client, {"prompt": "Is anybody there?", "image": b64(RED)})) == ["answer"]


def test_attribute_of_a_question():
    for question, name in (
        ("what is the heel type?", "heel_type"),
        ("Which colour is it?", "colour"),
        ("what type of collar does it have?", "collar"),
        ("who is there?", None),
    ):
        assert getattr(attribute_of(question), "name", None) == name


@pytest.mark.parametrize(
    ("task", "key"), [("caption", "caption"), ("prompt", "prompt"), ("tags", "tags"), ("attributes", "attributes")]
)
def test_picture_alone_gets_the_configured_task(task: str, key: str):
    with serving(task=task) as client:
        assert list(invoke(client, {"image": b64(RED)})) == [key]
        assert list(invoke(client, {"inputs": b64(RED)})) == ["outputs"]


def test_interrogator_payload(client: TestClient):
    parameters = {"max_length": 24, "min_flavors": 1, "max_flavors": 2}
    outputs = invoke(client, {"inputs": b64(RED), "parameters": parameters})["outputs"]
    assert isinstance(outputs, str)
    assert outputs.count(",") <= 4


def test_hugging_face_payloads(client: TestClient):
    rows = invoke(client, {"inputs": b64(RED), "parameters": {"candidate_labels": "cats, dogs"}})
    assert {row["label"] for row in rows} == {"cats", "dogs"}
    assert rows[0]["score"] >= rows[1]["score"]
    assert invoke(client, {"inputs": {"image": b64(RED), "question": "what is it?"}})[0]["answer"]


def test_texts_and_raw_pictures_give_vectors(client: TestClient, lens: catalens.Lens):
    found = invoke(client, {"inputs": ["this is a shirt", "this is a shoe"]})
    np.testing.assert_allclose(found, lens.encode(["this is a shirt", "this is a shoe"]), atol=1e-6)
    np.testing.assert_allclose(invoke(client, {"inputs": "a shirt"}), lens.encode("a shirt"), atol=1e-6)
    for kind in ("application/x-image", "image/png"):
        response = client.post("/invocations", content=RED, headers={"content-type": kind})
        np.testing.assert_allclose(response.json(), lens.encode(RED), atol=1e-6)


def test_json_lines_with_a_bad_line(client: TestClient):
    lines = [json.dumps({"inputs": "a shirt"}), json.dumps({"image": "!!"}), json.dumps({"image": b64(RED)})]
    response = client.post("/invocations", content="\n".join(lines), headers={"content-type": "application/jsonlines"})
    rows = [json.loads(line) for line in response.text.splitlines()]
    assert len(rows[0]) == 16
    assert rows[1]["error"]["status"] == 422
    assert "red" in rows[2]["caption"]


def test_custom_attributes_pass_through(client: TestClient):
    name = "X-Amzn-SageMaker-Custom-Attributes"
    response = client.post("/invocations", json={"inputs": "a shirt"}, headers={name: "trace=7"})
    assert response.headers[name] == "trace=7"
    assert name not in client.post("/invocations", json={"inputs": "a"}, headers={name: "x" * 2000}).headers


@pytest.mark.parametrize("payload", [{}, {"image": "AAAA", "prompt": []}, {"inputs": []}, {"inputs": 3}, []])
def test_other_payloads_are_refused_with_what_is_accepted(client: TestClient, payload: object):
    response = client.post("/invocations", json=payload)
    assert response.status_code == 422
    assert response.json()["detail"]
