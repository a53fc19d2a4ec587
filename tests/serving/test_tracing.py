"""Traces of the service, as a real collector receives them."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk", reason='traces: pip install "catalens[tracing]"')

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from catalens import __version__
from catalens.core.errors import InputError
from catalens.serving.config import load_config
from catalens.serving.runner import LocalRunner
from catalens.serving.service import Service
from catalens.serving.tracing import Tracing
from tests.support.serving import FAKE, b64, listening, picture

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """A server on this machine that keeps what is sent to it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: set[str] = set()
        self.address = ""

    @property
    def asked(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    @property
    def spans(self) -> list[Span]:
        return [
            span for each in self.asked for part in each.resource_spans for of in part.scope_spans for span in of.spans
        ]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.paths.add(self.path)
            found.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.address)
        yield found
        server.shutdown()


@contextmanager
def no_collector(*, listens: bool) -> Iterator[str]:
    """Give an address where nobody answers, or nobody even listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if listens:
            taken.listen()
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


def test_a_request_and_its_stages_belong_to_the_trace_of_its_caller(collector: Collector) -> None:
    headers = {
        "traceparent": f"00-{TRACE}-{CALLER}-01",
        "authorization": "Bearer secret-key",
        "x-request-id": "shop-17",
        "x-secret": "secret-header",
    }
    body = {"image": b64(picture()), "labels": ["secret-label", "another"]}
    with listening(traces=True, api_key="secret-key") as address:
        assert httpx.post(f"{address}/v1/tags?secret=query", json=body, headers=headers).status_code == 200
    request, *stages = sorted(collector.spans, key=lambda span: (span.kind != Span.SPAN_KIND_SERVER, span.name))
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert request.parent_span_id.hex() == CALLER
    assert request.name == "POST /v1/tags"
    assert attributes(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/tags",
        "http.response.status_code": 200,
        "catalens.request_id": "shop-17",
    }
    assert [span.name for span in stages] == ["decode", "model", "wait"]
    assert {span.parent_span_id for span in stages} == {request.span_id}
    decode, model, wait = stages
    assert attributes(decode) == attributes(wait) == {"catalens.worker": "default-encoder"}
    assert attributes(model) == {"catalens.worker": "default-encoder", "catalens.batch_size": 1}
    times = [request.start_time_unix_nano, decode.start_time_unix_nano, decode.end_time_unix_nano]
    times += [wait.start_time_unix_nano, wait.end_time_unix_nano]
    times += [model.end_time_unix_nano, request.end_time_unix_nano]
    assert times == sorted(times)
    assert wait.end_time_unix_nano == model.start_time_unix_nano
    sent = b"".join(collector.bodies)
    assert b"shop-17" in sent
    for secret in (b"secret", b"another", b64(picture())[:40].encode(), b"127.0.0.1"):
        assert secret not in sent


def test_callers_who_share_a_batch_keep_their_traces(collector: Collector) -> None:
    """Also what the queue does in a task of its own is no part of the first caller's trace."""

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        body = {"images": [b64(picture())] * 2, "labels": ["a", "b"]}
        await client.post("/v1/tags", json=body, headers={"traceparent": f"00-{number:032x}-{CALLER}-01"})

    async def ask_all(address: str) -> None:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            await asyncio.gather(*(ask(client, number) for number in range(1, 9)))

    with listening(traces=True) as address:
        asyncio.run(ask_all(address))
    for number in range(1, 9):
        spans = [span for span in collector.spans if int(span.trace_id.hex(), 16) == number]
        (request,) = (span for span in spans if span.kind == Span.SPAN_KIND_SERVER)
        stages = [span for span in spans if span is not request]
        assert sorted(span.name for span in stages) == ["decode"] * 2 + ["model"] * 2 + ["wait"] * 2
        assert {span.parent_span_id for span in stages} == {request.span_id}
    sizes = [attributes(span)["catalens.batch_size"] for span in collector.spans if span.name == "model"]
    # Each batch is told as many times as it has items.
    assert sum(1 / size for size in sizes) == pytest.approx(round(sum(1 / size for size in sizes)))
    assert len(collector.spans) == 8 * 7


