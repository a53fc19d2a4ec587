"""SIGKILL at random moments: a caption job goes on, does little twice, and leaves nothing half-written or doubled."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.support import caption_child
from tests.support.caption_child import caption_folder

pytestmark = pytest.mark.slow

PICTURES = 120
KILLS = 3


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_killed_job_goes_on_where_it_was(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(PICTURES):
        Image.new("RGB", (2, 2), (number, 0, 0)).save(photos / f"{number:03}.png")
        (photos / f"{number:03}.txt").write_text("known\n")
    moments = random.Random(7)
    captioned: Counter[str] = Counter()
    kills = 0
    for _ in range(KILLS):
        words, killed = run_and_kill(tmp_path, after_s=moments.uniform(0.01, 0.06))
        captioned.update(words)
        kills += killed
        for sidecar in photos.glob("*.txt"):
            assert sidecar.read_text() in ("known\n", f"known, a picture called {sidecar.stem}.png\n")
        assert not (tmp_path / "captions.csv").exists() or not killed
    caption_folder(tmp_path)
    assert kills == KILLS
    assert captioned.total() - len(captioned) <= 3 * KILLS, "only what was being done at a kill is done again"
    assert sorted(path.read_text() for path in photos.glob("*.txt")) == [
        f"known, a picture called {number:03}.png\n" for number in range(PICTURES)
    ]
    with (tmp_path / "captions.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["image", "caption"]] + [
        [f"photos/{number:03}.png", f"a picture called {number:03}.png"] for number in range(PICTURES)
    ]
    assert not list(tmp_path.rglob("*.part"))


def run_and_kill(folder: Path, after_s: float) -> tuple[list[str], bool]:
    """Let a child caption; kill it some time after its first batch. Gives what it captioned, and whether it lived."""
    command = [sys.executable, caption_child.__file__, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first_line = child.stdout.readline()
        time.sleep(after_s)
        child.kill()
        lines = [first_line, *child.stdout.read().splitlines()]
    return " ".join(lines).split(), child.returncode == -signal.SIGKILL
