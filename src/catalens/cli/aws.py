"""What the commands over AWS share: flags, requests as JSON, and waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from catalens.cli import output
from catalens.core.errors import InputError

if TYPE_CHECKING:
    from catalens.deployment.aws import Clients
    from catalens.deployment.requests import Call
    from catalens.deployment.waiting import Watched

Name = Annotated[str, Argument(metavar="NAME", help="Name of the endpoint, its configuration and its model.")]
Region = Annotated[str | None, Option(help="AWS region. \\[the configured one]")]
DryRun = Annotated[bool, Option("--dry-run", help="Print the requests as JSON and call nothing.")]
Wait = Annotated[bool, Option("--wait", help="Wait until it succeeds or fails.")]
Variables = Annotated[
    list[str] | None, Option("--env", metavar="NAME=VALUE", help="Variable of the container; may be repeated.")
]
Subnets = Annotated[list[str] | None, Option("--subnet", help="Subnet of the VPC; may be repeated.")]
SecurityGroups = Annotated[
    list[str] | None, Option("--security-group", help="Security group of the VPC; may be repeated.")
]
KmsKey = Annotated[str | None, Option("--kms-key", help="Key that encrypts volumes and what is written.")]


def printed(calls: Sequence[Call], dry_run: bool) -> bool:
    """Print requests as JSON if that is all that is wanted, and return whether it is."""
    for call in calls if dry_run else ():
        output.emit(call.to_dict())
    return dry_run


def waiting(watched: Watched, name: str, clients: Clients, *, wait: bool) -> dict[str, Any] | None:
    """Wait for something if that is wanted, and return its description; Ctrl-C says what goes on and costs.

    Raises:
        ModelError: it failed; the message has the log's last lines.
    """
    from catalens.deployment.waiting import wait_for

    if not wait:
        output.say(f"started: {name}; `catalens deployments` shows its state")
        return None
    try:
        return wait_for(watched, name, clients, output.say)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(watched.after.format(name=name)) from error


def needed(value: str | None, flag: str) -> str:
    """Return the value of a flag that this use of a command cannot do without.

    Raises:
        InputError: it was not given.
    """
    if value is None:
        raise InputError(f"give {flag}, such as {flag} ml.m5.xlarge")
    return value


def variables_of(given: list[str] | None) -> dict[str, str]:
    """Return the variables of a container.

    Raises:
        InputError: one is not NAME=VALUE.
    """
    parts = [each.partition("=") for each in given or ()]
    if not all(name and equals for name, equals, _ in parts):
        raise InputError("--env takes NAME=VALUE, such as ENCODE_TYPE=IMAGE")
    return {name: value for name, _, value in parts}
