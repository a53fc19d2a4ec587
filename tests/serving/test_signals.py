"""Ctrl-C and SIGTERM at a service and at the page that are ready: they drain, and nothing else is said."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest


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
