"""Calls to AWS with boto3: its clients and errors, uploading, and making the calls of `requests`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from catalens.core.errors import InputError, ModelError
from catalens.deployment.requests import TAG, Call, split_address

_ABSENT = ("could not find", "cannot find", "does not exist", "no scalable target")


class Clients(Protocol):
    """Returns the client of a service by its name, as `boto3.Session.client` does."""

    def __call__(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - boto3's clients have no static type
        """Return the client."""


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


def upload(archive: Path, address: str, clients: Clients, *, name: str) -> None:
    """Upload an archive, with the deployment's tag.

    Args:
        archive: to upload.
        address: `s3://` address of the object.
        clients: of AWS.
        name: of the deployment.

    Raises:
        ModelError: it cannot be stored.
    """
    bucket, key = split_address(address)
    with named_error(f"{archive} cannot be stored as {address}"):
        clients("s3").upload_file(str(archive), bucket, key, ExtraArgs={"Tagging": urlencode({TAG: name})})


def make(calls: Sequence[Call], clients: Clients, on_call: Callable[[Call], None] = lambda _: None) -> None:
    """Make calls in order; where one fails, the message says which ones were made.

    Raises:
        ModelError: AWS refuses a call.
    """
    done: list[str] = []
    for call in calls:
        made = f" ({', '.join(done)} succeeded; `catalens undeploy` removes what they made)" if done else ""
        on_call(call)
        with named_error(f"{call.service} refuses {call.operation}{made}"):
            getattr(clients(call.service), call.operation)(**call.request)
        done.append(call.operation)


class named_error:  # noqa: N801 - reads as a function
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


def is_absent(error: Exception) -> bool:
    """Return whether an error of botocore says that there is no such thing."""
    return any(each in str(error).lower() for each in _ABSENT)


def is_tagged(arn: str, name: str, client: Any) -> bool:  # noqa: ANN401 - boto3's client
    """Return whether something of SageMaker carries the tag of a deployment.

    Raises:
        ModelError: the tags cannot be listed.
    """
    with named_error(f"sagemaker refuses to list the tags of {arn}"):
        tags = pages(client, "list_tags", "Tags", ResourceArn=arn)
    return {"Key": TAG, "Value": name} in tags


def pages(client: Any, operation: str, key: str, **request: str) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return what an operation lists, over all its pages."""
    found = client.get_paginator(operation).paginate(**request)
    return [each for page in found for each in page[key]]
