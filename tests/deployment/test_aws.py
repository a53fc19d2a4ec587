"""The control plane against moto: package → deploy → transform → undeploy, and nothing is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from catalens.core.errors import ModelError
from catalens.deployment import aws, removal
from catalens.deployment.requests import TAG, deploy_calls, split_address
from catalens.deployment.waiting import ENDPOINT, wait_for
from tests.deployment.test_requests import CONTAINER, REAL_TIME
from tests.support.ran import Run

pytestmark = pytest.mark.slow

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
    done = run("undeploy", "shop")
    assert done.code == 0, done.err
    assert done.out.count("removed: ") == 4
    assert "removed: s3://bucket/shop/model.tar.gz" in done.out
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


def test_archive_that_somebody_else_stored_is_left(run: Run, account: aws.Clients) -> None:
    account("s3").put_object(Bucket="bucket", Key="model.tar.gz", Body=b"1")
    assert run("deploy", "shop", "s3://bucket/model.tar.gz", *WHERE, "--wait").code == 0
    done = run("undeploy", "shop")
    assert "left: s3://bucket/model.tar.gz: this deployment did not upload it" in done.out
    assert objects(account) == ["model.tar.gz"]


def test_autoscaling_goes_with_its_endpoint(run: Run, account: aws.Clients) -> None:
    account("s3").put_object(Bucket="bucket", Key="model.tar.gz", Body=b"1")
    asked = ["deploy", "shop", "s3://bucket/model.tar.gz", *WHERE, "--autoscale", "1:4", "--target", "30"]
    assert run(*asked).code == 2
    done = run(*asked, "--wait")
    assert done.code == 0, done.err
    scaling = account("application-autoscaling")
    (found,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 4)
    assert "removed: autoscaling shop" in run("undeploy", "shop").out
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def test_asynchronous_answers_are_left_and_named(run: Run, account: aws.Clients) -> None:
    account("s3").put_object(Bucket="bucket", Key="answers/1.out", Body=b"{}")
    asked = ["deploy", "shop", "s3://bucket/model.tar.gz", *WHERE, "--mode", "async", "--output", "s3://bucket/answers"]
    assert run(*asked).code == 0
    assert "left: s3://bucket/answers: answers of the asynchronous endpoint" in run("undeploy", "shop").out


def test_deployment_that_fails_halfway_says_what_was_made(account: aws.Clients) -> None:
    model, _, endpoint = deploy_calls("shop", CONTAINER, REAL_TIME)
    _, elsewhere, _ = deploy_calls("other", CONTAINER, REAL_TIME)
    with pytest.raises(
        ModelError, match=r"refuses create_endpoint_config \(create_model succeeded; `catalens undeploy"
    ):
        aws.make([model, elsewhere, endpoint], account)
    assert [(row["kind"], row["state"]) for row in removal.deployments(account)] == [("model", "without an endpoint")]
    assert removal.undeploy("shop", account).removed == ["model shop"]


def test_archive_that_cannot_be_stored_is_an_error_of_ours(run: Run, account: aws.Clients, tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"1")
    done = run("deploy", "shop", tmp_path / "model.tar.gz", "--upload", "s3://nowhere/shop", *WHERE)
    assert done.code == 3
    assert "cannot be stored as s3://nowhere/shop/model.tar.gz" in done.err


class Failing:
    """A client of SageMaker whose endpoint fails, and CloudWatch's."""

    def __init__(self) -> None:
        reason = "the container did not answer"
        self._states = iter(
            [{"EndpointStatus": "Creating"}] * 2 + [{"EndpointStatus": "Failed", "FailureReason": reason}]
        )

    def describe_endpoint(self, **_: Any) -> dict[str, str]:
        return next(self._states)


def test_waiting_reports_each_state_the_reason_and_the_log_of_a_failure(account: aws.Clients) -> None:
    logs, group = account("logs"), "/aws/sagemaker/Endpoints/shop"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="AllTraffic/i-1")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + at, "message": f"line {at}"} for at in range(30)]
    logs.put_log_events(logGroupName=group, logStreamName="AllTraffic/i-1", logEvents=events)
    failing = Failing()
    seen: list[str] = []
    waits: list[float] = []

    def clients(service: str, **options: Any) -> Any:
        return failing if service == "sagemaker" else account(service, **options)

    with pytest.raises(ModelError) as caught:
        wait_for(ENDPOINT, "shop", clients, seen.append, waits.append)
    first, second, *lines = str(caught.value).splitlines()
    assert first == "Failed: the container did not answer"
    assert second == f"the last lines of {group}/AllTraffic/i-1:"
    assert [line.strip() for line in lines] == [f"line {at}" for at in range(10, 30)]
    assert seen == ["Creating", "Failed"]
    assert waits == [1.0, 2.0]


def test_failure_without_a_log_says_so(account: aws.Clients) -> None:
    failing = Failing()
    with pytest.raises(ModelError, match="its log, /aws/sagemaker/Endpoints/shop, cannot be read"):
        wait_for(
            ENDPOINT,
            "shop",
            lambda service, **options: failing if service == "sagemaker" else account(service, **options),
            lambda _: None,
            lambda _: None,
        )


def test_ctrl_c_says_what_goes_on_and_how_to_end_it(run: Run, account: aws.Clients, monkeypatch: Any) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("catalens.deployment.waiting.wait_for", interrupted)
    done = run("deploy", "shop", "s3://bucket/model.tar.gz", *WHERE, "--wait")
    assert done.code == 130
    assert "charges for it until `catalens undeploy shop`" in " ".join(done.err.split())
    assert [row["name"] for row in run("deployments", "--json").rows] == ["shop"]
    asked = ["transform", "shop", "s3://bucket/in/", "s3://bucket/out/", "--instance-type", "ml.m5.large"]
    done = run(*asked, "--job", "j1", "--wait")
    assert done.code == 130
    assert "stop-transform-job --transform-job-name j1" in " ".join(done.err.split())


def test_uploads_carry_the_tag_of_the_deployment(run: Run, account: aws.Clients, tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"1")
    assert run("deploy", "shop", tmp_path / "model.tar.gz", "--upload", "s3://bucket", *WHERE).code == 0
    tags = account("s3").get_object_tagging(Bucket="bucket", Key="model.tar.gz")["TagSet"]
    assert tags == [{"Key": TAG, "Value": "shop"}]
