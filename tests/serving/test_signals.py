"""Ctrl-C and SIGTERM at a service and at the page that are ready: they drain, and nothing else is said."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import subprocess
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

pytest.importorskip("uvicorn", reason='the service is not installed: pip install "catalens[serve]"')

from catalens.serving import server as serving
from catalens.serving.config import ServeConfig
from catalens.serving.server import announce, server_of
from catalens.serving.worker import WorkerProcess


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "sent", "code", "last"),
    [
        ("serve", signal.SIGINT, 130, "interrupted\n"),
        ("ui", signal.SIGINT, 130, "interrupted\n"),
        ("serve", signal.SIGTERM, -signal.SIGTERM, ""),
    ],
)
def test_a_signal_at_a_ready_service_ends_it_without_a_traceback(
    command: str, sent: signal.Signals, code: int, last: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "catalens", command, "--port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background has it ignored
    )
    with process:
        assert process.stderr is not None
        while "ready on" not in (line := process.stderr.readline()):
            assert line, "it ended before it was ready"
        process.send_signal(sent)
        said = process.stderr.read()
    assert (process.returncode, said) == (code, last)


@pytest.mark.slow
def test_a_service_that_is_terminated_under_load_answers_what_it_accepted() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "catalens", "serve", "--port", "0", "--model", "fake", "--reader", "fake"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    answered: list[int] = []

    def ask(address: str, *, again: bool) -> str:
        told = ""
        body = {"input": [f"text {at}" for at in range(50)]}
        client = httpx.Client(base_url=address, timeout=120)
        while True:
            try:
                response = client.post("/v1/embeddings", json=body)
                answered.append(response.status_code)
                told = response.headers.get("connection", "")
            except httpx.ConnectError:  # nobody listens any more; whoever was connected is not reset
                return told
            finally:
                if again:
                    client.close()
                    client = httpx.Client(base_url=address, timeout=120)

    with process, ThreadPoolExecutor(12) as callers:
        assert process.stderr is not None
        while "ready on" not in (line := process.stderr.readline()):
            assert line, "it ended before it was ready"
        address = line.split()[-1]
        asking = [callers.submit(ask, address, again=at % 2 == 0) for at in range(12)]
        log: list[str] = []
        while len(log) < 30:  # the load is there
            log.append(process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        log += process.stderr
        told = [each.result(120) for each in asking]
    assert process.returncode == -signal.SIGTERM
    assert all(" INFO request " in each and "status=200" in each for each in log), log
    assert answered == [200] * len(log)
    assert told[1::2] == ["close"] * 6, "they would have asked on connections that are closed"


def test_a_service_that_a_signal_closed_at_once_has_no_address_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    async def app(*_: Any) -> None:
        """Answer nothing."""

    async def start_and_close() -> None:
        server = server_of(ServeConfig(port=0), app)
        listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        server.servers, server.started = [listening], True
        serving = asyncio.create_task(asyncio.sleep(0))
        await announce(server, serving)
        listening.close()
        await announce(server, serving)

    with caplog.at_level(logging.INFO, "catalens.serving"):
        asyncio.run(start_and_close())
    assert [each.getMessage().rpartition(":")[0] for each in caplog.records] == ["listening on http://127.0.0.1"]


def test_what_is_loaded_when_a_service_begins_is_not_walked_again_by_the_garbage_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen: list[int] = []
    monkeypatch.setattr(WorkerProcess, "launch", lambda _: None)
    monkeypatch.setattr(serving, "prepare", lambda _: None)

    def ran(_: serving.Server, main: Coroutine[Any, Any, None]) -> None:
        main.close()
        frozen.append(gc.get_freeze_count())

    monkeypatch.setattr(serving, "run_server", ran)
    try:
        serving.serve(ServeConfig(port=0))
    finally:
        gc.unfreeze()
    assert frozen[0] > 10_000
