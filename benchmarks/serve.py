"""The HTTP service: a real process and real sockets on this machine, beside the offline pipeline and a plain endpoint.

The plain endpoint is FastAPI over the same encoder, one call per request: what a service without batching costs. The
clients run in this process, so they and the service share the cores. Where sentence-transformers and LitServe are
installed (`catalens[bench-models]`), the same checkpoint is served by them too. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import IO

from benchmarks.load import CLIENTS, Client, measured, post, run
from benchmarks.machine import machine_facts
from benchmarks.plan import Figures
from benchmarks.serve_offline import (
    ROUNDS,
    Work,
    beside,
    pipeline,
    sentences_of,
    single_ms,
    tags_per_s,
    texts_per_s,
    vectors_per_s,
)

TEXTS = 32
"""Texts per request, where a caller has many."""
_START_S = 180.0


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--overload-seconds", type=float, default=60.0)
    parser.add_argument(
        "--models", nargs="+", default=["starter", "everyday"], help="names of encoders; all else is of the first"
    )
    parser.add_argument("--soak-minutes", type=float, default=0.0, help="only ask for so long, and watch the memory")
    options = parser.parse_args()
    contents = jpegs(64)
    model, *others = options.models
    if options.soak_minutes:
        with serving(model) as (url, pid, _):
            print(json.dumps(soak(url, pid, contents, 60 * options.soak_minutes)))
        return
    document: Figures = {"machine": machine_facts(), "load_average": os.getloadavg()[0]}
    with serving(model) as (url, pid, start_s):
        document["ready_s"] = round(start_s, 2)
        document[model] = beside_pipeline(url, contents, model, options.seconds)
        document["single_texts"] = measured(url, texts(1), options.seconds)
        document["overload"] = overload(url, pid, embeddings(contents), options.overload_seconds)
        document["killed_worker"] = killed_worker(url, pid, embeddings(contents))
    for other in others:
        with serving(other) as (url, _, _):
            document[other] = beside_pipeline(url, contents, other, options.seconds)
    with plain(model) as url:
        document["plain_endpoint"] = measured(url, raw("/embed", contents), options.seconds)
        document["plain_single"] = measured(url, raw("/embed", contents), options.seconds / 2, clients=1)
    if find_spec("litserve") is not None and find_spec("sentence_transformers") is not None:
        from benchmarks.serve_peers import measure_peers

        document["peers"] = measure_peers(contents, options.seconds)
    document["embeddings_to_plain"] = ratio(document[model]["embeddings"], document["plain_endpoint"]["per_s"])
    for name, figures in document.items():
        print(f"{name}: {figures}", file=sys.stderr)
    print(json.dumps(document))


def beside_pipeline(url: str, contents: Sequence[bytes], model: str, seconds: float) -> Figures:
    """Return the figures of a service beside those of the offline pipeline with the same encoder."""
    with pipeline(contents, model) as local:

        def in_turns(work: Work, requests: Sequence[bytes], **how: int) -> Figures:
            return beside(local, work, lambda: measured(url, requests, seconds / ROUNDS, **how))

        found: Figures = {
            "tags": in_turns(tags_per_s, tags(contents)),
            "embeddings": in_turns(vectors_per_s, embeddings(contents)),
            "texts": in_turns(texts_per_s, texts(TEXTS), each=TEXTS),
            "single": in_turns(single_ms, embeddings(contents), clients=1),
        }
    for name in ("tags", "embeddings", "texts"):
        found[f"{name}_to_offline"] = ratio(found[name], found[name]["local"])
    return found | {"single_to_local": round(found["single"]["p50_ms"] / found["single"]["local"], 2)}


def ratio(figures: Figures, other: float) -> float:
    """Return how many times as many a second there were."""
    return round(float(figures["per_s"]) / other, 2)


def jpegs(n: int) -> list[bytes]:
    """Return drawn products as JPEGs of 600 × 600."""
    from catalens.demo.drawn import draw_catalogue

    contents = []
    for product in draw_catalogue(n):
        file = io.BytesIO()
        product.picture.convert("RGB").resize((600, 600)).save(file, "JPEG", quality=90)
        contents.append(file.getvalue())
    return contents


def tags(contents: Sequence[bytes]) -> list[bytes]:
    """Return requests of /v1/tags with raw pictures."""
    return raw("/v1/tags", contents)


def raw(path: str, contents: Sequence[bytes]) -> list[bytes]:
    """Return requests whose bodies are the pictures."""
    return post(path, contents, "image/jpeg")


def embeddings(contents: Sequence[bytes]) -> list[bytes]:
    """Return requests of /v1/embeddings with one picture each."""
    return post("/v1/embeddings", [_body(each) for each in data_addresses(contents)], "application/json")


def data_addresses(contents: Sequence[bytes]) -> list[str]:
    """Return JPEGs as `data:` addresses."""
    return [f"data:image/jpeg;base64,{base64.b64encode(each).decode()}" for each in contents]


def texts(per_request: int) -> list[bytes]:
    """Return requests of /v1/embeddings with some texts each."""
    sentences = sentences_of(512)
    bodies = [_body(sentences[at : at + per_request]) for at in range(0, len(sentences), per_request)]
    return post("/v1/embeddings", bodies, "application/json")


def _body(given: str | list[str]) -> bytes:
    return json.dumps({"input": given, "encoding_format": "base64"}).encode()


def overload(url: str, pid: int, requests: Sequence[bytes], seconds: float) -> Figures:
    """Ask with ten times as many clients; memory is that of the service and its workers."""
    before = resident_mb(pid)
    figures = measured(url, requests, seconds / 2, clients=10 * CLIENTS)
    middle = resident_mb(pid)
    figures |= measured(url, requests, seconds / 2, clients=10 * CLIENTS)
    return figures | {"mb_before": before, "mb_middle": middle, "mb_after": resident_mb(pid)}


def soak(url: str, pid: int, contents: Sequence[bytes], seconds: float) -> Figures:
    """Ask everything in turn for a long time; memory is that of the service and its workers after each tenth."""
    kinds = (
        tags(contents),
        embeddings(contents),
        texts(TEXTS),
        raw("/v1/captions", contents),
        raw("/v1/tags", [b"no"]),
    )
    requests = [each for some in zip(*map(cycle, kinds), range(len(contents)), strict=False) for each in some[:-1]]
    parts, held_mb = [], [resident_mb(pid)]
    for _ in range(10):
        parts.append(measured(url, requests, seconds / 10, clients=4))
        held_mb.append(resident_mb(pid))
    statuses: Counter[str] = Counter()
    for part in parts:
        statuses.update(part["statuses"])
    return {"seconds": seconds, "statuses": dict(statuses), "mb": held_mb, "p99_ms": [part["p99_ms"] for part in parts]}


def killed_worker(url: str, pid: int, requests: Sequence[bytes]) -> Figures:
    """Kill the workers during load: the seconds until a request succeeds again, and every status."""

    async def work() -> Figures:
        statuses: Counter[str] = Counter()
        clients = [Client(url) for _ in range(CLIENTS)]
        callers = [asyncio.ensure_future(each.ask(requests[at])) for at, each in enumerate(clients)]
        await asyncio.sleep(0.05)
        for child, command in children_of(pid):
            if "spawn_main" in command:
                os.kill(child, signal.SIGKILL)
        killed_s = time.perf_counter()
        statuses.update(str(status) for status, _ in await asyncio.gather(*callers))
        while (status := (await clients[0].ask(requests[0]))[0]) != 200:
            statuses[str(status)] += 1
            await asyncio.sleep(0.05)
        recovered_s = round(time.perf_counter() - killed_s, 2)
        for each in clients:
            each.close()
        return {"recovered_s": recovered_s, "statuses": dict(statuses)}

    return run(work())


def children_of(pid: int) -> list[tuple[int, str]]:
    """Return the process ids and command lines of a process's children."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children = (task / "children").read_text().split()
        found += [(int(child), Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")) for child in children]
    return found


def resident_mb(pid: int) -> float:
    """Return the memory of a process and its children."""
    pids = [pid, *(child for child, _ in children_of(pid))]
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in pids)
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


@contextmanager
def serving(model: str, *flags: str) -> Iterator[tuple[str, int, float]]:
    """Run `catalens serve`; gives its address, process id and the seconds until it was ready."""
    with tempfile.TemporaryFile("w+") as log:
        started_s = time.perf_counter()
        command = [sys.executable, "-m", "catalens", "serve", "--port", "0", "--model", model, *flags]
        process = subprocess.Popen(command, stderr=log)
        try:
            yield _address(process, log), process.pid, time.perf_counter() - started_s
        finally:
            process.terminate()
            process.wait(60)


def _address(process: subprocess.Popen[bytes], log: IO[str]) -> str:
    while process.poll() is None:
        log.seek(0)
        found = re.search(r"ready on (http://\S+)", log.read())
        if found:
            return found.group(1)
        time.sleep(0.02)
    raise RuntimeError("the service did not start")


@contextmanager
def plain(model: str) -> Iterator[str]:
    """Run the plain endpoint in a process of its own."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.plain_endpoint", model], stderr=log)
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    main()
