"""Ctrl-C at any moment: 130, one line, no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import builtins, os, signal, sys
load = builtins.__import__
def interrupted(name, *rest):
    if name == {name!r}:
        builtins.__import__ = load
        os.kill(os.getpid(), signal.SIGINT)
    return load(name, *rest)
builtins.__import__ = interrupted
from catalens.__main__ import main
main()
"""


@pytest.mark.parametrize("name", ["catalens.cli", "typer", "catalens.settings"])
def test_an_interrupt_while_modules_are_imported(name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name=name), "--help"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (128 + signal.SIGINT, "", "interrupted\n")
