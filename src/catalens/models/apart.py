"""Runs a task of a module in a process of its own, which can be left, killed or limited, and gives back its memory."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class ApartError(Exception):
    """The process ended without a result; the message says how, to follow the name of what it was."""


def run_apart(module: str, task: tuple[Any, ...], *, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - the result
    """Return what a task gives.

    Args:
        module: calls `answer_with` when it is run.
        task: arguments of the function that it calls it with.
        timeout_s: after which the process is killed.

    Raises:
        ApartError: it ended without a result, or did not end in time.
    """
    try:
        ran = subprocess.run(
            [sys.executable, "-m", module],
            input=pickle.dumps(task),
            capture_output=True,  # libraries print what concerns nobody
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ApartError("did not end") from error
    if ran.returncode != 0:
        lines = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ApartError(
            f"ended with {ran.returncode}{f': {lines[-1][:200]}' if lines else ', perhaps for want of memory'}"
        )
    return pickle.loads(ran.stdout)


def answer_with(work: Callable[..., object]) -> None:
    """Do the task that `run_apart` sent to this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent ends this process
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no result
    found = work(*pickle.load(sys.stdin.buffer))
    with results, suppress(BrokenPipeError):
        results.write(pickle.dumps(found))
