"""Runs a task in a child process, which can be limited or killed and returns its memory to the system."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class ChildError(Exception):
    """The child ended without a result; the message is a predicate, to follow the name of the task."""


def run_in_child(module: str, task: tuple[Any, ...], *, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - the result
    """Return the result of a task.

    Args:
        module: run as a program in the child; it calls `answer_with` with a function.
        task: arguments of that function; they and the result are pickled.
        timeout_s: seconds after which the child is killed.

    Raises:
        ChildError: it ended without a result, or did not end in time.
    """
    try:
        ran = subprocess.run(
            [sys.executable, "-m", module],
            input=pickle.dumps(task),
            capture_output=True,  # what libraries print is for nobody
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ChildError("did not end") from error
    if ran.returncode != 0:
        lines = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ChildError(f"ended with {ran.returncode}{f': {lines[-1][:200]}' if lines else ', perhaps out of memory'}")
    return pickle.loads(ran.stdout)


def answer_with(work: Callable[..., object]) -> None:
    """Run the task that `run_in_child` sent to this process, and send its result back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent ends this process
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not mix with the result
    found = work(*pickle.load(sys.stdin.buffer))
    with results, suppress(BrokenPipeError):
        results.write(pickle.dumps(found))
