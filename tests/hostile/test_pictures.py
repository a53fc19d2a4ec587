"""Broken and costly pictures through the commands: every file is a result or a failure, within bounds."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import pytest

from catalens.core.errors import ImageError
from catalens.core.images import read_image
from tests.hostile.conftest import Amounts
from tests.support.drive import Drive
from tests.support.hostile_images import costly_images, encoded, mutated, scene

PEAK_MB = 1536
SLOWEST_S = 5.0
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
_VARIANTS: dict[str, dict[str, Any]] = {
    "JPEG": {"progressive": True},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True},
}


def originals() -> list[tuple[str, bytes]]:
    """Pictures of every format that can be written here, by ending."""
    found = []
    for kind in FORMATS:
        for options in ({}, _VARIANTS.get(kind)):
            try:
                if kind == "HEIF":
                    import pillow_heif

                    pillow_heif.register_heif_opener()
                if options is not None:
                    found.append((kind.lower(), encoded(scene(64, 48), kind, **options)))
            except (ImportError, KeyError, OSError):
                continue
    return found


@pytest.fixture(scope="module")
def broken_folder(tmp_path_factory: pytest.TempPathFactory, amounts: Amounts) -> Path:
    rng, folder = random.Random(13), tmp_path_factory.mktemp("broken")
    sources = originals()
    for place in range(amounts.pictures):
        ending, content = sources[place % len(sources)]
        (folder / f"{place:05}.{ending}").write_bytes(mutated(content, rng))
    return folder


@pytest.fixture(scope="module")
def costly_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("costly")
    for name, content in costly_images():
        (folder / name).write_bytes(content)
    (folder / "sound.jpg").write_bytes(encoded(scene(), "JPEG"))
    return folder


def check_rows(catalens: Drive, folder: Path, *arguments: object) -> None:
    """Run a command that gives one JSON line for each file."""
    ran = catalens(*arguments).check(0, 1)
    files = sorted(str(path) for path in folder.iterdir())
    assert len(ran.rows) == len(files)
    assert len({row["id"] for row in ran.rows}) == len(files)
    assert 0 < sum("error" in row for row in ran.rows) < len(files)
    assert ran.peak_mb <= PEAK_MB


def check_index(catalens: Drive, folder: Path, catalogue: Path, *arguments: object, **options: Any) -> None:
    """Run ``index add`` and check its report and its peak memory."""
    ran = catalens("index", "add", catalogue, folder, "--json", *arguments, **options).check(0, 1)
    files = len(list(folder.iterdir()))
    report = next(row for row in ran.rows if "records" in row)
    assert report["added"] + report["failed"] == files
    assert report["added"] == report["records"]
    assert ran.peak_mb <= PEAK_MB


class TestBundled:
    def test_mutated_through_tag(self, catalens: Drive, broken_folder: Path) -> None:
        check_rows(catalens, broken_folder, "tag", broken_folder, "--json")

    def test_mutated_through_embed(self, catalens: Drive, broken_folder: Path) -> None:
        check_rows(catalens, broken_folder, "embed", broken_folder, "--json")

    def test_mutated_through_index_add(self, catalens: Drive, broken_folder: Path, tmp_path: Path) -> None:
        check_index(catalens, broken_folder, tmp_path / "a.catalens")

    def test_costly_through_tag(self, catalens: Drive, costly_folder: Path) -> None:
        check_rows(catalens, costly_folder, "tag", costly_folder, "--json")

    def test_costly_through_caption(self, catalens: Drive, costly_folder: Path) -> None:
        check_rows(catalens, costly_folder, "caption", costly_folder, "--json")


class TestHub:
    """A CLIP of transformers, which resizes by the shorter side."""

    def test_mutated_through_tag(self, catalens: Drive, broken_folder: Path, tiny_clip: Path) -> None:
        labels = ("--labels", "red, blue", "--model", tiny_clip)
        check_rows(catalens, broken_folder, "tag", broken_folder, "--json", *labels)

    def test_mutated_through_embed(self, catalens: Drive, broken_folder: Path, tiny_clip: Path) -> None:
        check_rows(catalens, broken_folder, "embed", broken_folder, "--json", "--model", tiny_clip)

    def test_mutated_through_index_add(
        self, catalens: Drive, broken_folder: Path, tiny_clip: Path, tmp_path: Path
    ) -> None:
        check_index(catalens, broken_folder, tmp_path / "a.catalens", "--model", tiny_clip)

    @pytest.mark.parametrize("runtime", ["auto", "torch"])
    def test_costly_through_index_add(
        self, catalens: Drive, costly_folder: Path, tiny_clip: Path, tmp_path: Path, runtime: str
    ) -> None:
        """Importing torch and transformers takes 0.9 GB by itself."""
        variables = {"CATALENS_RUNTIME": runtime}
        check_index(catalens, costly_folder, tmp_path / "a.catalens", "--model", tiny_clip, environment=variables)


def test_no_picture_takes_long(amounts: Amounts, record_property: Callable[[str, object], None]) -> None:
    rng = random.Random(14)
    sources = originals()
    broken = ((kind, mutated(content, rng)) for kind, content in islice(cycle(sources), 2 * amounts.pictures))
    seconds: dict[str, float] = {}
    for name, content in chain(costly_images(), broken):
        started_s = time.thread_time()  # of this thread alone, so that a loaded machine changes little
        with suppress(ImageError):
            read_image(content, at_least=(224, 224), name=name)
        seconds[name] = max(seconds.get(name, 0.0), time.thread_time() - started_s)
    slowest = max(seconds, key=lambda name: seconds[name])
    record_property("slowest", (slowest, seconds[slowest]))
    assert seconds[slowest] <= SLOWEST_S, slowest
