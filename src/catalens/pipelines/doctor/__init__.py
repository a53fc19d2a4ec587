"""What is installed and what works on this machine, what is missing for what, and what makes it slow.

Nothing here imports a library at the top of a file: it has to run where they are broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from catalens.pipelines.doctor.advice import Finding, advise
from catalens.pipelines.doctor.extras import Extra, find_extras
from catalens.pipelines.doctor.libraries import BASE, HEAVY, OPTIONAL, Library, probe
from catalens.pipelines.doctor.machine import Machine, find_machine
from catalens.pipelines.doctor.storage import Bundle, Cache, Measured, check_bundles, find_caches, measured_runtimes


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    Attributes:
        version: of Catalens.
        machine: system, processor and accelerators.
        libraries: those that were imported, and those that failed to.
        extras: what each extra is for, and what it lacks.
        bundles: the bundled models, their files compared with their checksums.
        caches: folders with things that can be made again.
        runtimes: the faster runtime of each graph that was measured on this machine.
        findings: what is broken, missing or slow, and the cure; errors first.
    """

    version: str
    machine: Machine
    libraries: Sequence[Library]
    extras: Sequence[Extra]
    bundles: Sequence[Bundle]
    caches: Sequence[Cache]
    runtimes: Sequence[Measured]
    findings: Sequence[Finding]

    @property
    def works(self) -> bool:
        """Whether the bundled models can run."""
        return not any(each.level == "error" for each in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values, with `works`."""
        return {**asdict(self), "works": self.works}


def diagnose(cache: Path, *, heavy: bool = False) -> Diagnosis:
    """Examine this installation and this machine; nothing is loaded into this process.

    Args:
        cache: the cache folder in use.
        heavy: import torch and what is built on it too, which takes seconds.
    """
    from catalens import __version__

    libraries = probe([*BASE, *OPTIONAL, *(HEAVY if heavy else ())])
    machine, extras, bundles = find_machine(libraries), find_extras(), check_bundles()
    caches, runtimes = find_caches(cache), measured_runtimes(cache)
    return Diagnosis(
        version=__version__,
        machine=machine,
        libraries=libraries,
        extras=extras,
        bundles=bundles,
        caches=caches,
        runtimes=runtimes,
        findings=advise(machine, libraries, extras, bundles, caches),
    )
