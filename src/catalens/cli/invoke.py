"""`catalens invoke`: what an endpoint answers to pictures and texts."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from catalens.cli import inputs, output
from catalens.cli.aws import Region
from catalens.cli.commands import command
from catalens.cli.options import Json, PicturesOrNone
from catalens.cli.tally import Tally
from catalens.core.errors import InputError
from catalens.core.json_text import parse_json
from catalens.deployment.requests import Format, Mode

if TYPE_CHECKING:
    from catalens.deployment.aws import Clients
    from catalens.deployment.endpoint import Endpoint
    from catalens.deployment.invocation import Request


@command(
    "catalens invoke shop photo.jpg",
    'catalens invoke shop photo.jpg --labels "a red dress, a watch"',
    'catalens invoke shop photos/ --question "what is the sleeve length?" --format jsonl',
    "catalens invoke prompts photo.jpg --parameter max_flavors=8",
    "catalens invoke shop photos/ | catalens describe --writer bedrock:MODEL-ID",
)
def invoke(
    name: Annotated[str, Argument(metavar="NAME", help="Name of the endpoint.")],
    pictures: PicturesOrNone = None,
    text: Annotated[list[str] | None, Option(help="Text to get the vector of; may be repeated.")] = None,
    labels: Annotated[str | None, Option(help="Labels to choose from: comma-separated, or a file.")] = None,
    question: Annotated[str | None, Option(help="Question about each picture.")] = None,
    parameter: Annotated[
        list[str] | None,
        Option(metavar="NAME=VALUE", help="Parameter of the payload; may be repeated."),
    ] = None,
    format: Annotated[
        Format, Option(help="auto sends the image itself unless something is asked; jsonl joins requests.")
    ] = "auto",
    mode: Annotated[Mode | None, Option(help="Kind of endpoint. \\[as SageMaker says]")] = None,
    concurrency: Annotated[int, Option(min=1, max=64, help="Requests at a time.")] = 4,
    timeout: Annotated[float, Option(min=1.0, help="Seconds to wait for an asynchronous answer.")] = 900.0,
    region: Region = None,
    json: Json = False,
) -> None:
    """Ask a SageMaker endpoint about pictures, or for the vectors of texts.

    Requests are checked against the endpoint's limit before they are sent; a picture that is over it is sent smaller,
    with a notice. An asynchronous endpoint is asked through its S3 prefix.
    """
    from catalens.core.types import Outcome
    from catalens.deployment import aws, endpoint, invocation

    if not pictures and not text:
        raise InputError("give pictures, or texts with --text")
    asked = invocation.Asked(
        labels=tuple(inputs.words(labels)) if labels else (),
        question=question,
        parameters=_parameters(parameter or []),
    )
    entries = inputs.entries(pictures or [])
    clients = aws.aws_clients(region)
    found = _endpoint(name, mode, clients)

    def requests() -> Iterator[Request | Outcome]:
        yield from invocation.requests_of(entries, asked, format=format, most=found.most)
        for each in text or ():
            yield invocation.text_request(each, asked, most=found.most)

    tally = Tally(as_json=output.wants_json(json))
    answers = endpoint.invoke_all(
        found, requests(), clients, concurrency=concurrency, timeout_s=timeout, on_notice=output.say
    )
    for row in answers:
        if isinstance(row, Outcome):
            tally.fail(row)
        else:
            tally.done += 1
            _show(row, as_json=tally.as_json)
    tally.finish()


def _endpoint(name: str, mode: Mode | None, clients: Clients) -> Endpoint:
    """Return what is known of the endpoint; a caller who may only ask it says its mode."""
    from catalens.deployment.endpoint import Endpoint, find_endpoint

    return find_endpoint(name, clients) if mode in {None, "async"} else Endpoint(name, mode or "real-time")


def _parameters(given: list[str]) -> dict[str, Any]:
    """Return parameters whose values are JSON, or text where they are none."""
    found: dict[str, Any] = {}
    for name, value in inputs.pairs(given, "--parameter", "max_flavors=8"):
        try:
            found[name] = parse_json(value)
        except ValueError:
            found[name] = value
    return found


def _show(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.emit(row)
        return
    rest = {name: value for name, value in row.items() if name not in {"id", "source"}}
    for name, value in rest.items():
        if name == "embedding":
            value = f"{len(value)} dimensions"
        shown = value if isinstance(value, str) else json_module.dumps(value, ensure_ascii=False)
        output.show(f"{row['id']}  {name}: {shown}")
