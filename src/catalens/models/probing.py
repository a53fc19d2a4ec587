"""Runs a bundle of a stranger once where it can do no harm: in a process with a limit on memory and time.

A graph of a few hundred bytes can ask for terabytes, by a constant shape, a tile, a range or a chain of concatenations,
and no list of operators tells it from a sound one, which uses the same. So the first run is a trial.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from catalens.core.caching import keep_file
from catalens.core.errors import CatalensError, ModelError
from catalens.models.child_process import ChildError, answer_with, run_in_child
from catalens.models.facts import FACTS
from catalens.models.runtime import RUNTIMES, choose_runtime

MEMORY_BYTES, MEMORY_PER_BYTE = 2 << 30, 4
"""Data that the trial may hold: so much, and so many times the bundle's own size."""
TIME_S = 120.0


def probe(folder: Path, *, runtime: str, cache: Path) -> None:
    """Try a bundle once; one that passed is known by its `bundle.json`, which has the checksums of all its files.

    Args:
        folder: of the bundle, whose checksums are compared whenever it is opened.
        runtime: as for `load_bundle`.
        cache: where it is kept that it passed; where that cannot be written, every process tries again.

    Raises:
        ModelError: it needs more memory or time than a bundle of its size does, or does not work.
    """
    chosen = choose_runtime(runtime)
    passed = cache / "probed" / _key(folder, chosen)
    if passed.is_file():
        return
    size_bytes = sum(each.stat().st_size for each in folder.iterdir() if each.is_file())
    limit_bytes = MEMORY_BYTES + MEMORY_PER_BYTE * size_bytes
    reason = _trial(folder, chosen, limit_bytes)
    if reason is not None:
        raise ModelError(
            f"{folder} failed its first run, which may take {limit_bytes / 2**30:.1f} GiB and {TIME_S:.0f} s: "
            f"{reason}; take the bundle from whom you trust"
        )
    keep_file(passed, lambda out: out.write(b""))


def _key(folder: Path, runtime: str) -> str:
    try:
        facts = (folder / FACTS).read_bytes()
    except OSError as error:
        raise ModelError(f"{folder / FACTS} cannot be read: {error}") from error
    about = [(name, version(name)) for name in RUNTIMES if find_spec(name)]
    return hashlib.sha256(facts + json.dumps([runtime, about]).encode()).hexdigest()[:24]


def _trial(folder: Path, runtime: str, limit_bytes: int) -> str | None:
    """Return why a bundle does not pass, or None."""
    try:
        reason: str | None = run_in_child(__name__, (folder, runtime, limit_bytes), timeout_s=TIME_S)
    except ChildError as error:
        return f"the process {error}"
    return reason


def _run(folder: Path, runtime: str, limit_bytes: int) -> str | None:
    from catalens.models.bundle import load_bundle

    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits, and a lower one may hold already
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        load_bundle(folder, runtime=runtime, threads=1).check()
    except CatalensError as error:
        return str(error)
    except MemoryError:
        return "it needs more memory"
    return None


if __name__ == "__main__":
    answer_with(_run)
