"""`catalens deploy`, `transform`, `undeploy` and `deployments`: SageMaker endpoints over bundles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from catalens.cli import output
from catalens.cli.commands import command
from catalens.cli.options import Json
from catalens.core.errors import InputError
from catalens.deployment.requests import Mode

if TYPE_CHECKING:
    from catalens.deployment.requests import Call

_RUNS_ON = "AWS goes on with {name} and charges for it; `catalens undeploy {name}` ends it"
Name = Annotated[str, Argument(metavar="NAME", help="Name of the endpoint, its configuration and its model.")]
Region = Annotated[str | None, Option(help="AWS region; the configured one by itself.")]
DryRun = Annotated[bool, Option("--dry-run", help="Print the requests as JSON; call nothing.")]
Wait = Annotated[bool, Option("--wait", help="Wait until it is done, or has failed.")]
Variables = Annotated[
    list[str] | None, Option("--env", metavar="NAME=VALUE", help="Variable of the container; may be repeated.")
]


@command(
    "catalens deploy shop out/model.tar.gz --upload s3://bucket/shop --image IMAGE-URI --role ROLE-ARN "
    "--instance-type ml.m5.xlarge",
    "catalens deploy shop s3://bucket/model.tar.gz --image IMAGE-URI --role ROLE-ARN --mode serverless --dry-run",
)
def deploy(
    name: Name,
    archive: Annotated[str, Argument(metavar="ARCHIVE", help="What `catalens package` wrote, or its s3:// key.")],
    image: Annotated[str, Option(help="Address of the container image.")],
    role: Annotated[str, Option(help="ARN of the role that the container acts as.")],
    to: Annotated[
        str | None, Option("--upload", metavar="S3", help="s3:// prefix that a local archive goes to.")
    ] = None,
    mode: Annotated[Mode, Option(help="Kind of endpoint.")] = "real-time",
    instance_type: Annotated[str | None, Option(help="Such as ml.m5.xlarge.")] = None,
    instances: Annotated[int, Option(min=1, help="Number of instances.")] = 1,
    memory_mb: Annotated[int, Option(help="Memory of a serverless container.")] = 4096,
    max_concurrency: Annotated[int, Option(min=1, help="Requests at a time; serverless and async.")] = 5,
    answers: Annotated[str | None, Option("--output", metavar="S3", help="Where async answers go.")] = None,
    kms_key: Annotated[str | None, Option(help="Key that encrypts volumes or answers.")] = None,
    subnet: Annotated[list[str] | None, Option(help="Subnet of the VPC; may be repeated.")] = None,
    security_group: Annotated[list[str] | None, Option(help="Security group; may be repeated.")] = None,
    env: Variables = None,
    region: Region = None,
    dry_run: DryRun = False,
    wait: Wait = False,
) -> None:
    """Make a SageMaker endpoint that serves a bundle."""
    from catalens.deployment import requests

    if not archive.startswith("s3://") and to is None:
        raise InputError(f"{archive} is a local archive; say where it goes with --upload s3://BUCKET/PREFIX")
    local = None if archive.startswith("s3://") else Path(archive)
    address = archive if local is None else requests.archive_address(local.name, str(to))
    container = requests.Container(
        image=image,
        model_data=address,
        role=role,
        variables=_variables(env),
        subnets=tuple(subnet or ()),
        security_groups=tuple(security_group or ()),
    )
    capacity = requests.Capacity(
        mode=mode,
        instance_type=instance_type,
        instances=instances,
        memory_mb=memory_mb,
        max_concurrency=max_concurrency,
        output=answers,
        kms_key=kms_key,
    )
    calls = requests.deploy_calls(name, container, capacity)
    if _printed(calls, dry_run):
        return
    from catalens.deployment import aws

    clients = aws.aws_clients(region)
    if local is not None:
        output.say(f"uploading {local.stat().st_size / 1e6:,.1f} MB to {address}")
        aws.upload(local, address, clients)
    aws.make(calls, clients, lambda call: output.say(call.operation))
    _waiting(name, wait, lambda: aws.wait_for_endpoint(name, clients, output.say))


@command("catalens transform shop s3://bucket/photos/ s3://bucket/out/ --instance-type ml.m5.xlarge")
def transform(
    model: Annotated[str, Argument(metavar="NAME", help="Name that was deployed.")],
    source: Annotated[str, Argument(metavar="S3", help="s3:// prefix of the images.")],
    answers: Annotated[str, Argument(metavar="OUT", help="s3:// prefix of the answers.")],
    instance_type: Annotated[str, Option(help="Such as ml.m5.xlarge.")],
    job: Annotated[str | None, Option(help="Name of the job; the deployment's by itself.")] = None,
    instances: Annotated[int, Option(min=1, help="Number of instances.")] = 1,
    content_type: Annotated[str, Option(help="Of each object.")] = "application/x-image",
    max_payload_mb: Annotated[int, Option(min=1, help="Largest object.")] = 6,
    max_concurrent: Annotated[int, Option(min=1, help="Requests at a time per instance.")] = 4,
    env: Variables = None,
    region: Region = None,
    dry_run: DryRun = False,
    wait: Wait = False,
) -> None:
    """Run a deployed model over an S3 prefix of images; each answer is stored as the image's key with .out."""
    from catalens.deployment.requests import Transform, transform_call

    asked = Transform(
        source=source,
        output=answers,
        instance_type=instance_type,
        instances=instances,
        content_type=content_type,
        max_payload_mb=max_payload_mb,
        max_concurrent=max_concurrent,
        variables=_variables(env),
    )
    name = job or model
    calls = [transform_call(name, model, asked)]
    if _printed(calls, dry_run):
        return
    from catalens.deployment import aws

    clients = aws.aws_clients(region)
    aws.make(calls, clients)
    _waiting(name, wait, lambda: aws.wait_for_transform(name, clients, output.say))


