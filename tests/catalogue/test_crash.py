"""SIGKILL at random moments: nothing acknowledged is lost, nothing is half there, nothing is corrupt."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import writer_child
from writer_child import DIM, SIZE, batch_ids, batch_vectors

from catalens.catalogue.index import EmbeddedIndex

KILLS = 10


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "c.catalogue"
    moments = random.Random(7)
    acknowledged: list[int] = []
    for _ in range(KILLS):
        acknowledged += run_and_kill(path, first=max(acknowledged, default=-1) + 2, after_s=moments.uniform(0, 0.15))
        (tmp_path / "c.catalogue.01234567.hnsw").write_bytes(os.urandom(5000))  # as if a graph had been cut off
        check(path, acknowledged)
    assert len(acknowledged) > KILLS


def run_and_kill(path: Path, first: int, after_s: float) -> list[int]:
    """Let a child write from a batch number on; kill it some time after its first acknowledgement."""
    command = [sys.executable, writer_child.__file__, str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first_line = child.stdout.readline()
        time.sleep(after_s)
        child.kill()
        lines = [first_line, *child.stdout.read().split("\n")[:-1]]
    assert child.returncode == -signal.SIGKILL
    return [int(line) for line in lines]


def check(path: Path, acknowledged: list[int]) -> None:
    with EmbeddedIndex.open(path, encoder_name="enc", dim=DIM) as index:
        there = {int(record.id.split("-")[0]) for record in index.records() if record.id != "latest"}
        assert set(acknowledged) <= there
        assert len(index) == SIZE * len(there) + 1, "a batch is half there"
        for batch in there:
            assert index.vectors(batch_ids(batch)) == pytest.approx(batch_vectors(batch)[:SIZE], abs=1e-3)
        newest = max(there)
        (latest,) = index.get(["latest"])
        assert latest is not None
        assert latest.fields["batch"] == newest
        assert index.query(batch_vectors(newest)[0], 1)[0].record.id == f"{newest}-0"
        assert len(index.keyword(f"{newest}", 100)) >= SIZE + 1
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("record", "vector", "words")]
    assert len(set(counts)) == 1
    connection.close()
