"""What a running service writes to its standard error."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import subprocess
import sys

import httpx
import pytest
from PIL import Image

from catalens.serving.config import load_config
from catalens.serving.logs import log_in_service
from catalens.serving.server import run_server, server_of

_FORM = {"content-type": "multipart/form-data; boundary=x"}
_BROKEN = [
    b"--x\rSECRET",
    b"--xSECRET",
    b"--SECRET\r\n",
    b"--x\r\nSE CRET: a\r\n\r\n",
    b'--x\r\nContent-Disposition: form-data; name="a"\rSECRET\r\n\r\n',
]


@pytest.mark.slow
def test_bodies_that_libraries_warn_of_leave_the_log_one_json_object_a_line() -> None:
    whole = io.BytesIO()
    Image.effect_noise((300, 300), 80).save(whole, "JPEG", progressive=True)
    cut = whole.getvalue()[:-2000]
    command = ["serve", "--port", "0", "--model", "fake", "--reader", "fake", "--log-json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "catalens", *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        while "ready on" not in (line := process.stderr.readline()):
            assert line, "it ended before it was ready"
        tags = json.loads(line)["message"].split()[-1] + "/v1/tags"
        statuses = [httpx.post(tags, content=body, headers=_FORM, timeout=60).status_code for body in _BROKEN]
        statuses.append(httpx.post(tags, files={"image": ("SECRET.jpg", cut)}, timeout=60).status_code)
        process.terminate()
        log = process.stderr.read()
    assert statuses == [400, 400, 400, 400, 400, 200]
    assert [json.loads(line)["status"] for line in log.splitlines()] == statuses
    assert "SECRET" not in log


def test_what_the_event_loop_reports_is_a_line_that_quotes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        raise ValueError("SECRET")

    async def main() -> None:
        server.started = True
        loop = asyncio.get_running_loop()
        failing = loop.create_task(fail())
        loop.call_exception_handler({"message": "Exception in callback read('SECRET')"})
        await asyncio.sleep(0)
        del failing
        gc.collect()

    names = ("catalens", "python_multipart", "catalens.serving", "uvicorn.error")
    before = [(logging.getLogger(name), logging.getLogger(name).handlers) for name in names]
    server = server_of(load_config(), lambda *_: main())
    try:
        log_in_service(as_json=True)
        run_server(server, main())
    finally:
        for logger, handlers in before:
            logger.handlers, logger.propagate = handlers, True
    other, line = map(json.loads, capfd.readouterr().err.splitlines())
    assert other["message"] == "event loop: Exception in callback read"
    assert line["level"] == "ERROR"
    assert line["message"] == "event loop: Task exception was never retrieved"
    assert line["traceback"].endswith("ValueError")
