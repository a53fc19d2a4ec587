"""What lies on disk: the bundled models against their checksums, and the caches."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalens.models.cache import RUNTIMES_FOLDER
from catalens.models.json_files import load_json
from catalens.models.registry import SHIPPED, shipped

_LISTS = ("bundle.json", "reader/reader.json")
"""Files of a bundled model that hold the checksums of the files beside them."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundled model.

    Attributes:
        name: of the model.
        folder: where it is.
        size_mb: of its files.
        files: how many were compared with their checksums.
        wrong: the files that are missing or differ, each with the reason.
    """

    name: str
    folder: str
    size_mb: float
    files: int
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder with things that can be made or fetched again.

    Attributes:
        name: what it holds.
        folder: where it is; it need not exist.
        size_mb: of its files.
        free_mb: free space on its disk; None if unknown.
        problem: why it cannot be written; None if it can.
        variable: the variable of the environment that moves it.
    """

    name: str
    folder: str
    size_mb: float
    free_mb: int | None
    problem: str | None
    variable: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The runtimes of a graph, measured on this machine: milliseconds of one run."""

    graph: str
    fastest: str
    ms: Mapping[str, float]


def check_bundles() -> list[Bundle]:
    """Compare every file of the bundled models with its checksum."""
    return [_check(name, shipped(name)) for name in SHIPPED]


def find_caches(cache: Path) -> list[Cache]:
    """Return the cache of Catalens, that of the hub, and the folder for temporary files."""
    return [
        _cache("label vectors, compiled models", cache, "CATALENS_CACHE"),
        _cache("models of the hub", hub_cache(os.environ), "HF_HOME"),
        _cache("temporary files", Path(tempfile.gettempdir()), "TMPDIR", sized=False),
    ]


def hub_cache(env: Mapping[str, str]) -> Path:
    """Return the hub's cache as `huggingface_hub` finds it, whether or not that is installed.

    >>> hub_cache({"HF_HOME": "/models"}).as_posix()
    '/models/hub'
    """
    if given := env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE"):
        return Path(given).expanduser()
    base = env.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(env.get("HF_HOME") or Path(base) / "huggingface") / "hub"
    try:
        return folder.expanduser()
    except RuntimeError:  # a user without a home
        return folder


def measured_runtimes(cache: Path) -> list[Measured]:
    """Return which runtime was the faster one for each graph that has been run on this machine."""
    found = []
    for file in sorted((cache / RUNTIMES_FOLDER).glob("*.json")):
        try:
            body: Any = load_json(file)
            ms = {str(name): round(float(each), 2) for name, each in body["ms"].items()}
            found.append(Measured(str(body["graph"]), str(body["runtime"]), ms))
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # written by another version, or cut short: it is measured again
    return found


def _check(name: str, folder: Path) -> Bundle:
    files, wrong = 0, []
    for listing in _LISTS:
        try:
            sums = dict(load_json(folder / listing)["sha256"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            wrong.append(f"{listing}: {getattr(error, 'strerror', None) or 'it cannot be read'}")
            continue
        files += len(sums)
        place = (folder / listing).parent
        wrong += [f"{each}: {reason}" for each in sums if (reason := _difference(place / each, sums[each]))]
    return Bundle(name, str(folder), _size_mb(folder), files, tuple(wrong))


def _difference(file: Path, expected: str) -> str | None:
    try:
        with file.open("rb") as content:
            same = hashlib.file_digest(content, "sha256").hexdigest() == expected
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None if same else "its SHA-256 differs"


def _cache(name: str, folder: Path, variable: str, *, sized: bool = True) -> Cache:
    nearest = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    try:
        free_mb = shutil.disk_usage(nearest).free // 10**6
    except OSError:
        free_mb = None
    return Cache(
        name=name,
        folder=str(folder),
        size_mb=_size_mb(folder) if sized else 0.0,
        free_mb=free_mb,
        problem=_why_not(nearest),
        variable=variable,
    )


def _why_not(folder: Path) -> str | None:
    """Return why nothing can be written below a folder: a file is made there and removed again."""
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"{folder}: {(error.strerror or str(error)).lower()}"


def _size_mb(folder: Path) -> float:
    return round(sum(_sizes(folder)) / 1e6, 1)


def _sizes(folder: Path) -> Iterator[int]:
    """Yield the sizes of the files below a folder; links, of which the hub's cache is full, count nothing."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        yield entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
