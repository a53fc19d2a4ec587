"""`catalens transform`: a deployed model over an S3 prefix of images."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.aws import DryRun, Region, Variables, Wait, needed, printed, variables_of, waiting
from catalens.cli.commands import command
from catalens.cli.tally import Tally
from catalens.core.errors import InputError, ModelError

if TYPE_CHECKING:
    from catalens.deployment.aws import Clients


@command(
    "catalens transform shop s3://bucket/photos/ s3://bucket/out/ --instance-type ml.m5.xlarge",
    "catalens transform shop s3://bucket/photos/ s3://bucket/out/ --collect --output attributes.csv",
)
def transform(
    model: Annotated[str, Argument(metavar="NAME", help="Name of the deployment.")],
    source: Annotated[str, Argument(metavar="S3", help="s3:// prefix of the images.")],
    answers: Annotated[str, Argument(metavar="OUT", help="s3:// prefix of the answers.")],
    instance_type: Annotated[str | None, Option(help="Such as ml.m5.xlarge.")] = None,
    job: Annotated[str | None, Option(help="Name of the job. \\[with the time]")] = None,
    instances: Annotated[int, Option(min=1, help="Number of instances.")] = 1,
    content_type: Annotated[str, Option(help="Content type of each object.")] = "application/x-image",
    max_payload_mb: Annotated[int, Option(min=1, help="Maximum size of an object, in MB.")] = 6,
    max_concurrent: Annotated[int, Option(min=1, help="Requests at a time per instance.")] = 4,
    table: Annotated[
        Path | None,
        Option("--output", "-o", metavar="TABLE", help="Write the answers: .csv, .tsv, .jsonl, .json, .parquet."),
    ] = None,
    catalogue: Annotated[str | None, Option(metavar="CATALOGUE", help="Add the answers to a catalogue, by id.")] = None,
    collect: Annotated[
        bool, Option("--collect", help="Start no job, but read the answers of one that has ended.")
    ] = False,
    env: Variables = None,
    region: Region = None,
    dry_run: DryRun = False,
    wait: Wait = False,
) -> None:
    """Run a deployed model over an S3 prefix of images; each answer is stored as the image's key with .out.

    With --wait, --output and --catalogue read the answers back: the id is the image's key below the prefix, as in a
    catalogue that was made of the same prefix.
    """
    from catalens.deployment.requests import Transform, job_name, transform_call

    reads = bool(table or catalogue)
    if reads and not (wait or collect or dry_run):
        raise InputError("--output and --catalogue read answers that are there: add --wait, or --collect later")
    name = job or job_name(model, datetime.now(UTC))
    calls = []
    if not collect:
        asked = Transform(
            source=source,
            output=answers,
            instance_type=needed(instance_type, "--instance-type"),
            instances=instances,
            content_type=content_type,
            max_payload_mb=max_payload_mb,
            max_concurrent=max_concurrent,
            variables=variables_of(env),
        )
        calls = [transform_call(name, model, asked)]
    if printed(calls, dry_run):
        return
    from catalens.deployment import aws

    clients = aws.aws_clients(region)
    aws.make(calls, clients)
    failed = bool(calls) and _has_failed(name, clients, wait=wait, reads=reads)
    if reads:
        _collect(source, answers, clients, table, catalogue)
    if failed:
        raise typer.Exit(3)


def _has_failed(name: str, clients: Clients, *, wait: bool, reads: bool) -> bool:
    """Wait for a job; where its answers are to be read, only tell of its failure: one bad image of many makes it fail.

    Raises:
        ModelError: it failed, and nothing is to be read.
    """
    from catalens.deployment.waiting import TRANSFORM

    try:
        waiting(TRANSFORM, name, clients, wait=wait)
    except ModelError as error:
        if not reads:
            raise
        output.say(f"error: {error}", style="red")
        return True
    return False


def _collect(source: str, answers: str, clients: Clients, table: Path | None, catalogue: str | None) -> None:
    """Read the answers of a transform into a table, a catalogue, or both."""
    from catalens.catalogue.opening import open_index
    from catalens.core.types import Outcome
    from catalens.deployment.transform_results import read_answers, write_catalogue, write_table

    tally, rows = Tally(as_json=False), []
    for each in read_answers(source, answers, clients):
        if isinstance(each, Outcome):
            tally.fail(each)
        else:
            rows.append(each)
    tally.done = len(rows)
    if not rows and tally.failed:
        tally.finish()
    if table is not None:
        write_table(rows, table)
        output.say(f"{table}: {len(rows)} answers written")
    if catalogue is not None:
        with open_index(inputs.catalogue(catalogue)) as index:
            homeless = write_catalogue(rows, index)
        tally.report(homeless)
        tally.done -= len(homeless)
        output.say(f"{catalogue}: {len(rows) - len(homeless)} records have their answers")
    tally.finish()
