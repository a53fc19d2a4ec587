"""The machine: system, cores, memory, instruction sets and accelerators."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from catalens.models.processor import instruction_sets, processor_name, usable_cores
from catalens.pipelines.doctor.libraries import Library

_CGROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_NVIDIA, _AMD = Path("/proc/driver/nvidia/gpus"), Path("/dev/kfd")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Machine:
    """What Catalens runs on.

    Attributes:
        python: version and build.
        system: operating system and architecture.
        processor: its name.
        cores: of the machine.
        usable_cores: that this process may use.
        memory_mb: of the machine, or of the container if that has less; None if unknown.
        instructions: notable instruction sets; None where the system does not list them.
        accelerators: names of GPUs and other devices that were found.
        thread_limits: variables of the environment that limit the threads of libraries.
    """

    python: str
    system: str
    processor: str
    cores: int
    usable_cores: int
    memory_mb: int | None
    instructions: Sequence[str] | None
    accelerators: Sequence[str]
    thread_limits: Mapping[str, str]


def find_machine(libraries: Sequence[Library] = ()) -> Machine:
    """Return the facts about this machine; accelerators also from what imported libraries say."""
    return Machine(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=processor_name(),
        cores=os.cpu_count() or 1,
        usable_cores=usable_cores(),
        memory_mb=_memory_mb(),
        instructions=instruction_sets(),
        accelerators=list(dict.fromkeys([*_drivers(), *_devices(libraries)])),
        thread_limits={name: os.environ[name] for name in THREAD_VARIABLES if os.environ.get(name)},
    )


def _memory_mb() -> int | None:
    sizes = [int(text) for text in map(_read, _CGROUP) if text.isdecimal()]
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(sizes) // 10**6 if sizes else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _drivers() -> Iterator[str]:
    """Yield accelerators that drivers of the system tell of."""
    for file in sorted(_NVIDIA.glob("*/information")):
        model = re.search(r"^Model:\s*(.+)$", _read(file), flags=re.MULTILINE)
        yield model[1] if model else "NVIDIA GPU"
    if _AMD.exists():
        yield "AMD GPU (ROCm)"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        yield "Apple GPU (MPS)"


def _devices(libraries: Sequence[Library]) -> Iterator[str]:
    """Yield accelerators that libraries tell of."""
    for library in libraries:
        devices = [str(each) for each in library.facts.get("devices", ()) if each != "CPU"]
        yield from (f"{each} (OpenVINO)" for each in devices) if library.name == "openvino" else devices
