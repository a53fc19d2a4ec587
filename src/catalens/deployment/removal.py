"""What Catalens made in an account: listed, and removed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from catalens.deployment.autoscaling import deregister_call
from catalens.deployment.aws import Clients, is_absent, is_tagged, named_error, pages
from catalens.deployment.requests import TAG, Call, split_address, undeploy_calls


@dataclass(frozen=True, slots=True)
class Removed:
    """What an undeployment did.

    Attributes:
        removed: what was there and is gone.
        absent: what was not there.
        left: what stays, and why.
    """

    removed: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def undeploy(name: str, clients: Clients) -> Removed:
    """Remove an endpoint with its autoscaling, its configuration, its archive and its model; safe to repeat.

    Only what carries Catalens' tag for this deployment is removed. The model, which knows where the archive is, goes
    last: a removal that was interrupted finds it again.

    Raises:
        ModelError: AWS refuses a call.
    """
    done = Removed()
    client = clients("sagemaker")
    for call in undeploy_calls(name):
        what = call.operation.removeprefix("delete_")
        found = _described(what, call, client)
        if found is None:
            done.absent.append(f"{what} {name}")
        elif not is_tagged(_arn_of(found), name, client):
            done.left.append(f"{what} {name}: it was not made by `catalens deploy`")
        else:
            if what == "endpoint":
                _remove_scaling(name, clients, done)
            if what == "endpoint_config":
                _tell_of_answers(found, clients, done)
            if what == "model":
                _remove_archive(found, name, clients, done)
            with named_error(f"sagemaker refuses {call.operation}"):
                getattr(client, call.operation)(**call.request)
            done.removed.append(f"{what} {name}")
    return done


def deployments(clients: Clients) -> Iterator[dict[str, Any]]:
    """List what Catalens created: endpoints, unattached models and running jobs.

    Raises:
        ModelError: AWS refuses a call.
    """
    client = clients("sagemaker")
    with named_error("sagemaker refuses to list"):
        endpoints = pages(client, "list_endpoints", "Endpoints")
        models = pages(client, "list_models", "Models")
        running = {
            kind: pages(client, f"list_{kind}_jobs", f"{kind.title()}JobSummaries", StatusEquals="InProgress")
            for kind in ("transform", "training")
        }
    served = set()
    for each in endpoints:
        if is_tagged(each["EndpointArn"], each["EndpointName"], client):
            served.add(each["EndpointName"])
            yield _row(each["EndpointName"], "endpoint", each["EndpointStatus"], each["EndpointArn"])
    for each in models:
        if each["ModelName"] not in served and is_tagged(each["ModelArn"], each["ModelName"], client):
            yield _row(each["ModelName"], "model", "without an endpoint", each["ModelArn"])
    for kind, jobs in running.items():
        for each in jobs:
            job = f"{kind.title()}Job"
            with named_error("sagemaker refuses to list the tags of a job"):
                tags = pages(client, "list_tags", "Tags", ResourceArn=each[f"{job}Arn"])
            if any(tag["Key"] == TAG for tag in tags):
                yield _row(each[f"{job}Name"], f"{kind} job", each[f"{job}Status"], each[f"{job}Arn"])


def _row(name: str, kind: str, state: str, arn: str) -> dict[str, Any]:
    return {"name": name, "kind": kind, "state": state, "arn": arn}


def _described(what: str, call: Call, client: Any) -> dict[str, Any] | None:  # noqa: ANN401 - boto3's client
    """Return the description of what a call deletes; None where it is not there."""
    from botocore.exceptions import ClientError

    with named_error(f"sagemaker refuses to describe {what}"):
        try:
            found: dict[str, Any] = getattr(client, f"describe_{what}")(**call.request)
        except ClientError as error:
            if is_absent(error):
                return None
            raise
    return found


def _arn_of(found: dict[str, Any]) -> str:
    return str(next(found[each] for each in ("EndpointArn", "EndpointConfigArn", "ModelArn") if each in found))


def _remove_scaling(name: str, clients: Clients, done: Removed) -> None:
    """Deregister the endpoint's autoscaling, which would outlive it; who may not look for it hears so."""
    from botocore.exceptions import ClientError

    call = deregister_call(name)
    with named_error(f"{call.service} refuses {call.operation}"):
        try:
            clients(call.service).deregister_scalable_target(**call.request)
        except ClientError as error:
            if not is_absent(error):
                done.left.append(f"autoscaling {name}, if there is any: {error}")
            return
    done.removed.append(f"autoscaling {name}")


def _remove_archive(model: dict[str, Any], name: str, clients: Clients, done: Removed) -> None:
    """Delete the archive that the deployment uploaded."""
    from botocore.exceptions import ClientError

    address = model.get("PrimaryContainer", {}).get("ModelDataUrl")
    if not address:
        return
    bucket, key = split_address(address)
    s3 = clients("s3")
    with named_error(f"s3 refuses to delete {address}"):
        try:
            tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"NoSuchKey", "404"}:
                raise
            done.absent.append(address)
            return
        if {"Key": TAG, "Value": name} not in tags:
            done.left.append(f"{address}: this deployment did not upload it")
            return
        s3.delete_object(Bucket=bucket, Key=key)
    done.removed.append(address)


def _tell_of_answers(config: dict[str, Any], clients: Clients, done: Removed) -> None:
    """Say where asynchronous answers stay; they are the user's."""
    address = config.get("AsyncInferenceConfig", {}).get("OutputConfig", {}).get("S3OutputPath")
    if address is None:
        return
    bucket, prefix = split_address(address if address.count("/") > 2 else f"{address}/")
    with named_error(f"s3 refuses to list {address}"):
        found = clients("s3").list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    if found.get("KeyCount"):
        done.left.append(f"{address}: answers of the asynchronous endpoint")
