"""Runs a bundle of a stranger once where it can do no harm: in a process with a limit on memory and time.

A graph of a few hundred bytes can ask for terabytes, by a constant shape, a tile, a range or a chain of concatenations,
and no list of operators tells it from a sound one, which uses the same. So the first run is a trial.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from catalens.core.caching import try_to_keep
from catalens.core.errors import CatalensError, ModelError
from catalens.core.files import write_atomically
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
    try_to_keep(lambda: _keep(passed), passed.parent)


def _keep(passed: Path) -> None:
    passed.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(passed, lambda out: out.write(b""))


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
        ran = subprocess.run(
            [sys.executable, "-m", __name__],
            input=pickle.dumps((folder, runtime, limit_bytes)),
            capture_output=True,  # runtimes print what concerns nobody
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            timeout=TIME_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "it did not end"
    if ran.returncode != 0:
        return f"the process ended with {ran.returncode}, perhaps for want of memory"
    reason: str | None = pickle.loads(ran.stdout)
    return reason


def _main() -> None:
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    folder, runtime, limit_bytes = pickle.load(sys.stdin.buffer)
    from catalens.models.bundle import load_bundle

    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits, and a lower one may hold already
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    reason = None
    try:
        load_bundle(folder, runtime=runtime, threads=1).check()
    except CatalensError as error:
        reason = str(error)
    except MemoryError:
        reason = "it needs more memory"
    with results, suppress(BrokenPipeError):
        results.write(pickle.dumps(reason))


if __name__ == "__main__":
    _main()
