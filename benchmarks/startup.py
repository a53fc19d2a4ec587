"""What a person waits for and what the machine gives: time and most memory of whole commands in fresh processes.

Imports nothing heavy: a process that is started from a large one would seem as large.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.plan import Figures, Plan
from benchmarks.timing import in_fresh_process, in_mb

BASE = "python -c 'import onnxruntime'"
"""What short commands are compared with: the least that a command with a model can take."""


def measure(plan: Plan) -> Figures:
    """Measure short commands several times in turns, and long ones once."""
    with tempfile.TemporaryDirectory() as place:
        pictures = Path(place) / "pictures"
        files = in_fresh_process(_write_pictures, pictures, plan)
        one, shop = str(pictures / "00000.jpg"), str(Path(place) / "shop.catalens")
        program = ["-m", "catalens"]
        model = ["--model", plan.model]
        short = {
            "python -c pass": ["-c", "pass"],
            BASE: ["-c", "import onnxruntime"],
            "catalens --help": [*program, "--help"],
            "catalens tag one.jpg": [*program, "tag", one, *model],
            "catalens caption one.jpg": [*program, "caption", one],
        }
        long = {
            f"catalens index add, {plan.pictures} pictures": [*program, "index", "add", shop, str(pictures), *model],
            "catalens search": [*program, "search", shop, "red dress", *model],
        }
        environment = os.environ | {"CATALENS_CACHE": place}
        figures: Figures = {"files": files} | _in_turns(short, plan.starts, environment)
        for name, arguments in long.items():
            figures[name] = _run(arguments, environment)
        for name in (*short, *long):
            for clock in ("ms", "cpu_ms"):
                figures[name][f"{clock} / import"] = figures[name][clock] / figures[BASE][clock]
    return figures


def _write_pictures(folder: Path, plan: Plan) -> str:
    from benchmarks.pictures import write_small

    return write_small(folder, plan.pictures, plan.data)


def _in_turns(commands: dict[str, list[str]], rounds: int, environment: dict[str, str]) -> Figures:
    for arguments in commands.values():
        _run(arguments, environment)
    runs = [{name: _run(arguments, environment) for name, arguments in commands.items()} for _ in range(rounds)]
    return {
        name: {figure: statistics.median(run[name][figure] for run in runs) for figure in runs[0][name]}
        for name in commands
    }


def _run(arguments: Sequence[str], environment: dict[str, str]) -> Figures:
    """Run Python with some arguments and give its time, its processor time and its peak memory."""
    with tempfile.TemporaryFile() as messages:
        started_s = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=messages, env=environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        taken_s = time.perf_counter() - started_s
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            messages.seek(0)
            raise RuntimeError(f"python {' '.join(arguments)} failed: {messages.read().decode(errors='replace')}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return {"ms": taken_s * 1e3, "cpu_ms": cpu_s * 1e3, "peak_mb": in_mb(usage.ru_maxrss)}
