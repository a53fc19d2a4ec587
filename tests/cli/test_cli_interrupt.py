"""Ctrl-C at any moment: 130, one line, no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from catalens.cli import app

PROGRAM = """
import builtins, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with SIGINT ignored
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


def test_an_interrupt_in_a_command_says_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("catalens.cli.output.wants_json", stopped)
    ran = CliRunner().invoke(app, ["models"])
    assert (ran.exit_code, ran.stderr) == (130, "interrupted\n")
