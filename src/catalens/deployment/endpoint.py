"""An endpoint that is asked: real-time and serverless by the runtime, asynchronous through S3."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from catalens.core.errors import CatalensError, ModelError
from catalens.core.types import Outcome
from catalens.deployment.aws import Clients, named_error
from catalens.deployment.invocation import Request, rows_of
from catalens.deployment.requests import PAYLOAD_LIMITS, Mode, split_address

Client: TypeAlias = Any
"""A client of boto3, which has no static type."""
_READ_TIMEOUT_S = 70
"""SageMaker gives a container 60 s."""
_ATTEMPTS = 4
_POLL_S = 1.0
_TEMPORARY = frozenset({"ThrottlingException", "ModelNotReadyException", "ServiceUnavailable", "InternalFailure"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is known of an endpoint.

    Attributes:
        name: of it.
        mode: of it.
        output: `s3://` prefix of asynchronous answers.
    """

    name: str
    mode: Mode
    output: str | None = None

    @property
    def most(self) -> int:
        """Bytes of a request's body."""
        return PAYLOAD_LIMITS[self.mode]


def find_endpoint(name: str, clients: Clients) -> Endpoint:
    """Ask SageMaker what kind of endpoint this is.

    Raises:
        ModelError: there is none of this name, or it may not be asked.
    """
    client = clients("sagemaker")
    with named_error(f"the endpoint {name} cannot be described (--mode says what it is)"):
        about = client.describe_endpoint(EndpointName=name)
        config = client.describe_endpoint_config(EndpointConfigName=about["EndpointConfigName"])
    if about["EndpointStatus"] not in {"InService", "Updating", "SystemUpdating", "RollingBack"}:
        raise ModelError(f"the endpoint {name} is not in service: {about['EndpointStatus']}")
    output = config.get("AsyncInferenceConfig", {}).get("OutputConfig", {}).get("S3OutputPath")
    serverless = any(each.get("ServerlessConfig") for each in config["ProductionVariants"])
    return Endpoint(name, "async" if output else "serverless" if serverless else "real-time", output)


def invoke_all(
    endpoint: Endpoint,
    requests: Iterable[Request | Outcome],
    clients: Clients,
    *,
    concurrency: int = 4,
    timeout_s: float = 900.0,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Iterator[dict[str, Any] | Outcome]:
    """Send requests and return a row per item, or why there is none, in the order of the requests.

    Args:
        endpoint: to ask.
        requests: bodies, and outcomes of items that have none.
        clients: of AWS.
        concurrency: requests at a time.
        timeout_s: how long an asynchronous answer may take.
        on_notice: told what was changed to keep the limit.

    Raises:
        ModelError: the endpoint cannot be asked at all.
    """
    stop = threading.Event()
    send = _sender(endpoint, clients, timeout_s, stop)

    def answered(request: Request | Outcome) -> Sequence[dict[str, Any] | Outcome]:
        if isinstance(request, Outcome):
            return [request]
        try:
            return rows_of(request, send(request))
        except ModelError:
            raise
        except CatalensError as error:
            return [Outcome(id, f"{id}: {error}") for id, _ in request.items]

    pool = ThreadPoolExecutor(concurrency)
    try:
        for rows in _in_order(pool, answered, _noticed(requests, on_notice), 2 * concurrency):
            yield from map(_failed, rows)
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _noticed(requests: Iterable[Request | Outcome], on_notice: Callable[[str], None]) -> Iterator[Request | Outcome]:
    for each in requests:
        for notice in () if isinstance(each, Outcome) else each.notices:
            on_notice(notice)
        yield each


def _failed(row: dict[str, Any] | Outcome) -> dict[str, Any] | Outcome:
    """Return a row that says an error as the outcome that it is."""
    if isinstance(row, dict) and "error" in row:
        return Outcome(row["id"], f"{row['id']}: {row['error']}")
    return row


class _RefusedError(CatalensError):
    """The endpoint has refused one request, and may answer others."""


def _in_order(pool: ThreadPoolExecutor, work: Callable[[Any], Any], items: Iterable[Any], ahead: int) -> Iterator[Any]:
    """Return results in order, with a bounded number of items read ahead."""
    waiting = []
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= ahead:
            yield waiting.pop(0).result()
    for each in waiting:
        yield each.result()


def _sender(
    endpoint: Endpoint, clients: Clients, timeout_s: float, stop: threading.Event
) -> Callable[[Request], bytes]:
    from botocore.config import Config

    options = Config(read_timeout=_READ_TIMEOUT_S, retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"})
    runtime = clients("sagemaker-runtime", config=options)
    if endpoint.mode != "async":
        return lambda request: _invoke(endpoint.name, request, runtime)
    if endpoint.output is None:
        raise ModelError(f"the endpoint {endpoint.name} has no S3 prefix for asynchronous answers")
    s3 = clients("s3")
    return lambda request: _invoke_later(endpoint, request, runtime, s3, timeout_s, stop)


def _invoke(name: str, request: Request, runtime: Client) -> bytes:
    def send() -> bytes:
        found = runtime.invoke_endpoint(
            EndpointName=name, Body=request.body, ContentType=request.content_type, Accept="application/json"
        )
        content: bytes = found["Body"].read()
        return content

    return _asked(name, send)


def _invoke_later(
    endpoint: Endpoint, request: Request, runtime: Client, s3: Client, timeout_s: float, stop: threading.Event
) -> bytes:
    """Store the body, ask for the answer, wait for it, and remove the body again."""
    bucket, prefix = split_address(f"{str(endpoint.output).rstrip('/')}/inputs/{uuid.uuid4().hex}")

    def send() -> bytes:
        s3.put_object(Bucket=bucket, Key=prefix, Body=request.body)
        try:
            told = runtime.invoke_endpoint_async(
                EndpointName=endpoint.name,
                ContentType=request.content_type,
                Accept="application/json",
                InputLocation=f"s3://{bucket}/{prefix}",
            )
            return _wait_for_answer(told["OutputLocation"], told.get("FailureLocation"), s3, timeout_s, stop)
        finally:
            s3.delete_object(Bucket=bucket, Key=prefix)

    return _asked(endpoint.name, send)


def _wait_for_answer(place: str, failure: str | None, s3: Client, timeout_s: float, stop: threading.Event) -> bytes:
    end_s = time.monotonic() + timeout_s
    while not stop.is_set() and time.monotonic() < end_s:
        if (found := _content(place, s3)) is not None:
            return found
        if failure and (found := _content(failure, s3)) is not None:
            raise _RefusedError(_first_line(found.decode("utf-8", "replace")))
        stop.wait(_POLL_S)
    raise _RefusedError(
        f"there is no answer after {timeout_s:g} s (--timeout waits longer); if it is being made, it will be {place}"
    )


def _content(address: str, s3: Client) -> bytes | None:
    bucket, key = split_address(address)
    try:
        content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return content


def _asked(name: str, send: Callable[[], bytes]) -> bytes:
    """Send a request; what the container answers is the item's fault, all else the endpoint's."""
    from botocore.exceptions import ClientError

    with named_error(f"the endpoint {name} cannot be asked"):
        try:
            return send()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ModelError":
                raise _RefusedError(_first_line(str(error.response.get("OriginalMessage", error)))) from error
            if code in _TEMPORARY:
                raise _RefusedError(str(error)) from error
            raise


def _first_line(message: str) -> str:
    """Return what a container says, without the traceback that the toolkit puts below it."""
    return message.strip().partition("\n")[0][:500] or "the container failed without a message"
