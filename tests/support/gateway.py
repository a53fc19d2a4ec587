"""What SageMaker does around containers, which moto does not: invocations reach them, and transforms run.

The control plane and S3 are moto's server. Behind its endpoints, multi-model-server serves the archive that the model
names; the runtime's address is a small gateway that keeps SageMaker's limits and turns its errors.
"""

from __future__ import annotations

import http.client
import json
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError
from moto.sagemaker.models import SageMakerModelBackend
from moto.server import ThreadedMotoServer

from tests.support.model_server import ModelServer

REGION = "eu-west-1"
REAL_TIME_BYTES, SERVERLESS_BYTES, REAL_TIME_S = 6_291_456, 4 * 2**20, 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a container or the gateway answers."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Account:
    """An account whose endpoints answer."""

    def __init__(self, url: str, folder: Path) -> None:
        """Take the address of moto's server, and a folder for the containers."""
        self.url, self.timeout_s = url, REAL_TIME_S
        self._folder, self._lock = folder, threading.Lock()
        self._containers: dict[str, ModelServer] = {}
        self._numbers = count()
        self.variables = {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": url,
        }
        self.sagemaker, self.s3 = self.client("sagemaker"), self.client("s3")

    def client(self, service: str, **options: Any) -> Any:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        return boto3.client(service, region_name=REGION, **{"endpoint_url": self.url} | keys | options)

    def container(self, model: str) -> ModelServer:
        """Return a running container of a model; the same archive and variables have one, which is started once."""
        about = self.sagemaker.describe_model(ModelName=model)["PrimaryContainer"]
        bucket, key = _split(about["ModelDataUrl"])
        content = self.s3.head_object(Bucket=bucket, Key=key)["ETag"]
        name = f"{content} {json.dumps(about['Environment'], sort_keys=True)}"
        with self._lock:
            if name not in self._containers:
                folder = self._folder / f"container-{next(self._numbers)}"
                self._fetch(about["ModelDataUrl"], folder / "model")
                container = ModelServer(folder / "model", folder / "run", about["Environment"])
                container.start()
                self._containers[name] = container
            return self._containers[name]

    def invoke(self, endpoint: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer as SageMaker's runtime does for a real-time or serverless endpoint."""
        try:
            about = self.sagemaker.describe_endpoint(EndpointName=endpoint)
        except ClientError:
            return _refused(400, "ValidationError", f"Endpoint {endpoint} of account testing not found.")
        config = self.sagemaker.describe_endpoint_config(EndpointConfigName=about["EndpointConfigName"])
        (variant,) = config["ProductionVariants"]
        most = SERVERLESS_BYTES if variant.get("ServerlessConfig") else REAL_TIME_BYTES
        if len(body) > most:
            return _refused(413, "413", f"HTTP content length exceeded {most} bytes.")
        container = self.container(variant["ModelName"])
        try:
            found = post(container.url, body, headers, self.timeout_s)
        except TimeoutError:
            return _model_error(0, "Your invocation timed out while waiting for a response from container primary")
        except OSError as error:
            return _refused(503, "ServiceUnavailable", str(error))
        return found if found.status < 300 else _model_error(found.status, found.body.decode(errors="replace"))

    def invoke_later(self, endpoint: str, source: str, headers: Mapping[str, str]) -> Answer:
        """Answer an asynchronous invocation: from S3, to S3, at some time."""
        about = self.sagemaker.describe_endpoint(EndpointName=endpoint)
        config = self.sagemaker.describe_endpoint_config(EndpointConfigName=about["EndpointConfigName"])
        output = config["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"].rstrip("/")
        name = uuid.uuid4().hex
        places = {"answered": f"{output}/{name}.out", "failed": f"{output}/failures/{name}-error.out"}

        def run() -> None:
            bucket, key = _split(source)
            body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            found = post(self.container(config["ProductionVariants"][0]["ModelName"]).url, body, headers, 900)
            place = places["answered" if found.status < 300 else "failed"]
            self.put(place, found.body)

        threading.Thread(target=run, daemon=True).start()
        told = {
            "X-Amzn-SageMaker-OutputLocation": places["answered"],
            "X-Amzn-SageMaker-FailureLocation": places["failed"],
        }
        return Answer(202, json.dumps({"InferenceId": name}).encode(), headers=told)

    def transform(self, job: Any) -> None:
        """Run a batch transform as the service does: one answer per object, and failed where one has none."""
        bucket, prefix = _split(job.transform_input["DataSource"]["S3DataSource"]["S3Uri"])
        headers = {"Content-Type": job.transform_input["ContentType"], "Accept": job.transform_output["Accept"]}
        failed = 0
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for each in page.get("Contents", []):
                body = self.s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
                found = post(self.container(job.model_name).url, body, headers, 600)
                failed += found.status >= 300
                if found.status < 300:
                    below = each["Key"].removeprefix(prefix).lstrip("/") or Path(each["Key"]).name
                    self.put(f"{job.transform_output['S3OutputPath'].rstrip('/')}/{below}.out", found.body)
        job.failure_reason = f"ClientError: {failed} of the objects failed. See job logs." if failed else ""
        job.transform_job_status = "Failed" if failed else "Completed"

    def put(self, address: str, body: bytes) -> None:
        bucket, key = _split(address)
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def keys(self, bucket: str) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def close(self) -> None:
        for each in self._containers.values():
            each.stop()

    def _fetch(self, address: str, folder: Path) -> None:
        bucket, key = _split(address)
        folder.mkdir(parents=True)
        archive = folder.with_suffix(".tar.gz")
        self.s3.download_file(bucket, key, str(archive))
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")


@contextmanager
def account(folder: Path) -> Iterator[Account]:
    """Run moto's server, a gateway, and the containers that are asked for."""
    create = SageMakerModelBackend.create_transform_job
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    made = Account("http://{}:{}".format(*moto.get_host_and_port()), folder)

    def create_and_run(self: SageMakerModelBackend, *args: Any, **kwargs: Any) -> Any:
        job = create(self, *args, **kwargs)
        job.transform_job_status = "InProgress"
        threading.Thread(target=made.transform, args=[job], daemon=True).start()
        return job

    gateway = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Gateway, made))
    thread = threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    made.variables["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] = f"http://127.0.0.1:{gateway.server_port}"
    backend: Any = SageMakerModelBackend
    backend.create_transform_job = create_and_run
    try:
        yield made
    finally:
        backend.create_transform_job = create
        gateway.shutdown()
        gateway.server_close()
        thread.join()
        made.close()
        moto.stop()


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
    """Send a request to a container.

    Raises:
        TimeoutError, OSError: it does not answer, or is not there.
    """
    connection = http.client.HTTPConnection(str(urlsplit(url).hostname), urlsplit(url).port, timeout=timeout_s)
    try:
        connection.request("POST", "/invocations", body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.read(), response.getheader("Content-Type", ""))
    except http.client.HTTPException as error:
        raise OSError(f"the container broke off: {error!r}") from error
    finally:
        connection.close()


class _Gateway(BaseHTTPRequestHandler):
    """SageMaker's runtime, on this machine."""

    protocol_version = "HTTP/1.1"

    def __init__(self, account: Account, *args: Any) -> None:
        self._account = account
        super().__init__(*args)

    def do_POST(self) -> None:
        _, _, endpoint, operation = self.path.split("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        sent = {
            name: self.headers[name]
            for name in ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes")
            if self.headers[name]
        }
        calls: dict[str, Callable[[], Answer]] = {
            "invocations": lambda: self._account.invoke(endpoint, body, sent),
            "async-invocations": lambda: self._account.invoke_later(
                endpoint,
                self.headers["X-Amzn-SageMaker-InputLocation"],
                sent | {"Content-Type": self.headers["X-Amzn-SageMaker-Content-Type"] or "application/json"},
            ),
        }
        answer = calls[operation]()
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.kind, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        pass


def _refused(status: int, kind: str, message: str) -> Answer:
    return Answer(status, json.dumps({"Message": message}).encode(), headers={"x-amzn-ErrorType": kind})


def _model_error(status: int, message: str) -> Answer:
    """Return the error of a container as the runtime passes it on."""
    text = f'Received client error ({status}) from primary with message "{message}"'
    body = {"Message": text, "OriginalMessage": message, "OriginalStatusCode": status, "LogStreamArn": "arn:log"}
    return Answer(424, json.dumps(body).encode(), headers={"x-amzn-ErrorType": "ModelError"})


def _split(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return bucket, key
