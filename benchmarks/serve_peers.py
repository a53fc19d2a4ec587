"""The service beside sentence-transformers behind FastAPI and behind LitServe: one checkpoint, the same requests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.library_endpoint import Server
from benchmarks.load import measured, post
from benchmarks.plan import Figures
from benchmarks.serve import data_addresses, serving

_START_S = 120.0


def measure_peers(contents: Sequence[bytes], seconds: float) -> Figures:
    """Return pictures a second of each, and the cosines of their vectors with ours."""
    from benchmarks.model_checkpoints import SIZES, write_checkpoint

    found: Figures = {}
    with tempfile.TemporaryDirectory() as place:
        checkpoint = Path(place) / "vit-b-32"
        write_checkpoint(checkpoint, SIZES["ViT-B/32"])
        bodies = [json.dumps({"input": each}).encode() for each in data_addresses(contents)]
        with serving(str(checkpoint), "--reader", "starter") as (url, _, ready_s):
            ours = np.array(_asked(f"{url}/v1/embeddings", bodies[0])["data"][0]["embedding"])
            found["ours"] = measured(url, post("/v1/embeddings", bodies, "application/json"), seconds)
            found["ours"]["ready_s"] = round(ready_s, 1)
        servers: tuple[Server, ...] = ("fastapi", "litserve")
        for server in servers:
            with _library(server, checkpoint, bodies[0]) as url:
                theirs = np.array(_asked(f"{url}/embed", bodies[0])["embedding"])
                found[server] = measured(url, post("/embed", bodies, "application/json"), seconds)
            found[server]["cosine"] = round(float(ours @ theirs), 5)
            found[server]["ours_to_it"] = round(found["ours"]["per_s"] / found[server]["per_s"], 2)
    return found


@contextmanager
def _library(server: Server, checkpoint: Path, body: bytes) -> Iterator[str]:
    """Run an endpoint of sentence-transformers, warm."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "benchmarks.library_endpoint", server, str(checkpoint), str(port)]
    # LitServe leaves its workers behind when it is terminated: they go as a group.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        end_s = time.monotonic() + _START_S
        while True:
            try:
                _asked(f"{url}/embed", body)
                break
            except (OSError, urllib.error.URLError):
                if process.poll() is not None or time.monotonic() > end_s:
                    raise RuntimeError(f"the endpoint of {server} did not start") from None
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


def _asked(url: str, body: bytes) -> Figures:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: Figures = json.load(response)
        return answer
