"""The requests of AWS's services, as boto3 sends them: built from values alone, without a network.

Every function returns a `Call`; tests check each against botocore's own description of the service.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from catalens.core.errors import InputError

TAG = "catalens:deployment"
"""Tag of everything that is made; `deployments` and `undeploy` only look at what carries it."""
VARIANT = "AllTraffic"
Mode = Literal["real-time", "serverless", "async"]
TrainingCommand = Literal["answers", "starter"]
"""What a training job runs: a command of `catalens finetune`."""
Format = Literal["auto", "image", "json", "jsonl"]
"""How an invocation carries a picture."""
PAYLOAD_LIMITS: Mapping[Mode, int] = {"real-time": 6_291_456, "serverless": 4 * 2**20, "async": 2**30}
"""Bytes of a request's body: SageMaker's service model (boto3 1.43.11) and its documentation."""
_NAME = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,62}")
_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*)")
_MEMORY_MB = range(1024, 6145, 1024)
_STARTUP_S = range(60, 3601)
_MAX_VARIABLES, _MAX_TRANSFORM_VARIABLES, _MAX_VALUE = 100, 16, 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a service.

    Attributes:
        service: of boto3, such as "sagemaker".
        operation: in boto3's spelling, such as "create_model".
        request: its keyword arguments.
    """

    service: str
    operation: str
    request: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the call as JSON has it."""
        return {"service": self.service, "operation": self.operation, "request": dict(self.request)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What runs.

    Attributes:
        image: address of the container image.
        model_data: `s3://` address of the archive.
        role: ARN that the container acts as.
        variables: of the container.
        subnets: of the VPC; none runs outside a VPC.
        security_groups: likewise.
    """

    image: str
    model_data: str
    role: str
    variables: Mapping[str, str]
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Where it runs.

    Attributes:
        mode: "real-time", "serverless" or "async".
        instance_type: such as "ml.g5.xlarge"; not for serverless.
        instances: how many.
        memory_mb: of a serverless container.
        max_concurrency: most requests at a time, of a serverless endpoint or of an asynchronous instance.
        output: `s3://` prefix of asynchronous answers.
        kms_key: encrypts the volumes, or asynchronous answers.
        startup_s: how long the model's download and the container's start may each take; not for serverless.
    """

    mode: Mode = "real-time"
    instance_type: str | None = None
    instances: int = 1
    memory_mb: int = 4096
    max_concurrency: int = 5
    output: str | None = None
    kms_key: str | None = None
    startup_s: int | None = None


def deploy_calls(name: str, container: Container, capacity: Capacity) -> list[Call]:
    """Return the calls that make a model, its endpoint's configuration and the endpoint, in order.

    Raises:
        InputError: a value is not what SageMaker accepts.
    """
    tags = tags_of(name)
    variant = _variant(name, capacity)
    config: dict[str, Any] = {"EndpointConfigName": name, "ProductionVariants": [variant], "Tags": tags}
    if capacity.mode == "async":
        config["AsyncInferenceConfig"] = _async(capacity)
    if capacity.kms_key is not None and capacity.mode != "serverless":
        config["KmsKeyId"] = capacity.kms_key
    return [
        model_call(name, container),
        Call("sagemaker", "create_endpoint_config", config),
        Call("sagemaker", "create_endpoint", {"EndpointName": name, "EndpointConfigName": name, "Tags": tags}),
    ]


def model_call(name: str, container: Container) -> Call:
    """Return the call that makes a model.

    Raises:
        InputError: a value is not what SageMaker accepts.
    """
    check_name(name)
    split_address(container.model_data)
    _check_variables(container.variables, _MAX_VARIABLES)
    request: dict[str, Any] = {
        "ModelName": name,
        "ExecutionRoleArn": container.role,
        "PrimaryContainer": {
            "Image": container.image,
            "ModelDataUrl": container.model_data,
            "Environment": dict(container.variables),
        },
        "Tags": tags_of(name),
        **vpc_config(container.subnets, container.security_groups),
    }
    return Call("sagemaker", "create_model", request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """A batch transform over images.

    Attributes:
        source: `s3://` prefix of the images.
        output: `s3://` prefix of the answers, each under its image's key with `.out`.
        instance_type: such as "ml.m5.xlarge".
        instances: how many.
        content_type: of each object.
        max_payload_mb: largest object.
        max_concurrent: requests at a time per instance.
        variables: of the container.
    """

    source: str
    output: str
    instance_type: str
    instances: int = 1
    content_type: str = "application/x-image"
    max_payload_mb: int = 6
    max_concurrent: int = 4
    variables: Mapping[str, str]


def job_name(name: str, now: datetime) -> str:
    """Return a job's name, which SageMaker never takes twice.

    >>> job_name("shop", datetime(2026, 11, 28, 9, 30, 5))
    'shop-20261128-093005'
    """
    return f"{name[:47]}-{now:%Y%m%d-%H%M%S}"


def transform_call(job: str, model: str, transform: Transform) -> Call:
    """Return the call that starts a batch transform; one object is one request, and one answer.

    Raises:
        InputError: a value is not what SageMaker accepts.
    """
    check_name(job)
    for address in (transform.source, transform.output):
        split_address(address)
    _check_variables(transform.variables, _MAX_TRANSFORM_VARIABLES)
    if not 0 < transform.max_payload_mb * transform.max_concurrent <= 100:
        raise InputError(
            f"{transform.max_payload_mb} MB × {transform.max_concurrent} requests at a time is over SageMaker's "
            "limit of 100 MB; lower one of them"
        )
    lines = transform.content_type == "application/jsonlines"
    return Call(
        "sagemaker",
        "create_transform_job",
        {
            "TransformJobName": job,
            "ModelName": model,
            "MaxConcurrentTransforms": transform.max_concurrent,
            "MaxPayloadInMB": transform.max_payload_mb,
            "BatchStrategy": "MultiRecord" if lines else "SingleRecord",
            "Environment": dict(transform.variables),
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": transform.source}},
                "ContentType": transform.content_type,
                "SplitType": "Line" if lines else "None",
            },
            "TransformOutput": {"S3OutputPath": transform.output, "Accept": "application/json"},
            "TransformResources": {"InstanceType": transform.instance_type, "InstanceCount": transform.instances},
            "Tags": tags_of(model),
        },
    )


def undeploy_calls(name: str) -> list[Call]:
    """Return the calls that remove an endpoint, its configuration and its model; each may find nothing."""
    return [
        Call("sagemaker", "delete_endpoint", {"EndpointName": name}),
        Call("sagemaker", "delete_endpoint_config", {"EndpointConfigName": name}),
        Call("sagemaker", "delete_model", {"ModelName": name}),
    ]


def split_address(address: str) -> tuple[str, str]:
    """Return the bucket and the key of an `s3://` address.

    Raises:
        InputError: it is none.

    >>> split_address("s3://bucket/models/model.tar.gz")
    ('bucket', 'models/model.tar.gz')
    """
    found = _S3.fullmatch(address)
    if found is None:
        raise InputError(f"{address!r} is not an S3 address; use s3://BUCKET/KEY")
    return found[1], found[2]


def archive_address(name: str, prefix: str) -> str:
    """Return where an archive goes: under a prefix, or to a key that ends in .tar.gz.

    >>> archive_address("model.tar.gz", "s3://bucket/shop/")
    's3://bucket/shop/model.tar.gz'
    """
    bucket, key = split_address(prefix if prefix.count("/") > 2 else f"{prefix}/")
    if not key.endswith(".tar.gz"):
        key = "/".join(part for part in (key.rstrip("/"), name) if part)
    return f"s3://{bucket}/{key}"


def _variant(name: str, capacity: Capacity) -> dict[str, Any]:
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": name}
    if capacity.mode == "serverless":
        if capacity.memory_mb not in _MEMORY_MB:
            raise InputError(f"{capacity.memory_mb} MB: serverless memory is 1024 to 6144, in steps of 1024")
        if not 1 <= capacity.max_concurrency <= 200:
            raise InputError(f"{capacity.max_concurrency} requests at a time: a serverless endpoint takes 1 to 200")
        serverless = {"MemorySizeInMB": capacity.memory_mb, "MaxConcurrency": capacity.max_concurrency}
        return variant | {"ServerlessConfig": serverless}
    if capacity.instance_type is None:
        raise InputError(f"a {capacity.mode} endpoint needs --instance-type, such as ml.m5.xlarge")
    variant |= {"InstanceType": capacity.instance_type, "InitialInstanceCount": capacity.instances}
    if capacity.startup_s is not None:
        if capacity.startup_s not in _STARTUP_S:
            raise InputError(f"{capacity.startup_s} s: SageMaker waits 60 to 3600 s for a container to start")
        variant["ContainerStartupHealthCheckTimeoutInSeconds"] = capacity.startup_s
        variant["ModelDataDownloadTimeoutInSeconds"] = capacity.startup_s
    return variant


def _async(capacity: Capacity) -> dict[str, Any]:
    if capacity.output is None:
        raise InputError("an asynchronous endpoint needs --output s3://BUCKET/PREFIX for its answers")
    split_address(capacity.output)
    output = {"S3OutputPath": capacity.output}
    if capacity.kms_key is not None:
        output["KmsKeyId"] = capacity.kms_key
    return {
        "OutputConfig": output,
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": capacity.max_concurrency},
    }


def check_name(name: str) -> None:
    """Refuse what SageMaker takes as no name.

    Raises:
        InputError: it is none.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a name for SageMaker; use up to 63 letters, digits and single hyphens")


def vpc_config(subnets: Sequence[str], security_groups: Sequence[str]) -> dict[str, Any]:
    """Return the part of a request that names a VPC; nothing where there is none.

    Raises:
        InputError: one of the two is missing.
    """
    if bool(subnets) != bool(security_groups):
        raise InputError("a VPC needs both --subnet and --security-group")
    if not subnets:
        return {}
    return {"VpcConfig": {"Subnets": list(subnets), "SecurityGroupIds": list(security_groups)}}


def tags_of(name: str) -> list[dict[str, str]]:
    """Return the tag of everything that a deployment makes."""
    return [{"Key": TAG, "Value": name}]


def _check_variables(variables: Mapping[str, str], most: int) -> None:
    if len(variables) > most:
        raise InputError(f"{len(variables)} variables; SageMaker takes at most {most}")
    for name, value in variables.items():
        if len(value) > _MAX_VALUE or len(name) > _MAX_VALUE:
            raise InputError(f"the variable {name[:50]} is longer than SageMaker's {_MAX_VALUE} characters")
