"""Imports libraries in a process of their own, so that one that crashes takes nothing with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

BASE = ("numpy", "PIL", "yaml", "tokenizers", "numkong", "onnxruntime")
"""Modules without which the bundled models do not run."""
OPTIONAL = ("openvino", "usearch", "pyarrow", "pillow_heif")
"""Modules that are quick to import, of extras."""
HEAVY = ("torch", "transformers", "open_clip", "diffusers", "peft", "ray")
"""Modules that take seconds to import."""

TIMEOUT_S = 120.0
"""For all imports of one process; a network drive may be slow."""
_CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True)
class Library:
    """A module that was imported.

    Attributes:
        name: of the module.
        version: as the module or its distribution says; None if it failed.
        error: why it could not be imported; None if it could.
        facts: what it says of itself, such as its devices.
    """

    name: str
    version: str | None = None
    error: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def probe(names: Sequence[str]) -> list[Library]:
    """Import modules in child processes, in order; optional ones that are not installed are left out.

    A module on which the process dies or hangs is reported, and the next process goes on after it.
    """
    waiting = [name for name in names if name in BASE or _is_installed(name)]
    found: list[Library] = []
    while waiting:
        told, ended = _run_child(waiting)
        found += told
        waiting = waiting[len(told) :]
        if waiting:
            found.append(Library(waiting.pop(0), error=ended))
    return found


def _run_child(names: Sequence[str]) -> tuple[list[Library], str]:
    """Return what a child process reported, one entry per module in order, and how it ended."""
    # -P: a file of the working folder must not be taken for a library.
    command = [sys.executable, "-P", str(_CHILD), *names]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        output, ended = ran.stdout, _ending(ran.returncode, ran.stderr)
    except subprocess.TimeoutExpired as error:
        output, ended = _text(error.stdout), f"importing it took more than {TIMEOUT_S:.0f} s"
    except OSError as error:
        output, ended = "", f"Python cannot be started: {error}"
    return [Library(**json.loads(line)) for line in output.splitlines() if line.endswith("}")], ended


def _ending(code: int, messages: str) -> str:
    if code < 0:
        return f"importing it ended the process with signal {-code}; the processor may lack instructions it needs"
    last = [line for line in messages.splitlines() if line.strip()][-1:]
    return f"importing it ended the process with exit code {code}" + "".join(f": {line.strip()}" for line in last)


def _text(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
