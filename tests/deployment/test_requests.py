"""Requests to AWS, checked against botocore's own description of the services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.validate import validate_parameters

from catalens.core.errors import InputError
from catalens.deployment.autoscaling import Scaling, deregister_call, scaling_calls
from catalens.deployment.requests import (
    Call,
    Capacity,
    Container,
    Transform,
    deploy_calls,
    model_call,
    transform_call,
    undeploy_calls,
)
from tests.support.ran import Run

CONTAINER = Container(
    image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/serve:1",
    model_data="s3://bucket/model.tar.gz",
    role="arn:aws:iam::123456789012:role/serve-endpoints",
    variables={"ENCODE_TYPE": "IMAGE"},
)
REAL_TIME = Capacity(instance_type="ml.m5.xlarge")
SERVERLESS = Capacity(mode="serverless", memory_mb=3072, max_concurrency=20)
ASYNC = Capacity(mode="async", instance_type="ml.m5.xlarge", output="s3://bucket/answers", kms_key="key")
TRANSFORM = Transform(source="s3://bucket/in/", output="s3://bucket/out/", instance_type="ml.m5.xlarge", variables={})


@cache
def model_of(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def check(calls: Sequence[Call]) -> None:
    """Validate as boto3 does before it sends, and the lengths and choices that it leaves to the service."""
    for call in calls:
        service = model_of(call.service)
        names = {xform_name(name): name for name in service.operation_names}
        shape = service.operation_model(names[call.operation]).input_shape
        validate_parameters(dict(call.request), shape)
        _check_choices(call.request, shape)


def _check_choices(value: Any, shape: Any) -> None:
    if shape.type_name == "structure":
        for name, each in value.items():
            _check_choices(each, shape.members[name])
    elif shape.type_name == "list":
        for each in value:
            _check_choices(each, shape.member)
    elif shape.type_name == "string":
        assert not shape.enum or value in shape.enum
        assert len(value) <= shape.metadata.get("max", len(value))
    elif shape.type_name == "integer":
        assert value <= shape.metadata.get("max", value)


@pytest.mark.parametrize("capacity", [REAL_TIME, SERVERLESS, ASYNC], ids=lambda each: each.mode)
def test_deployments_are_what_sagemaker_accepts(capacity: Capacity) -> None:
    calls = deploy_calls("shop", replace(CONTAINER, subnets=("subnet-1",), security_groups=("sg-1",)), capacity)
    check(calls)
    assert [call.operation for call in calls] == ["create_model", "create_endpoint_config", "create_endpoint"]
    variant = calls[1].request["ProductionVariants"][0]
    assert ("ServerlessConfig" in variant) == (capacity.mode == "serverless")
    assert ("InstanceType" in variant) == (capacity.mode != "serverless")
    assert ("AsyncInferenceConfig" in calls[1].request) == (capacity.mode == "async")


def test_start_up_times_are_passed_on_and_checked() -> None:
    call = deploy_calls("shop", CONTAINER, replace(REAL_TIME, startup_s=900))[1]
    check([call])
    variant = call.request["ProductionVariants"][0]
    assert variant["ContainerStartupHealthCheckTimeoutInSeconds"] == 900
    assert variant["ModelDataDownloadTimeoutInSeconds"] == 900
    with pytest.raises(InputError, match="60 to 3600 s"):
        deploy_calls("shop", CONTAINER, replace(REAL_TIME, startup_s=30))


def test_autoscaling_is_what_the_service_accepts() -> None:
    for mode, least in (("real-time", 1), ("async", 0)):
        calls = scaling_calls("shop", mode, Scaling(least=least, most=4, target=60))  # type: ignore[arg-type]
        check([*calls, deregister_call("shop")])
        assert calls[0].request["ResourceId"] == "endpoint/shop/variant/AllTraffic"
    for text, target in (("4:1", 1.0), ("1", 1.0), ("1:0", 1.0), ("a:b", 1.0), ("1:4", 0.0)):
        with pytest.raises(InputError, match="give MIN:MAX"):
            Scaling.of(text, target)
    with pytest.raises(InputError, match="keeps at least 1"):
        scaling_calls("shop", "real-time", Scaling.of("0:2", 60))
    with pytest.raises(InputError, match="scales by itself"):
        scaling_calls("shop", "serverless", Scaling.of("1:2", 60))


def test_transforms_are_what_sagemaker_accepts() -> None:
    images = transform_call("job", "shop", TRANSFORM)
    lines = transform_call("job", "shop", replace(TRANSFORM, content_type="application/jsonlines"))
    check([images, lines, *undeploy_calls("shop")])
    assert images.request["TransformInput"]["SplitType"] == "None"
    assert lines.request["BatchStrategy"] == "MultiRecord"


def test_values_that_sagemaker_would_refuse_are_refused_before() -> None:
    for name in ("", "a_b", "-a", "a" * 64, "a--b"):
        with pytest.raises(InputError, match="is not a name for SageMaker"):
            model_call(name, CONTAINER)
    for wrong, words in (
        ({"model_data": "https://x/model.tar.gz"}, "not an S3 address"),
        ({"subnets": ("subnet-1",)}, "needs both"),
        ({"variables": {"A": "x" * 1025}}, "variable A is longer"),
        ({"variables": {f"A{at}": "" for at in range(101)}}, "101 variables"),
    ):
        with pytest.raises(InputError, match=words):
            model_call("shop", replace(CONTAINER, **wrong))
    for capacity, words in (
        (Capacity(), "needs --instance-type"),
        (replace(SERVERLESS, memory_mb=1500), "in steps of 1024"),
        (replace(SERVERLESS, max_concurrency=201), "1 to 200"),
        (replace(ASYNC, output=None), "needs --output"),
    ):
        with pytest.raises(InputError, match=words):
            deploy_calls("shop", CONTAINER, capacity)
    with pytest.raises(InputError, match="limit of 100 MB"):
        transform_call("job", "shop", replace(TRANSFORM, max_payload_mb=50, max_concurrent=3))


def test_dry_run_prints_the_requests_and_calls_nothing(run: Run) -> None:
    where = ["--image", CONTAINER.image, "--role", CONTAINER.role, "--dry-run"]
    asked = ["deploy", "shop", "out/model.tar.gz", "--upload", "s3://bucket/models", "--mode", "serverless"]
    done = run(*asked, *where, "--env", "ENCODE_TYPE=IMAGE")
    assert done.code == 0, done.err
    calls = [Call(**row) for row in done.rows]
    check(calls)
    container = calls[0].request["PrimaryContainer"]
    assert container["ModelDataUrl"] == "s3://bucket/models/model.tar.gz"
    assert container["Environment"] == {"ENCODE_TYPE": "IMAGE"}
    assert run("deploy", "shop", "out/model.tar.gz", *where).code == 2
    assert run("deploy", "shop", "s3://bucket/model.tar.gz", *where, "--env", "=x").code == 2
    assert run("deploy", "shop", "s3://bucket/model.tar.gz", *where, "--env", "ENCODE_TYPE").code == 2
    transform = ["transform", "shop", "s3://b-b/in", "s3://b-b/out", "--instance-type", "ml.m5.large", "--dry-run"]
    check([Call(**row) for row in run(*transform).rows])
    assert len(run("undeploy", "shop", "--dry-run").rows) == 3