@command("catalens undeploy shop --archive s3://bucket/shop/model.tar.gz")
def undeploy(
    name: Name,
    archive: Annotated[
        str | None, Option(metavar="S3", help="s3:// key of the uploaded archive, to delete it too.")
    ] = None,
    region: Region = None,
    dry_run: DryRun = False,
) -> None:
    """Remove an endpoint, its configuration and its model; safe to repeat."""
    from catalens.deployment.requests import undeploy_calls

    if _printed(undeploy_calls(name), dry_run):
        return
    from catalens.deployment import aws

    done = aws.undeploy(name, aws.aws_clients(region), archive=archive)
    for word, each in (("removed", done.removed), ("not there", done.absent), ("left", done.left)):
        for what in each:
            output.show(f"{word}: {what}")


@command("catalens deployments --json")
def deployments(region: Region = None, json: Json = False) -> None:
    """List what `catalens deploy` made and is still there."""
    from catalens.deployment import aws

    rows = list(aws.deployments(aws.aws_clients(region)))
    if output.wants_json(json):
        for row in rows:
            output.emit(row)
    else:
        output.show_rows([tuple(row.values()) for row in rows], "name", "state", "ARN")


def _printed(calls: Sequence[Call], dry_run: bool) -> bool:
    for call in calls if dry_run else ():
        output.emit(call.to_dict())
    return dry_run


def _waiting(name: str, wait: bool, watch: Callable[[], None]) -> None:
    if not wait:
        output.say(f"started: {name}; `catalens deployments` shows its state")
        return
    try:
        watch()
    except KeyboardInterrupt:
        output.say(_RUNS_ON.format(name=name))
        raise


def _variables(given: list[str] | None) -> dict[str, str]:
    found = dict(each.partition("=")[::2] for each in given or ())
    if not all(found):
        raise InputError("--env takes NAME=VALUE, such as ENCODE_TYPE=IMAGE")
    return found
