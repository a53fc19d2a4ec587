"""A review over HTTP: two reviewers, conflicts, answers that were lost, undo."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from catalens.catalogue.review import Review
from catalens.catalogue.review_tables import Item, Question
from tests.serving.test_browsing import shop
from tests.support.serving import serving

PATH = "/v1/catalogues/shop/review"


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = shop(tmp_path)
    with Review(path) as review:
        question = Question("colour", "what colour is it?", ("red", "blue"))
        review.fill([question], [Item(each, "colour", (("red", 0.6),), "red", "unsure", 0.4) for each in ids(path)])
    return path


def ids(path: str) -> list[str]:
    from catalens.catalogue.opening import open_index

    with open_index(path, read_only=True) as index:
        return [record.id for record in index.records()]


def take(client: TestClient, reviewer: str) -> dict[str, object]:
    return dict(client.post(f"{PATH}/next", json={"reviewer": reviewer}).json()["item"])


def test_a_catalogue_on_a_server_has_no_review_and_says_what_to_do() -> None:
    address = "opensearch://me:secret@localhost:1/shop"
    with serving(catalogues={"shop": address}, reviews=True) as client:
        refused = client.post(f"{PATH}/next", json={"reviewer": "ana"})
    assert refused.status_code == 422
    assert "catalens index migrate opensearch://localhost:1/shop copy.catalens" in refused.json()["detail"]


def test_two_reviewers_get_different_questions_and_decide(path: str) -> None:
    with serving(catalogues={"shop": path}, reviews=True) as client:
        about = client.get(PATH).json()
        assert about["questions"] == {"colour": {"words": "what colour is it?", "labels": ["red", "blue"]}}
        ana, ben = take(client, "ana"), take(client, "ben")
        assert ana["item"] != ben["item"]
        assert ana["candidates"] == [{"label": "red", "score": 0.6}]
        body = {"reviewer": "ana", "item": ana["item"], "verdict": "corrected", "value": "blue", "token": "1"}
        made = client.post(f"{PATH}/decisions", json=body)
        assert (made.status_code, made.json()["before"], made.json()["after"]) == (200, "red", "blue")
        assert client.post(f"{PATH}/decisions", json=body).json() == made.json()
        theirs = {**body, "reviewer": "ben", "token": "2"}
        refused = client.post(f"{PATH}/decisions", json=theirs)
        assert (refused.status_code, refused.json()["detail"]) == (409, "ana has decided this meanwhile")
        assert client.get(PATH).json()["progress"]["reviewers"] == {"ana": 1}
        undone = client.post(f"{PATH}/undo", json={"reviewer": "ana"}).json()
        assert (undone["item"]["item"], undone["progress"]["decided"]) == (ana["item"], 0)
        assert client.post(f"{PATH}/undo", json={"reviewer": "ana"}).json()["item"] is None


def test_there_is_no_review_where_the_configuration_has_none(path: str) -> None:
    with serving(catalogues={"shop": path}) as client:
        assert client.get(PATH).status_code == 404
        assert client.get("/v1/catalogues").json()["reviews"] is False


def test_a_bad_decision_is_refused_in_a_sentence(path: str) -> None:
    with serving(catalogues={"shop": path}, reviews=True) as client:
        body = {"reviewer": "ana", "item": 1, "verdict": "corrected", "token": "1"}
        refused = client.post(f"{PATH}/decisions", json=body)
        assert (refused.status_code, refused.json()["detail"]) == (
            422,
            "a correction needs its value, and nothing else has one",
        )
        assert client.post(f"{PATH}/next", json={"reviewer": ""}).status_code == 422
