"""`catalens train`: fine-tuning as a SageMaker training job."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.aws import DryRun, KmsKey, Region, SecurityGroups, Subnets, Wait, printed, waiting
from catalens.cli.commands import command
from catalens.deployment.requests import TrainingCommand

if TYPE_CHECKING:
    from catalens.deployment.aws import Clients


@command(
    "catalens train shirts answers --channel training=s3://bucket/pairs/ --channel model=s3://bucket/blip2/ "
    "--output s3://bucket/models --upload s3://bucket/source --image IMAGE-URI --role ROLE-ARN "
    "--instance-type ml.g5.xlarge --hyperparameter epochs=3 --wait",
    "catalens train shop starter --channel training=s3://bucket/products/ --hyperparameter labels=type "
    "--output s3://bucket/models --image OWN-IMAGE --role ROLE-ARN --instance-type ml.m5.xlarge --dry-run",
)
def train(
    name: Annotated[str, Argument(metavar="JOB", help="Name of the job; SageMaker accepts each name only once.")],
    task: Annotated[TrainingCommand, Argument(help="Command of `catalens finetune` that the job runs.")],
    channel: Annotated[
        list[str], Option(metavar="NAME=S3", help="Data: training, and val, test or model; may be repeated.")
    ],
    results: Annotated[str, Option("--output", metavar="S3", help="s3:// prefix that the model goes to.")],
    image: Annotated[str, Option(help="Address of the container image.")],
    role: Annotated[str, Option(help="ARN of the role that the container acts as.")],
    instance_type: Annotated[str, Option(help="Such as ml.g5.xlarge.")],
    upload: Annotated[
        str | None,
        Option(
            metavar="S3", help="s3:// prefix for Catalens' source; only for images with SageMaker's training toolkit."
        ),
    ] = None,
    hyperparameter: Annotated[
        list[str] | None, Option(metavar="NAME=VALUE", help="Option of the command; may be repeated.")
    ] = None,
    instances: Annotated[int, Option(min=1, help="Number of instances.")] = 1,
    volume_gb: Annotated[int, Option(help="Disk of each instance, in GB.")] = 50,
    max_hours: Annotated[float, Option(help="Hours after which the job is stopped.")] = 24.0,
    spot: Annotated[bool, Option("--spot", help="Use spot instances; needs --checkpoints.")] = False,
    checkpoints: Annotated[
        str | None, Option(metavar="S3", help="s3:// prefix of the checkpoints that an interrupted job continues from.")
    ] = None,
    kms_key: KmsKey = None,
    subnet: Subnets = None,
    security_group: SecurityGroups = None,
    region: Region = None,
    dry_run: DryRun = False,
    wait: Wait = False,
) -> None:
    """Fine-tune in a SageMaker training job: `catalens finetune` with channels as its files.

    An image with SageMaker's training toolkit gets Catalens as a source archive (--upload); any other image must
    contain it. The metrics of the job are read from its log.
    """
    from catalens.deployment import training_requests as jobs
    from catalens.deployment.requests import archive_address

    source = None if upload is None else archive_address(f"{name}/{jobs.SOURCE}", upload)
    call = jobs.training_call(
        name,
        jobs.Training(
            command=task,
            image=image,
            role=role,
            source=source,
            channels=dict(inputs.pairs(channel, "--channel", "training=s3://bucket/pairs/")),
            output=results,
            instance_type=instance_type,
            hyperparameters=dict(inputs.pairs(hyperparameter or (), "--hyperparameter", "epochs=3")),
            instances=instances,
            volume_gb=volume_gb,
            max_hours=max_hours,
            spot=spot,
            checkpoints=checkpoints,
            subnets=tuple(subnet or ()),
            security_groups=tuple(security_group or ()),
            kms_key=kms_key,
        ),
    )
    if printed([call], dry_run):
        return
    from catalens.deployment import aws
    from catalens.deployment.waiting import TRAINING

    clients = aws.aws_clients(region)
    if source is not None:
        _upload_source(name, task, source, clients)
    aws.make([call], clients, lambda each: output.say(each.operation))
    found = waiting(TRAINING, name, clients, wait=wait)
    if found is not None:
        for each in found.get("FinalMetricDataList", ()):
            output.say(f"{each['MetricName']}={each['Value']:.6g}")
        output.say(f"the model: {found['ModelArtifacts']['S3ModelArtifacts']}")


def _upload_source(name: str, task: TrainingCommand, address: str, clients: Clients) -> None:
    from catalens.deployment import aws
    from catalens.deployment.archive import write_archive
    from catalens.deployment.training_requests import SOURCE, source_members

    with TemporaryDirectory() as folder:
        archive = Path(folder, SOURCE)
        size = write_archive(source_members(task), archive)
        output.say(f"uploading {size / 1e6:,.1f} MB to {address}")
        aws.upload(archive, address, clients, name=name)
