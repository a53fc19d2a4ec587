"""Runs the calls of `requests` with boto3: upload, deploy, watch, list and undeploy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from catalens.core.errors import InputError, ModelError
from catalens.deployment.requests import TAG, Call, split_address, undeploy_calls

_ABSENT = ("could not find", "cannot find", "does not exist")
_POLL_S = 10.0
_PENDING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "InProgress", "Stopping"})


class Clients(Protocol):
    """Gives the client of a service by its name, as `boto3.Session.client` does."""

    def __call__(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients have no static type
        """Return the client."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What an undeployment did.

    Attributes:
        removed: what was there and is gone.
        absent: what was not there.
        left: what stays, and why.
    """

    removed: tuple[str, ...]
    absent: tuple[str, ...]
    left: tuple[str, ...]


def aws_clients(region: str | None) -> Clients:
    """Return boto3's clients for a region; None is the configured one.

    Raises:
        InputError: boto3 is not installed.
    """
    try:
        import boto3
    except ImportError as error:
        raise InputError('calls to AWS need boto3: pip install "catalens[aws]"') from error
    clients: Clients = boto3.Session(region_name=region).client
    return clients


def upload(archive: Path, address: str, clients: Clients) -> None:
    """Upload an archive.

    Args:
        archive: to upload.
        address: `s3://` address of the object.
        clients: of AWS.

    Raises:
        ModelError: it cannot be stored.
    """
    bucket, key = split_address(address)
    with _named(f"{archive} cannot be stored as {address}"):
        clients("s3").upload_file(str(archive), bucket, key)


def make(calls: Sequence[Call], clients: Clients, on_call: Callable[[Call], None] = lambda _: None) -> None:
    """Make calls in order; where one fails, the message says which ones were made.

    Raises:
        ModelError: AWS refuses a call.
    """
    done: list[str] = []
    for call in calls:
        made = f" ({', '.join(done)} succeeded; `catalens undeploy` removes what they made)" if done else ""
        on_call(call)
        with _named(f"{call.service} refuses {call.operation}{made}"):
            getattr(clients(call.service), call.operation)(**call.request)
        done.append(call.operation)


def wait_for_endpoint(
    name: str, clients: Clients, on_state: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait until an endpoint is in service.

    Raises:
        ModelError: it failed; the message has AWS's reason.
    """
    _wait(lambda client: client.describe_endpoint(EndpointName=name), "EndpointStatus", clients, on_state, sleep)


def wait_for_transform(
    job: str, clients: Clients, on_state: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait until a batch transform is complete.

    Raises:
        ModelError: it failed; the message has AWS's reason.
    """
    name = "TransformJobStatus"
    _wait(lambda client: client.describe_transform_job(TransformJobName=job), name, clients, on_state, sleep)


def undeploy(name: str, clients: Clients, *, archive: str | None = None) -> Removed:
    """Remove an endpoint, its configuration, its model and, if its address is given, its archive; safe to repeat.

    Only what carries Catalens' tag for this deployment is removed.

    Raises:
        ModelError: AWS refuses a call.
    """
    removed, absent, left = [], [], []
    client = clients("sagemaker")
    for call in undeploy_calls(name):
        what = call.operation.removeprefix("delete_")
        arn = _arn_of(what, call, client)
        if arn is None:
            absent.append(f"{what} {name}")
        elif not _is_ours(arn, name, client):
            left.append(f"{what} {name}: it was not made by `catalens deploy`")
        else:
            with _named(f"sagemaker refuses {call.operation}"):
                getattr(client, call.operation)(**call.request)
            removed.append(f"{what} {name}")
    if archive is not None:
        bucket, key = split_address(archive)
        with _named(f"s3 refuses to delete {archive}"):
            clients("s3").delete_object(Bucket=bucket, Key=key)
        removed.append(archive)
    return Removed(tuple(removed), tuple(absent), tuple(left))


def deployments(clients: Clients) -> Iterator[dict[str, Any]]:
    """List the endpoints and models that Catalens made, models without an endpoint among them.

    Raises:
        ModelError: AWS refuses a call.
    """
    client = clients("sagemaker")
    with _named("sagemaker refuses to list"):
        endpoints = _pages(client, "list_endpoints", "Endpoints")
        models = _pages(client, "list_models", "Models")
        served = set()
        for each in endpoints:
            if _is_ours(each["EndpointArn"], each["EndpointName"], client):
                served.add(each["EndpointName"])
                yield {"name": each["EndpointName"], "state": each["EndpointStatus"], "arn": each["EndpointArn"]}
        for each in models:
            if each["ModelName"] not in served and _is_ours(each["ModelArn"], each["ModelName"], client):
                yield {"name": each["ModelName"], "state": "model without an endpoint", "arn": each["ModelArn"]}


class _named:  # noqa: N801 - reads as a function
    """Turns an error of botocore into one of ours, with AWS's own sentence."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Enter."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Translate."""
        if error is None:
            return
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, BotoCoreError | Boto3Error | ClientError):
            raise ModelError(f"{self._what}: {error}") from error


def _arn_of(what: str, call: Call, client: Any) -> str | None:  # noqa: ANN401 - boto3's client
    """Return the ARN of what a call deletes; None where it is not there."""
    from botocore.exceptions import ClientError

    with _named(f"sagemaker refuses to describe {what}"):
        try:
            found = getattr(client, f"describe_{what}")(**call.request)
        except ClientError as error:
            if any(each in str(error).lower() for each in _ABSENT):
                return None
            raise
    return str(next(value for name, value in found.items() if name in {"EndpointArn", "EndpointConfigArn", "ModelArn"}))


def _is_ours(arn: str, name: str, client: Any) -> bool:  # noqa: ANN401 - boto3's client
    with _named(f"sagemaker refuses to list the tags of {arn}"):
        tags = _pages(client, "list_tags", "Tags", ResourceArn=arn)
    return {"Key": TAG, "Value": name} in tags


def _pages(client: Any, operation: str, key: str, **request: str) -> list[dict[str, Any]]:  # noqa: ANN401
    pages = client.get_paginator(operation).paginate(**request)
    return [each for page in pages for each in page[key]]


def _wait(
    describe: Callable[[Any], dict[str, Any]],
    key: str,
    clients: Clients,
    on_state: Callable[[str], None],
    sleep: Callable[[float], None],
) -> None:
    client = clients("sagemaker")
    while True:
        with _named("sagemaker refuses to describe what it is asked to wait for"):
            found = describe(client)
        state = found[key]
        on_state(state)
        if state not in _PENDING:
            break
        sleep(_POLL_S)
    if state not in {"InService", "Completed"}:
        raise ModelError(f"{state}: {found.get('FailureReason', 'AWS gives no reason; see its log in CloudWatch')}")
