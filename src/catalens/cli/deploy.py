"""`catalens deploy`, `undeploy` and `deployments`: SageMaker endpoints over bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.aws import (
    DryRun,
    KmsKey,
    Name,
    Region,
    SecurityGroups,
    Subnets,
    Variables,
    Wait,
    printed,
    variables_of,
    waiting,
)
from catalens.cli.commands import command
from catalens.cli.options import Json
from catalens.core.errors import InputError
from catalens.deployment.requests import Mode


@command(
    "catalens deploy shop out/model.tar.gz --upload s3://bucket/shop --image IMAGE-URI --role ROLE-ARN "
    "--instance-type ml.m5.xlarge",
    "catalens deploy shop s3://bucket/model.tar.gz --image IMAGE-URI --role ROLE-ARN --mode serverless --dry-run",
    "catalens deploy shop s3://bucket/model.tar.gz --image IMAGE-URI --role ROLE-ARN --instance-type ml.m5.xlarge "
    "--wait --autoscale 1:4",
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
    answers: Annotated[
        str | None, Option("--output", metavar="S3", help="s3:// prefix of asynchronous answers.")
    ] = None,
    autoscale: Annotated[
        str | None, Option(metavar="MIN:MAX", help="Minimum and maximum number of instances; needs --wait.")
    ] = None,
    target: Annotated[
        float, Option(help="Autoscaling target per instance: requests per minute; with async, waiting requests.")
    ] = 60.0,
    startup_timeout: Annotated[
        int | None, Option(help="Timeout of the download and of the start-up, in seconds each. \\[SageMaker's]")
    ] = None,
    kms_key: KmsKey = None,
    subnet: Subnets = None,
    security_group: SecurityGroups = None,
    env: Variables = None,
    region: Region = None,
    dry_run: DryRun = False,
    wait: Wait = False,
) -> None:
    """Create a SageMaker endpoint that serves a bundle."""
    from catalens.deployment import requests
    from catalens.deployment.autoscaling import Scaling, scaling_calls

    if not archive.startswith("s3://") and to is None:
        raise InputError(f"{archive} is a local archive; say where it goes with --upload s3://BUCKET/PREFIX")
    local = None if archive.startswith("s3://") else Path(archive) if dry_run else inputs.existing(archive)
    address = archive if local is None else requests.archive_address(local.name, str(to))
    container = requests.Container(
        image=image,
        model_data=address,
        role=role,
        variables=variables_of(env),
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
        startup_s=startup_timeout,
    )
    calls = requests.deploy_calls(name, container, capacity)
    scaling = scaling_calls(name, mode, Scaling.of(autoscale, target)) if autoscale is not None else []
    if printed([*calls, *scaling], dry_run):
        return
    if scaling and not wait:
        raise InputError("--autoscale needs --wait: only an endpoint that is in service can be told to scale")
    from catalens.deployment import aws
    from catalens.deployment.waiting import ENDPOINT

    clients = aws.aws_clients(region)
    if local is not None:
        output.say(f"uploading {local.stat().st_size / 1e6:,.1f} MB to {address}")
        aws.upload(local, address, clients, name=name)
    aws.make(calls, clients, lambda call: output.say(call.operation))
    waiting(ENDPOINT, name, clients, wait=wait)
    aws.make(scaling, clients, lambda call: output.say(call.operation))


@command("catalens undeploy shop")
def undeploy(name: Name, region: Region = None, dry_run: DryRun = False) -> None:
    """Remove an endpoint, its configuration, its uploaded archive and its model; safe to repeat.

    Anything that `catalens deploy` did not create is left in place and named.
    """
    from catalens.deployment.requests import undeploy_calls

    if printed(undeploy_calls(name), dry_run):
        return
    from catalens.deployment import aws
    from catalens.deployment.removal import undeploy as remove

    done = remove(name, aws.aws_clients(region))
    for word, each in (("removed", done.removed), ("not there", done.absent), ("left", done.left)):
        for what in each:
            output.show(f"{word}: {what}")


@command("catalens deployments --json")
def deployments(region: Region = None, json: Json = False) -> None:
    """List the endpoints, unattached models and running jobs that Catalens created."""
    from catalens.deployment import aws
    from catalens.deployment.removal import deployments as listed

    rows = list(listed(aws.aws_clients(region)))
    if output.wants_json(json):
        for row in rows:
            output.emit(row)
    else:
        output.show_rows([tuple(row.values()) for row in rows], "name", "kind", "state", "ARN")
