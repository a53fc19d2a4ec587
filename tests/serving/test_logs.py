"""What a running service writes to its standard error."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import httpx
import pytest
from PIL import Image

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
