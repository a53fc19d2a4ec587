"""What is broken, what is missing and what makes this machine slow, each with the cure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from catalens.pipelines.doctor.extras import Extra
from catalens.pipelines.doctor.libraries import BASE, Library
from catalens.pipelines.doctor.machine import Machine
from catalens.pipelines.doctor.storage import Bundle, Cache

Level = Literal["error", "warning", "slow"]
_LEVELS: tuple[Level, ...] = ("error", "warning", "slow")
_LITTLE_MB = 200
"""Less free space than a compiled model needs."""
_REINSTALL = "install it again: pip install --force-reinstall"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem and its solution.

    Attributes:
        level: "error": the bundled models do not run; "warning": something else does not; "slow": it works, slowly.
        about: what it is.
        cure: what to do.
    """

    level: Level
    about: str
    cure: str


def advise(
    machine: Machine,
    libraries: Sequence[Library],
    extras: Sequence[Extra],
    bundles: Sequence[Bundle],
    caches: Sequence[Cache],
) -> list[Finding]:
    """Return the problems found, errors first."""
    found = [
        *_broken(libraries),
        *_incomplete(extras),
        *_damaged(bundles),
        *_caches(caches),
        *_slow_libraries(machine, libraries),
        *_slow_machine(machine),
    ]
    return sorted(found, key=lambda each: _LEVELS.index(each.level))


def _broken(libraries: Sequence[Library]) -> Iterator[Finding]:
    for each in libraries:
        if each.error is not None:
            level: Level = "error" if each.name in BASE else "warning"
            yield Finding(level, f"{each.name} cannot be imported: {each.error}", f"{_REINSTALL} {each.name}")


def _incomplete(extras: Sequence[Extra]) -> Iterator[Finding]:
    if not extras:
        yield Finding("warning", "Catalens is not installed, so its extras are unknown", "pip install .")
    for each in extras:
        if not each.name and each.missing:
            yield Finding("error", f"the base install lacks {', '.join(each.missing)}", each.install)
        elif wrong := [one for one in each.missing if "not installed" not in one]:
            yield Finding("warning", f"catalens[{each.name}] needs {', '.join(wrong)}", each.install)


def _damaged(bundles: Sequence[Bundle]) -> Iterator[Finding]:
    for each in bundles:
        if each.wrong:
            about = f"the bundled model {each.name} is damaged: {'; '.join(each.wrong)}"
            yield Finding("error", about, f"{_REINSTALL} catalens")


def _caches(caches: Sequence[Cache]) -> Iterator[Finding]:
    for each in caches:
        if each.problem is not None:
            about = f"cannot write to the cache ({each.name}): {each.problem}; what it would keep is made each time"
            yield Finding("slow", about, f"set {each.variable} to a folder that can be written")
        elif each.free_mb is not None and each.free_mb < _LITTLE_MB:
            about = f"only {each.free_mb} MB are free for {each.name} ({each.folder})"
            yield Finding("warning", about, f"make space, or set {each.variable} to a folder on another disk")


def _slow_libraries(machine: Machine, libraries: Sequence[Library]) -> Iterator[Finding]:
    by_name = {each.name: each for each in libraries}
    x86 = machine.system.endswith(("x86_64", "AMD64"))
    if x86 and "openvino" not in by_name:
        yield Finding(
            "slow",
            "openvino is not installed; on many x86 processors it runs encoders faster than onnxruntime",
            'pip install "catalens[openvino]"; the faster runtime is measured and remembered',
        )
    if by_name.get("PIL", Library("PIL")).facts.get("libjpeg_turbo") is False:
        about = "Pillow was built without libjpeg-turbo, so JPEG files are decoded slowly"
        yield Finding("slow", about, f"{_REINSTALL} --only-binary :all: pillow")
    torch = by_name.get("torch")
    if torch is not None and torch.version and machine.accelerators and not _reaches_a_device(torch):
        about = f"torch {torch.version} uses none of: {', '.join(machine.accelerators)}"
        yield Finding("slow", about, "install the build of torch for this device; see https://pytorch.org")


def _reaches_a_device(torch: Library) -> bool:
    return bool(torch.facts.get("devices")) or bool(torch.facts.get("mps"))


def _slow_machine(machine: Machine) -> Iterator[Finding]:
    if machine.usable_cores < machine.cores:
        about = f"this process may use {machine.usable_cores} of the machine's {machine.cores} cores"
        yield Finding("slow", about, "raise the CPU affinity or the container's limit if more should be used")
    for name, value in machine.thread_limits.items():
        if value == "1" and machine.usable_cores > 1:
            yield Finding("slow", f"{name}=1 keeps some libraries to one thread", f"unset {name}")
    have = machine.instructions
    if have is None:
        return
    if "avx2" not in have and "asimd" not in have:
        about = "the processor has no AVX2: runtimes and search use slower instructions"
        yield Finding("slow", about, "run on a newer processor; nothing in the software changes it")
    if not {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm", "asimddp"} & {*have}:
        about = "the processor has no 8-bit dot products, so models of 8 bits are hardly faster than others"
        yield Finding("slow", about, "run pretrained models on a processor with VNNI, AMX or I8MM, or on a GPU")
    if not {"avx512_bf16", "amx_bf16", "bf16"} & {*have}:
        about = "the processor has no bfloat16, so pretrained models are computed in float32"
        yield Finding("slow", about, "run pretrained models on a processor with AVX512-BF16 or AMX, or on a GPU")
