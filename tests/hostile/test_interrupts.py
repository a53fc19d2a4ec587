"""Ctrl-C at any moment of a run, and standard streams that are full, closed or left: one line, the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from catalens.demo.drawn import draw_catalogue
from tests.hostile.conftest import Amounts
from tests.support.drive import Drive

COMMANDS = {
    "tag": ["tag", "PHOTOS"],
    "add": ["index", "add", "NEW", "PHOTOS"],
    "search": ["search", "CATALOGUE", "a red dress"],
    "caption": ["caption", "PHOTOS"],
    "serve": ["serve", "--port", "0"],
}
LAST_S = 3.0


@pytest.fixture(scope="module")
def places(catalens: Drive, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shop")
    photos = folder / "photos"
    photos.mkdir()
    for product in draw_catalogue(8):
        product.picture.save(photos / f"{product.id}.png")
    catalens("index", "add", folder / "shop.catalens", photos).check(0)
    return {"PHOTOS": photos, "CATALOGUE": folder / "shop.catalens"}


def python_starts_in_s() -> float:
    """Return how long Python itself takes to start: until then an interrupt is Python's own."""
    started_s = time.perf_counter()
    subprocess.run([sys.executable, "-m", "catalens.core.errors"], env={**os.environ}, check=True)
    return time.perf_counter() - started_s


@pytest.mark.parametrize("name", COMMANDS)
def test_an_interrupt_is_130_and_one_line(
    name: str, catalens: Drive, places: dict[str, Path], tmp_path: Path, amounts: Amounts
) -> None:
    moments, first_s = amounts.moments, 3 * python_starts_in_s()
    for place in range(moments):
        moment_s = first_s * (LAST_S / first_s) ** (place / (moments - 1)) if first_s < LAST_S else first_s
        named = {**places, "NEW": tmp_path / f"{place}.catalens"}
        command = [named.get(each, each) for each in COMMANDS[name]]
        ran = catalens(*command, interrupt_after_s=moment_s).check(0, 130)
        if ran.code == 130:
            last = ran.stderr.splitlines()[-1]  # the service logs before
            # `index add` says what it kept, if it had begun.
            kept = name == "add" and last.endswith(b", and the same command continues from here")
            assert last == b"interrupted" or kept, last


class TestStandardStreams:
    @pytest.mark.parametrize("command", ["--help", "--version", "tag --help", "index add --help", "models"])
    @pytest.mark.parametrize("stream", [">/dev/full", ">&-"])
    def test_output_that_cannot_be_written_is_named(self, command: str, stream: str) -> None:
        ran = shell(f"{command} {stream}")
        assert ran.returncode == 2
        assert ran.stderr.startswith("error: standard output cannot be written: ")
        assert ran.stderr.count("\n") == 1

    @pytest.mark.parametrize("command", ["--help", "tag --help", "models"])
    def test_a_reader_that_left_is_no_error(self, command: str) -> None:
        ran = shell(f"{command} | true; echo ${{PIPESTATUS[0]}}")
        assert (ran.stdout, ran.stderr) == ("0\n", "")

    @pytest.mark.parametrize("stream", ["2>/dev/full", "2>&-"])
    def test_messages_that_nobody_reads_change_no_exit_code(self, stream: str, places: dict[str, Path]) -> None:
        assert shell(f"nonsense {stream}").returncode == 2
        assert shell(f"tag {places['PHOTOS']} --labels red,blue {stream}").returncode == 0

    def test_a_closed_output_is_not_written_into_another_file(self, places: dict[str, Path], tmp_path: Path) -> None:
        """The first file that is opened would get the free descriptor."""
        out = tmp_path / "vectors.npz"
        assert shell(f"embed {places['PHOTOS']} --out {out} >&- 2>&-").returncode in (0, 2)
        assert not out.exists() or out.read_bytes().startswith(b"PK")


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"{sys.executable} -m catalens {command}"], capture_output=True, text=True, check=False
    )
