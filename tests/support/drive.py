"""The command line as a process of its own: what it wrote, how it ended, and what it took."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

from catalens.core.memory import most_held_bytes

_TIMEOUT_S = 1800  # ten thousand pictures on a loaded machine


@dataclass(frozen=True, slots=True)
class Driven:
    """How a command ended.

    Attributes:
        code: its exit code; negative for a signal.
        stdout: as bytes, for the encoding may be tested too.
        stderr: likewise.
        peak_mb: the largest memory it held.
        elapsed_s: wall time.
    """

    code: int
    stdout: bytes
    stderr: bytes
    peak_mb: int
    elapsed_s: float

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The JSON lines of standard output."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def check(self, *codes: int) -> Driven:
        """Fail unless it ended in one of some exit codes, without a traceback."""
        errors = self.stderr.decode("utf-8", "replace")
        assert b"Traceback" not in self.stderr, errors[-3000:]
        assert self.code in codes, f"exit code {self.code}: {errors[-3000:]}"
        return self


Drive: TypeAlias = Callable[..., Driven]


def drive(
    arguments: Sequence[object],
    *,
    cache: Path,
    stdin: Path | None = None,
    largest_file: int | None = None,
    kill_after_s: float | None = None,
    interrupt_after_s: float | None = None,
    stdout: Path | None = None,
    environment: dict[str, str] | None = None,
) -> Driven:
    """Run `catalens` with some arguments.

    Args:
        arguments: of the command line.
        cache: the folder of encoded labels.
        stdin: what to read from.
        largest_file: bytes after which every write fails, as on a full disk.
        kill_after_s: when to kill it with SIGKILL; None leaves it alone.
        interrupt_after_s: when to press Ctrl-C; None does not.
        stdout: a file or device for standard output; None keeps it in `Driven.stdout`.
        environment: more variables.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("CATALENS_")}
    variables |= {"CATALENS_CACHE": str(cache), "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})}

    def limit() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background starts with it ignored
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))

    with ExitStack() as files:
        started_s = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "catalens", *map(str, arguments)],
            stdin=files.enter_context(Path(stdin or os.devnull).open("rb")),
            stdout=files.enter_context(stdout.open("wb")) if stdout is not None else subprocess.PIPE,
            stderr=subprocess.PIPE,  # the limit on files does not hold for pipes
            env=variables,
            preexec_fn=limit,
        )
        with ThreadPoolExecutor(2) as pool:
            written = [pool.submit(_drain, stream) for stream in (process.stdout, process.stderr)]
            if interrupt_after_s is not None:
                time.sleep(interrupt_after_s)
                os.kill(process.pid, signal.SIGINT)  # send_signal would wait for one that has ended
            status, peak_bytes = _wait(process.pid, started_s + (kill_after_s or _TIMEOUT_S))
            process.returncode = os.waitstatus_to_exitcode(status)
            out, err = (each.result() for each in written)
    return Driven(process.returncode, out, err, peak_bytes >> 20, time.perf_counter() - started_s)


def _drain(stream: IO[bytes] | None) -> bytes:
    if stream is None:
        return b""
    with stream:
        return stream.read()


def _wait(pid: int, until_s: float) -> tuple[int, int]:
    """Return the status of a process and the most bytes that it held; it is killed when its time is over.

    On Linux the peak is asked for while it runs: the one that `wait4` gives is at least what the test's process holds.
    """
    status_file, peak_bytes = Path(f"/proc/{pid}/status"), 0
    while True:
        peak_bytes = most_held_bytes(status_file) or peak_bytes
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if not found and time.perf_counter() > until_s:
            os.kill(pid, signal.SIGKILL)
            found, status, usage = os.wait4(pid, 0)
        if found:
            return status, peak_bytes or usage.ru_maxrss * 1024
        time.sleep(0.01)
