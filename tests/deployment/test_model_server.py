"""The built archive in multi-model-server and SageMaker's inference toolkit, asked by boto3's own runtime client."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

import catalens
from catalens.deployment import aws
from catalens.deployment.requests import Capacity, Container, deploy_calls, undeploy_calls
from tests.deployment.conftest import BUCKET
from tests.support.gateway import Account
from tests.support.shares import shares_of

pytestmark = pytest.mark.deploy

LABELS = ["a red dress", "a watch"]


@pytest.fixture(scope="module")
def endpoint(running_account: Account, archive: Path) -> Iterator[str]:
    """An endpoint over the archive."""
    running_account.s3.upload_file(str(archive), BUCKET, "shop/model.tar.gz")
    container = Container(
        image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/serve:1",
        model_data=f"s3://{BUCKET}/shop/model.tar.gz",
        role="arn:aws:iam::123456789012:role/serve-endpoints",
        variables={},
    )
    aws.make(deploy_calls("engine", container, Capacity(instance_type="ml.m5.xlarge")), running_account.client)
    running_account.container("engine")
    yield "engine"
    aws.make(undeploy_calls("engine"), running_account.client)


@pytest.fixture(scope="module")
def local() -> catalens.Lens:
    return catalens.load(cache=None, runtime="onnxruntime")


@pytest.fixture(scope="module")
def starter() -> catalens.Lens:
    return catalens.load(encoder="starter", cache=None, runtime="onnxruntime")


def client_of(account: Account, *, retries: int = 0) -> Any:
    options = Config(read_timeout=70, retries={"total_max_attempts": 1 + retries, "mode": "standard"})
    return account.client(
        "sagemaker-runtime", endpoint_url=account.variables["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"], config=options
    )


def ask(client: Any, endpoint: str, body: bytes | dict[str, Any], kind: str = "application/json") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = client.invoke_endpoint(EndpointName=endpoint, Body=content, ContentType=kind)
    text = found["Body"].read().decode()
    return [json.loads(line) for line in text.splitlines()] if "lines" in kind else json.loads(text)


def test_json_pictures_and_lines_answer_as_the_local_pipeline(
    aws_account: Account, endpoint: str, photos: list[Path], local: catalens.Lens, starter: catalens.Lens
) -> None:
    client, content = client_of(aws_account), photos[0].read_bytes()
    text = base64.b64encode(content).decode()
    wanted = {name: row["value"] for name, row in local.attributes(photos[0]).to_dict().items()}
    assert ask(client, endpoint, content, "application/x-image") == {"attributes": wanted}
    assert ask(client, endpoint, {"image": text}) == {"attributes": wanted}
    labels = {"image": text, "prompt": LABELS}
    found = ask(client, endpoint, labels)
    assert found["labels"] == LABELS
    np.testing.assert_allclose(found["probabilities"], shares_of(starter, photos[0], LABELS), atol=1e-5)
    lines = [labels, {"image": "!"}, {"inputs": "a watch"}]
    body = "\n".join(map(json.dumps, lines)).encode()
    first, bad, vector = ask(client, endpoint, body, "application/jsonlines")
    assert first == found
    assert bad["error"]["status"] == 422
    np.testing.assert_allclose(vector, starter.encode("a watch"), atol=1e-5)


def test_errors_reach_the_caller_with_their_status(aws_account: Account, endpoint: str, photos: list[Path]) -> None:
    client = client_of(aws_account)
    for body, kind, status, words in (
        (b"<a/>", "application/xml", 415, "application/xml"),
        (b"not an image", "image/png", 422, "not a picture"),
        (photos[0].read_bytes()[:300], "application/x-image", 422, "picture"),
        (b"{", "application/json", 400, ""),
    ):
        with pytest.raises(ClientError) as caught:
            ask(client, endpoint, body, kind)
        response: Any = caught.value.response
        assert response["Error"]["Code"] == "ModelError"
        assert response["OriginalStatusCode"] == status
        assert words in response["OriginalMessage"]
    with pytest.raises(ClientError, match="exceeded 6291456 bytes"):
        ask(client, endpoint, b"0" * 6_291_457)
    with pytest.raises(ClientError, match="not found"):
        ask(client, "nowhere", b"{}")
    # SageMaker's own limit stands before the container; the container has one too.
    oversize = ask_container(aws_account, endpoint, b"0" * 7_000_000)
    assert oversize == 413


def ask_container(account: Account, endpoint: str, body: bytes) -> int:
    from tests.support.gateway import post

    return post(account.container(endpoint).url, body, {"Content-Type": "application/json"}, 60).status


def test_slow_model_is_a_model_error_and_answers_again(aws_account: Account, endpoint: str) -> None:
    client, request = client_of(aws_account), {"inputs": "a watch"}
    before = ask(client, endpoint, request)
    container = aws_account.container(endpoint)
    aws_account.timeout_s = 1.0
    container.signal_worker(signal.SIGSTOP)
    try:
        with pytest.raises(ClientError, match="invocation timed out"):
            ask(client, endpoint, request)
    finally:
        container.signal_worker(signal.SIGCONT)
        aws_account.timeout_s = 60.0
    assert ask(client, endpoint, request) == before


def test_worker_that_dies_is_replaced(aws_account: Account, endpoint: str) -> None:
    client, request = client_of(aws_account), {"inputs": "a watch"}
    before = ask(client, endpoint, request)
    aws_account.container(endpoint).signal_worker(signal.SIGKILL)
    end_s = time.monotonic() + 60
    while True:
        try:
            assert ask(client, endpoint, request) == before
            break
        except ClientError:
            assert time.monotonic() < end_s
            time.sleep(0.5)


def test_server_that_restarts_answers_as_before(aws_account: Account, endpoint: str) -> None:
    client, request = client_of(aws_account), {"inputs": "a watch"}
    before = ask(client, endpoint, request)
    container = aws_account.container(endpoint)
    container.stop()
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        ask(client, endpoint, request)
    container.start()
    assert ask(client, endpoint, request) == before
