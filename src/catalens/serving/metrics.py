"""Prometheus metrics of one service: a registry of its own, so that several services fit in a process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Counters and histograms; labels are route templates, statuses and workers, never what callers sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "catalens_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "catalens_request_seconds", "Request latency.", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.stage = Histogram(
            "catalens_stage_seconds",
            "Latency by stage: decode (not small JPEGs), wait (in the queue), model (a batch).",
            ["worker", "stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch = Histogram(
            "catalens_batch_size", "Pictures per batch.", ["worker"], buckets=_SIZES, registry=self.registry
        )
        self.queue = Gauge("catalens_queue_length", "Pictures waiting.", ["worker"], registry=self.registry)
        self.restarts = Counter(
            "catalens_worker_restarts", "Workers that were replaced.", ["worker"], registry=self.registry
        )
        self.running = Gauge("catalens_requests_running", "Requests being answered.", registry=self.registry)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
