"""What is made of an endpoint's answers and errors, without a network."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from catalens.core.errors import ModelError
from catalens.core.types import Outcome
from catalens.deployment.endpoint import Endpoint, find_endpoint, invoke_all
from catalens.deployment.invocation import JSON, LINES, Request

REAL_TIME = Endpoint("shop", "real-time")


def refused(code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{code}!"}, **more}, "InvokeEndpoint")


class Runtime:
    """Answers with the request's body, or raises what the body names."""

    def __init__(self) -> None:
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()

    def __call__(self, service: str, **options: Any) -> Runtime:
        assert service == "sagemaker-runtime"
        return self

    def invoke_endpoint(self, *, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's spelling
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(0.01)
        with self._lock:
            self._now -= 1
        asked = json.loads(Body.splitlines()[0])
        if asked.get("code") == "ModelError":
            message = "the picture: not a picture\nTraceback (most recent call last):"
            raise refused("ModelError", OriginalMessage=message, OriginalStatusCode=422)
        if "code" in asked:
            raise refused(asked["code"])
        return {"Body": io.BytesIO(Body)}


def request(**body: Any) -> Request:
    return Request(((body["id"], body["id"]),), json.dumps(body).encode(), JSON)


def test_rows_come_in_order_whatever_answers_first() -> None:
    runtime = Runtime()
    requests = [request(id=str(at), caption=f"c{at}") for at in range(20)]
    found = list(invoke_all(REAL_TIME, requests, runtime, concurrency=4))
    assert [row["caption"] for row in found if isinstance(row, dict)] == [f"c{at}" for at in range(20)]
    assert 1 < runtime.most_at_once <= 4


@pytest.mark.parametrize(
    ("code", "words"),
    [("ModelError", "a: the picture: not a picture"), ("ThrottlingException", "ThrottlingException!")],
)
def test_what_is_the_requests_fault_leaves_the_others_alone(code: str, words: str) -> None:
    asked: list[Request | Outcome] = [
        request(id="a", code=code),
        Outcome("gone", "gone: not there"),
        request(id="b", caption="x"),
    ]
    first, gone, second = invoke_all(REAL_TIME, asked, Runtime())
    assert isinstance(first, Outcome)
    assert words in str(first.error)
    assert "Traceback" not in str(first.error)
    assert gone == asked[1]
    assert isinstance(second, dict)


def test_what_is_the_endpoints_fault_ends_the_command() -> None:
    with pytest.raises(ModelError, match=r"the endpoint shop cannot be asked: .*ValidationError"):
        list(invoke_all(REAL_TIME, [request(id="a", code="ValidationError")], Runtime()))


def test_a_bad_line_is_an_outcome_of_its_own() -> None:
    lines = b'{"caption": "x"}\n{"error": {"detail": "not a picture", "status": 422}}'
    asked = [Request((("a", "a"), ("b", "b")), lines, LINES)]
    good, bad = invoke_all(REAL_TIME, asked, Runtime())
    assert good == {"id": "a", "source": "a", "caption": "x"}
    assert bad == Outcome("b", "b: not a picture")


def test_notices_are_passed_on() -> None:
    seen: list[str] = []
    asked = Request((("a", "a"),), b'{"caption": "x"}', JSON, ("a: sent smaller",))
    list(invoke_all(REAL_TIME, [asked], Runtime(), on_notice=seen.append))
    assert seen == ["a: sent smaller"]


class ControlPlane:
    def __init__(self, status: str, config: dict[str, Any]) -> None:
        self._status, self._config = status, config

    def __call__(self, service: str, **options: Any) -> ControlPlane:
        return self

    def describe_endpoint(self, **_: Any) -> dict[str, Any]:
        return {"EndpointStatus": self._status, "EndpointConfigName": "shop"}

    def describe_endpoint_config(self, **_: Any) -> dict[str, Any]:
        return {"ProductionVariants": [{}], **self._config}


@pytest.mark.parametrize(
    ("config", "mode", "most"),
    [
        ({}, "real-time", 6_291_456),
        ({"ProductionVariants": [{"ServerlessConfig": {"MemorySizeInMB": 1024}}]}, "serverless", 4 * 2**20),
        ({"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/out"}}}, "async", 2**30),
    ],
)
def test_the_kind_of_endpoint_decides_on_the_limit(config: dict[str, Any], mode: str, most: int) -> None:
    found = find_endpoint("shop", ControlPlane("InService", config))
    assert (found.mode, found.most) == (mode, most)


def test_an_endpoint_that_is_not_in_service_says_so() -> None:
    with pytest.raises(ModelError, match="not in service: Creating"):
        find_endpoint("shop", ControlPlane("Creating", {}))


class Later(Runtime):
    """An asynchronous endpoint, and S3, where no answer ever comes."""

    class exceptions:  # noqa: N801 - boto3's spelling
        class NoSuchKey(Exception):  # noqa: N818
            pass

    def __init__(self) -> None:
        super().__init__()
        self.bodies: set[str] = set()
        self.asked = 0

    def __call__(self, service: str, **options: Any) -> Later:
        return self

    def put_object(self, *, Key: str, **_: Any) -> None:  # noqa: N803
        self.bodies.add(Key)

    def delete_object(self, *, Key: str, **_: Any) -> None:  # noqa: N803
        self.bodies.remove(Key)

    def get_object(self, **_: Any) -> Any:
        raise self.exceptions.NoSuchKey

    def invoke_endpoint_async(self, **_: Any) -> dict[str, str]:
        self.asked += 1
        return {"OutputLocation": f"s3://bucket/out/{self.asked}.out"}


LATER = Endpoint("later", "async", "s3://bucket/out")


def test_an_answer_that_does_not_come_is_an_outcome_and_leaves_no_body_behind() -> None:
    service = Later()
    (found,) = invoke_all(LATER, [request(id="a")], service, timeout_s=0.01)
    assert isinstance(found, Outcome)
    assert "no answer after 0.01 s" in str(found.error)
    assert service.bodies == set()


def test_who_stops_asking_waits_for_no_answer() -> None:
    service = Later()

    def items() -> Iterator[Request | Outcome]:
        for at in range(3):  # a fourth would be as many as are read ahead
            yield request(id=str(at))
        while service.asked < 2:
            time.sleep(0.01)
        raise KeyboardInterrupt

    begun_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(invoke_all(LATER, items(), service, concurrency=2, timeout_s=60))
    assert time.monotonic() - begun_s < 20
    assert service.asked == 2, "what had not begun was asked nevertheless"
    assert service.bodies == set()


def test_an_answer_that_makes_no_sense_leaves_the_others_alone() -> None:
    broken = Request((("a", "a"), ("b", "b")), b'{"caption": "x"}', LINES)
    found = list(invoke_all(REAL_TIME, [broken, request(id="c", caption="y")], Runtime()))
    assert [each.error for each in found if isinstance(each, Outcome)] == [
        f"{id}: the endpoint gave 1 answers to 2 lines" for id in "ab"
    ]
    assert found[2] == {"id": "c", "source": "c", "caption": "y"}
