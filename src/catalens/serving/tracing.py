"""OpenTelemetry traces: a span for each request, and one for each stage of it; they hold ids, routes and numbers only.

What is not decided here follows OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER and so on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Token
from time import time_ns
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from catalens import __version__
from catalens.core.errors import InputError
from catalens.serving.batcher import Waiting

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_FLUSH_S = 2.0
_POLL_S = 0.02
_log = logging.getLogger("catalens.serving")


class Tracing:
    """Makes spans, and sends them from a thread of its own. A full queue drops spans; requests never wait."""

    def __init__(self) -> None:
        """Begin to send.

        Raises:
            InputError: a variable of OpenTelemetry has a value that it does not accept.
        """
        named = OTELResourceDetector().detect().attributes
        resource = Resource.create({"service.name": "catalens", "service.version": __version__, **named})
        try:
            self._exporter = _Exporter(OTLPSpanExporter())
            self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        except ValueError as error:
            raise InputError(f"traces cannot be exported; a variable OTEL_* is not accepted: {error}") from error
        self._tracer = self._provider.get_tracer("catalens", __version__)
        # Its exporter would say every few seconds that a collector is down; `_Exporter` says it once.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())

    def request(self, method: str, headers: Mapping[bytes, bytes], request_id: str) -> RequestSpan:
        """Return the span of a request, which goes on with its caller's trace and is current from now on."""
        known = method if method in _METHODS else "_OTHER"
        callers = propagate.extract(headers, getter=_HEADERS)
        attributes = {"http.request.method": known, "catalens.request_id": request_id}
        name = "HTTP" if known == "_OTHER" else known
        span = self._tracer.start_span(name, callers, kind=trace.SpanKind.SERVER, attributes=attributes)
        return RequestSpan(span, name, context.attach(trace.set_span_in_context(span, callers)))

    def stage(self, name: str, worker: str, seconds: float) -> None:
        """Record a stage of the current request that has just ended."""
        now_ns = time_ns()
        self._record(name, now_ns - int(seconds * 1e9), now_ns, {"catalens.worker": worker})

    @contextmanager
    def batch(self, worker: str, waiting: Waiting[Any, Any, Any]) -> Iterator[None]:
        """Record how long an item of the current request waits in the queue, and the batch that it is in."""
        arrived_ns = time_ns()
        try:
            yield
        finally:
            now_ns, times = time_ns(), waiting.batch
            of_worker: dict[str, str | int] = {"catalens.worker": worker}
            self._record("wait", arrived_ns, now_ns if times is None else times.started_ns, of_worker)
            if times is not None:
                attributes = {**of_worker, "catalens.batch_size": times.size}
                self._record("model", times.started_ns, times.ended_ns or now_ns, attributes)

    async def stop(self) -> None:
        """Send what was not sent yet, for two seconds at most; a collector that is down must not hold up the end."""
        flushing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        flushing.start()
        clock = asyncio.get_running_loop()
        end_s = clock.time() + _FLUSH_S
        while flushing.is_alive() and clock.time() < end_s:
            await asyncio.sleep(_POLL_S)
        if flushing.is_alive():
            self._exporter.shutdown()

    def _record(self, name: str, started_ns: int, ended_ns: int, attributes: Mapping[str, str | int]) -> None:
        if trace.get_current_span().is_recording():
            self._tracer.start_span(name, start_time=started_ns, attributes=attributes).end(ended_ns)


class RequestSpan:
    """The span of a request. Begun and ended in the same task."""

    def __init__(self, span: trace.Span, method: str, token: Token[context.Context]) -> None:
        self._span, self._method, self._token = span, method, token

    def end(self, route: str | None, status: int) -> None:
        """End the span.

        Args:
            route: template of the route; None if there is none for the path.
            status: of the response.
        """
        if route is not None:
            self._span.update_name(f"{self._method} {route}")
            self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(trace.StatusCode.ERROR)
        context.detach(self._token)
        self._span.end()


class _Headers(Getter[Mapping[bytes, bytes]]):
    """Reads headers as ASGI has them."""

    def get(self, carrier: Mapping[bytes, bytes], key: str) -> list[str] | None:
        value = carrier.get(key.lower().encode("latin-1"))
        return None if value is None else [value.decode("latin-1")]

    def keys(self, carrier: Mapping[bytes, bytes]) -> list[str]:
        return [name.decode("latin-1") for name in carrier]


_HEADERS = _Headers()


class _Exporter(SpanExporter):
    """Sends spans, and logs once when they do not arrive and once when they do again."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner, self._arrive = inner, True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        arrive = result is SpanExportResult.SUCCESS
        if arrive != self._arrive:
            self._arrive = arrive
            if arrive:
                _log.info("traces arrive again")
            else:
                _log.warning("traces do not arrive; check OTEL_EXPORTER_OTLP_ENDPOINT and the collector there")
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()
