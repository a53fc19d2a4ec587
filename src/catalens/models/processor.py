"""What the processor is and which instructions it has, without a heavy library."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
NOTABLE = (
    *("sse4_2", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_bf16", "amx_int8", "asimd", "asimddp", "i8mm", "bf16", "sve"),
)
"""Instruction sets that decide how fast models and searches run."""


def processor_lines() -> tuple[str, ...]:
    """Return the lines of /proc/cpuinfo about the first core: model and instruction sets; nothing on other systems."""
    try:
        first = CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return ()
    return tuple(line for line in first.splitlines() if line.startswith(("model name", "flags", "Features")))


def processor_name() -> str:
    """Return the processor's name, or its architecture where the system does not say."""
    names = [line.partition(":")[2].strip() for line in processor_lines() if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine() or "unknown"])[0]


def instruction_sets() -> tuple[str, ...] | None:
    """Return which of `NOTABLE` the processor has; None where the system does not list them."""
    lists = [line.partition(":")[2].split() for line in processor_lines() if not line.startswith("model name")]
    return tuple(name for name in NOTABLE if name in lists[0]) if lists else None


def usable_cores() -> int:
    """Return how many cores the process may use, which may be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