def test_what_is_not_found_has_no_path_and_health_is_not_traced(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI's own telemetry, which tells both, stays silent."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    with listening(traces=True) as address:
        assert httpx.get(f"{address}/secret/path?secret=query").status_code == 404
        for path in ("/ping", "/health/live", "/health/ready"):
            assert httpx.get(f"{address}{path}").status_code == 200
    (span,) = collector.spans
    assert span.name == "GET"
    assert {**attributes(span), "catalens.request_id": ""} == {
        "http.request.method": "GET",
        "http.response.status_code": 404,
        "catalens.request_id": "",
    }
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert collector.paths == {"/v1/traces"}
    assert b"secret" not in b"".join(collector.bodies)


def test_a_fault_and_an_invented_method_are_told_as_the_conventions_say(collector: Collector) -> None:
    async def run() -> None:
        tracing = Tracing()
        tracing.request("SECRET", {}, "1").end("/v1/tags", 503)
        await tracing.stop()

    asyncio.run(run())
    (span,) = collector.spans
    assert (span.name, span.status.code) == ("HTTP /v1/tags", Status.STATUS_CODE_ERROR)
    told = attributes(span)
    assert (told["http.request.method"], told["error.type"]) == ("_OTHER", "503")


def test_resource_and_sampler_are_those_of_the_variables(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    async def names() -> list[Any]:
        tracing = Tracing()
        tracing.request("GET", {}, "1").end(None, 200)
        await tracing.stop()
        return [attributes(part.resource) for each in collector.asked for part in each.resource_spans]

    (usual,) = asyncio.run(names())
    assert (usual["service.name"], usual["service.version"]) == ("catalens", __version__)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    assert asyncio.run(names())[1]["service.name"] == "shop"
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert len(asyncio.run(names())) == 2


@pytest.mark.parametrize("listens", [False, True])
def test_a_collector_that_is_down_delays_nobody_and_is_told_once(
    *, listens: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.05")
    slowest_s = 0.0
    with no_collector(listens=listens) as nowhere, caplog.at_level(logging.WARNING, "catalens"):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere)
        with listening(traces=True) as address, httpx.Client(base_url=address, timeout=60) as client:
            for _ in range(40):
                started_s = time.monotonic()
                assert client.get("/v1/models").status_code == 200
                slowest_s = max(slowest_s, time.monotonic() - started_s)
                time.sleep(0.02)
    told = [each.getMessage() for each in caplog.records if each.name.startswith("catalens")]
    assert told == ["traces do not arrive; check OTEL_EXPORTER_OTLP_ENDPOINT and the collector there"]
    assert slowest_s < 2


def test_a_collector_that_hangs_holds_up_the_end_for_two_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> float:
        tracing = Tracing()
        tracing.request("GET", {}, "1").end(None, 200)
        started_s = time.monotonic()
        await tracing.stop()
        return time.monotonic() - started_s

    with no_collector(listens=True) as nowhere:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", nowhere)
        assert asyncio.run(run()) == pytest.approx(2, abs=1)


def test_a_variable_that_is_not_accepted_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    with pytest.raises(InputError, match=r"a variable OTEL_\* is not accepted: max_queue_size"):
        Tracing()


def test_without_the_extra_the_setting_is_refused_and_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "catalens.serving.tracing")
    for name in [each for each in sys.modules if each.startswith("opentelemetry.sdk")]:
        monkeypatch.setitem(sys.modules, name, None)
    config = load_config(variables={"traces": "true"}, flags={"models": {"default": FAKE}})
    with pytest.raises(InputError, match=r'^traces need OpenTelemetry: pip install "catalens\[tracing\]"$'):
        Service(config, LocalRunner)


def test_no_sdk_is_imported_while_traces_are_off() -> None:
    """Its API is: FastAPI needs it."""
    program = """
import sys
from catalens.serving.app import create_app
from catalens.serving.config import load_config

create_app(load_config(flags={"models": {"default": {"encoder": "fake", "reader": "fake"}}}))
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
"""
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
def test_the_command_sends_what_it_traced_before_it_ends(collector: Collector) -> None:
    command = [sys.executable, "-m", "catalens", "serve", "--port", "0", "--model", "fake", "--reader", "fake"]
    with subprocess.Popen([*command, "--traces"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "ready on" not in (line := process.stderr.readline()):
            assert line, "it ended before it was ready"
        body = {"image": b64(picture()), "labels": ["a", "b"]}
        assert httpx.post(f"{line.split()[-1]}/v1/tags", json=body, timeout=60).status_code == 200
        process.terminate()
        said = process.stderr.read()
    assert sorted(span.name for span in collector.spans) == ["POST /v1/tags", "decode", "model", "wait"]
    assert [line for line in said.splitlines() if "request_id=" not in line] == []
