"""The control plane against moto: package → deploy → transform → undeploy, and nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from catalens.core.errors import ModelError
from catalens.deployment import aws
from catalens.deployment.requests import deploy_calls, split_address
from tests.deployment.test_requests import CONTAINER, REAL_TIME
from tests.support.ran import Run

WHERE = ["--image", CONTAINER.image, "--role", CONTAINER.role, "--instance-type", "ml.m5.xlarge"]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[aws.Clients]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="bucket")
        yield aws.aws_clients(None)


def objects(clients: aws.Clients) -> list[str]:
    return [each["Key"] for each in clients("s3").list_objects_v2(Bucket="bucket").get("Contents", [])]


def test_everything_that_was_made_can_be_removed(run: Run, account: aws.Clients, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar.gz"
    assert run("package", "sagemaker", "fake", archive).code == 0
    done = run("deploy", "shop", archive, "--upload", "s3://bucket/shop", *WHERE, "--wait")
    assert done.code == 0, done.err
    assert "InService" in done.err
    assert objects(account) == ["shop/model.tar.gz"]
    stored = account("s3").get_object(Bucket="bucket", Key="shop/model.tar.gz")["Body"].read()
    assert stored == archive.read_bytes()
    described = account("sagemaker").describe_model(ModelName="shop")
    assert split_address(described["PrimaryContainer"]["ModelDataUrl"]) == ("bucket", "shop/model.tar.gz")
    assert [row["name"] for row in run("deployments", "--json").rows] == ["shop"]
    done = run("transform", "shop", "s3://bucket/in/", "s3://bucket/out/", "--instance-type", "ml.m5.large", "--wait")
    assert done.code == 0, done.err
    done = run("undeploy", "shop", "--archive", "s3://bucket/shop/model.tar.gz")
    assert done.code == 0, done.err
    assert done.out.count("removed: ") == 4
    assert run("deployments", "--json").rows == []
    client = account("sagemaker")
    assert client.list_endpoints()["Endpoints"] == client.list_models()["Models"] == []
    assert client.list_endpoint_configs()["EndpointConfigs"] == []
    assert objects(account) == []
    again = run("undeploy", "shop")
    assert again.code == 0, again.err
    assert again.out.count("not there: ") == 3


def test_what_somebody_else_made_is_left(run: Run, account: aws.Clients) -> None:
    account("sagemaker").create_model(ModelName="shop", ExecutionRoleArn=CONTAINER.role)
    assert run("deployments", "--json").rows == []
    assert "left: model shop: it was not made by" in run("undeploy", "shop").out
    assert len(account("sagemaker").list_models()["Models"]) == 1


def test_deployment_that_fails_halfway_says_what_was_made(account: aws.Clients) -> None:
    model, _, endpoint = deploy_calls("shop", CONTAINER, REAL_TIME)
    _, elsewhere, _ = deploy_calls("other", CONTAINER, REAL_TIME)
    with pytest.raises(
        ModelError, match=r"refuses create_endpoint_config \(create_model succeeded; `catalens undeploy"
    ):
        aws.make([model, elsewhere, endpoint], account)
    assert [row["state"] for row in aws.deployments(account)] == ["model without an endpoint"]
    assert aws.undeploy("shop", account).removed == ("model shop",)


def test_archive_that_cannot_be_stored_is_an_error_of_ours(run: Run, account: aws.Clients, tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"1")
    done = run("deploy", "shop", tmp_path / "model.tar.gz", "--upload", "s3://nowhere/shop", *WHERE)
    assert done.code == 3
    assert "cannot be stored as s3://nowhere/shop/model.tar.gz" in done.err


def test_waiting_reports_each_state_and_the_reason_of_a_failure() -> None:
    states = iter(
        [{"EndpointStatus": "Creating"}, {"EndpointStatus": "Failed", "FailureReason": "the container did not answer"}]
    )

    class Client:
        def describe_endpoint(self, **_: Any) -> dict[str, str]:
            return next(states)

    seen: list[str] = []
    waits: list[float] = []
    with pytest.raises(ModelError, match="Failed: the container did not answer"):
        aws.wait_for_endpoint("shop", lambda _: Client(), seen.append, waits.append)
    assert seen == ["Creating", "Failed"]
    assert len(waits) == 1
