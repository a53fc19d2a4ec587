"""SIGKILL at random moments: shards hold exactly one row per item, and little is done twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support import enrich_child
from tests.support.enrich_child import enrich_folder
from tests.support.shards import rows_of

pytestmark = pytest.mark.slow

PICTURES, KILLS = 90, 4


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_killed_runs_leave_one_row_per_item(tmp_path: Path, format: Any) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(PICTURES):
        Image.new("RGB", (number + 1, 2)).save(photos / f"{number:03}.png")
    moments = random.Random(3)
    seen: Counter[str] = Counter()
    for _ in range(KILLS):
        seen.update(killed_run(tmp_path, format, after_s=moments.uniform(0.005, 0.05)))
    enrich_folder(tmp_path, format)
    assert seen.total() - len(seen) <= 3 * KILLS, "only the batch at a kill is done again"
    rows = rows_of(tmp_path / "out")
    assert [row["id"] for row in rows] == [f"{number:03}.png" for number in range(PICTURES)]
    assert [row["caption"] for row in rows] == [f"picture {number:03}.png" for number in range(PICTURES)]
    assert [row["vector"][0] for row in rows] == [number + 1 for number in range(PICTURES)]
    assert not (tmp_path / "out" / "_open.jsonl").exists()
    assert not list(tmp_path.rglob("*.part"))


def killed_run(folder: Path, format: str, after_s: float) -> list[str]:
    """Let a child work, kill it some time after its first batch, and return what it looked at."""
    command = [sys.executable, enrich_child.__file__, str(folder), format]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(after_s)
        child.kill()
        words = (first + child.stdout.read()).split()
    assert child.returncode == -signal.SIGKILL
    return words
