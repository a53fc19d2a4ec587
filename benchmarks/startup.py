"""What a person waits for and what the machine gives: time and most memory of whole commands in fresh processes.

A bare interpreter starts each command and waits for it: what `wait4` says was held is at least what the process that
starts another one holds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.plan import Figures, Plan
from benchmarks.timing import in_fresh_process, in_mb

_STARTER = """
import json, os, subprocess, sys, time
started_s = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
taken_s = time.perf_counter() - started_s
cpu_s = usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), taken_s, cpu_s, usage.ru_maxrss]))
"""
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
    starter = [sys.executable, "-I", "-S", "-c", _STARTER]
    ran = subprocess.run([*starter, sys.executable, *arguments], capture_output=True, env=environment, check=True)
    code, taken_s, cpu_s, max_rss = json.loads(ran.stdout)
    if code:
        raise RuntimeError(f"python {' '.join(arguments)} failed: {ran.stderr.decode(errors='replace')}")
    return {"ms": taken_s * 1e3, "cpu_ms": cpu_s * 1e3, "peak_mb": in_mb(max_rss)}
