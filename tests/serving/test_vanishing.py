"""Hundreds of callers who vanish at every point of a request, and disks that are full, beside a normal caller."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

import catalens
from tests.support.serving import b64, picture

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]
CALLERS = 100
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset at once."""


@dataclass(frozen=True)
class Running:
    address: str
    pid: int

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def busy(self) -> list[str]:
        """Return what runs or waits, but for the question itself."""
        text = httpx.get(f"{self.address}/metrics", timeout=120).text
        found = re.findall(r"^catalens_(?:requests_running|queue_length).* ([0-9.]+)$", text, re.MULTILINE)
        return [each for each in found if each not in {"0.0", "1.0"}]


@contextmanager
def service(*arguments: str, largest_file: int | None = None) -> Iterator[Running]:
    """Run `catalens serve` over fake models in a process of its own."""

    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    process = subprocess.Popen(
        [sys.executable, "-m", "catalens", "serve", "--port", "0", "--model", "fake", "--reader", "fake", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
        env={**os.environ, "CATALENS_SERVE_MAX_QUEUE": "5000"},  # a full queue may refuse the normal caller
    )
    with process:
        assert process.stderr is not None
        while "ready on" not in (line := process.stderr.readline()):
            assert line, "it ended before it was ready"
        reading = threading.Thread(target=process.stderr.read)
        reading.start()
        try:
            yield Running(line.split()[-1], process.pid)
        finally:
            process.terminate()
            reading.join(120)


def vanish(running: Running, path: str, body: bytes, sent: int, *, reset: bool, reads: bool) -> None:
    parts = urlsplit(running.address)
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the answer does not fit
        caller.connect((parts.hostname, parts.port))
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        caller.sendall(head.encode() + body[:sent])
        if reads:
            caller.recv(100)
        if reset:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


@contextmanager
def normal_caller(running: Running) -> Iterator[list[int]]:
    """Ask all the time; gives the statuses of the answers."""
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        body = {"image": b64(picture("red")), "labels": ["a", "b"]}
        with httpx.Client(base_url=running.address, timeout=120) as client:
            while not over.is_set():
                statuses.append(client.post("/v1/tags", json=body).status_code)

    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(ask)
        try:
            yield statuses
        finally:
            over.set()
        asking.result(240)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 240
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_callers_who_vanish_leave_nothing_behind_and_others_are_answered() -> None:
    pictures = json.dumps({"images": [b64(picture("red", (600, 600), "JPEG"))] * 8}).encode()
    texts = json.dumps({"input": [f"text {at}" for at in range(400)]}).encode()
    ways = [("/v1/captions", pictures, len(pictures) // 2, False), ("/v1/captions", pictures, len(pictures), False)]
    ways.append(("/v1/embeddings", texts, len(texts), True))
    with service() as running:
        for path, body, sent, reads in ways * 2:  # the first time of each grows caches
            before = running.open_files(), running.memory_mb()
            with normal_caller(running) as statuses, ThreadPoolExecutor(20) as callers:
                for at in range(CALLERS):
                    callers.submit(vanish, running, path, body, sent, reset=at % 2 == 0, reads=reads)
                callers.shutdown()
                asked = len(statuses)
                wait_until(lambda asked=asked, statuses=statuses: len(statuses) > asked)  # type: ignore[misc]
            assert set(statuses) == {200}
            wait_until(lambda: not running.busy())
            wait_until(lambda before=before: running.open_files() <= before[0] + 3)  # type: ignore[misc]
        assert running.memory_mb() < before[1] + 30


def test_a_full_disk_costs_what_needs_it_and_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "shop.catalens"
    added: list[str] = []
    refused: list[httpx.Response] = []

    def add(client: httpx.Client, at: int) -> None:
        body = {"id": f"r{at}", "image": b64(picture("red")), "fields": {"text": f"{at} " * 300}}
        response = client.post("/v1/catalogues/shop/records", json=body)
        if response.status_code == 200:
            added.append(f"r{at}")
        else:
            refused.append(response)

    with service("--catalogue", f"shop={path}", "--writable", largest_file=200_000) as running:
        with (
            httpx.Client(base_url=running.address, timeout=120) as client,
            normal_caller(running) as statuses,
            ThreadPoolExecutor(8) as callers,
        ):
            list(callers.map(lambda at: add(client, at), range(200)))
        assert set(statuses) == {200}
        found = httpx.post(f"{running.address}/v1/search", json={"text": ["a"], "k": 1000}, timeout=120).json()["hits"]
    assert len(added) > 5
    assert refused
    assert {each.status_code for each in refused} == {503}
    assert {each.json()["detail"] for each in refused} <= {"shop: disk I/O error", "shop: database or disk is full"}
    assert {each["id"] for each in found} == set(added)
    with catalens.load(encoder="fake", reader="fake", cache=None).index(path) as index:
        assert {record.id for record in index.records()} == set(added)
