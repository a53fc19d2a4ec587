"""Ctrl-C while a library is imported waits until the library is whole."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_PROGRAM = """
import signal
from catalens.core.process import interrupts

interrupts.install()
interrupts.allow(raising=True)
interrupts.postpone()
signal.raise_signal(signal.SIGINT)
print("imported", flush=True)
try:
    interrupts.deliver()
except KeyboardInterrupt:
    print("interrupted", flush=True)
interrupts.postpone()
interrupts.deliver()
print("nothing waits", flush=True)
interrupts.postpone()
interrupts.postpone()
signal.raise_signal(signal.SIGINT)
interrupts.deliver()
print("another thread imports", flush=True)
interrupts.deliver()
"""


@pytest.mark.slow
def test_an_interrupt_waits_until_a_library_is_imported() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background has it ignored
    )
    assert ran.stdout.splitlines() == ["imported", "interrupted", "nothing waits", "another thread imports"]
    assert (ran.returncode, ran.stderr) == (130, "interrupted\n")
