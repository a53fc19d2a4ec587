"""Waits for endpoints and jobs: states as they change, and the log's last lines where one fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from catalens.core.errors import ModelError
from catalens.deployment.aws import Clients, named_error

LAST_LINES = 20
_POLLS_S = (1.0, 2.0, 4.0, 8.0, 10.0)
_PENDING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "InProgress", "Stopping"})
_DONE = frozenset({"InService", "Completed"})


@dataclass(frozen=True, slots=True)
class Watched:
    """Something that takes its time.

    Attributes:
        operation: that describes it.
        name_key: of its name in the request.
        state_key: of its state in the answer.
        log_group: in CloudWatch, with {name} in it.
        stream_prefix: of its streams, with {name} in it.
        after: what goes on and costs while nobody waits, and how to end it, with {name} in it.
    """

    operation: str
    name_key: str
    state_key: str
    log_group: str
    stream_prefix: str
    after: str


ENDPOINT = Watched(
    "describe_endpoint",
    "EndpointName",
    "EndpointStatus",
    "/aws/sagemaker/Endpoints/{name}",
    "",
    "AWS goes on making the endpoint {name} and charges for it until `catalens undeploy {name}`",
)
TRANSFORM = Watched(
    "describe_transform_job",
    "TransformJobName",
    "TransformJobStatus",
    "/aws/sagemaker/TransformJobs",
    "{name}/",
    "the job {name} goes on and charges for its instances until it ends; "
    "`aws sagemaker stop-transform-job --transform-job-name {name}` stops it",
)
TRAINING = Watched(
    "describe_training_job",
    "TrainingJobName",
    "TrainingJobStatus",
    "/aws/sagemaker/TrainingJobs",
    "{name}/",
    "the job {name} goes on and charges for its instances until it ends; "
    "`aws sagemaker stop-training-job --training-job-name {name}` stops it",
)


def wait_for(
    watched: Watched,
    name: str,
    clients: Clients,
    on_state: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Wait until something is done, and return its description.

    Args:
        watched: what it is.
        name: of it.
        clients: of AWS.
        on_state: told of each state when it changes.
        sleep: waits for some seconds.

    Raises:
        ModelError: it failed or was stopped; the message has AWS's reason and the log's last lines.
    """
    client, last, polls = clients("sagemaker"), "", 0
    while True:
        with named_error(f"sagemaker refuses to describe {name}"):
            found: dict[str, Any] = getattr(client, watched.operation)(**{watched.name_key: name})
        state = str(found.get("SecondaryStatus") or found[watched.state_key])
        if state != last:
            on_state(state)
            last = state
        if found[watched.state_key] not in _PENDING:
            break
        sleep(_POLLS_S[min(polls, len(_POLLS_S) - 1)])
        polls += 1
    if found[watched.state_key] not in _DONE:
        reason = found.get("FailureReason") or "AWS gives no reason"
        raise ModelError("\n".join([f"{found[watched.state_key]}: {reason}", *last_lines(watched, name, clients)]))
    return found


def last_lines(watched: Watched, name: str, clients: Clients) -> list[str]:
    """Return the last lines of a log, or a line that says why there are none."""
    from botocore.exceptions import BotoCoreError, ClientError

    group, prefix = watched.log_group.format(name=name), watched.stream_prefix.format(name=name)
    try:
        client = clients("logs")
        # A prefix and an order by time exclude each other.
        given = {"logStreamNamePrefix": prefix} if prefix else {"orderBy": "LastEventTime", "descending": True}
        streams = client.describe_log_streams(logGroupName=group, **given)["logStreams"]
        if not streams:
            return [f"its log, {group}, is empty"]
        newest = max(streams, key=lambda each: each.get("lastEventTimestamp", 0))
        events = client.get_log_events(
            logGroupName=group, logStreamName=newest["logStreamName"], limit=LAST_LINES, startFromHead=False
        )["events"]
    except (BotoCoreError, ClientError) as error:
        return [f"its log, {group}, cannot be read: {error}"]
    return [f"the last lines of {group}/{newest['logStreamName']}:", *(f"  {each['message']}" for each in events)]
