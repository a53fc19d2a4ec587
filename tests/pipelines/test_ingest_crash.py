"""SIGKILL at random moments: nothing acknowledged is lost, nothing is half there, nothing is corrupt."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalens.catalogue.index import EmbeddedIndex
from catalens.core.errors import CatalogueError
from tests.support import writer_child
from tests.support.writer_child import SIZE, batch_ids, batch_records, batch_vectors, encoder_at

Kill = Callable[[str, Path, int, int, float], list[str]]
"""Job, catalogue, number to begin with, steps and seconds after them until the job is killed → what it acknowledged."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here"),
]


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    command = [sys.executable, writer_child.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        sent, said = child.stdin, child.stdout
        assert sent is not None
        assert said is not None

        def run_and_kill(job: str, path: Path, first: int, steps: int, after_s: float) -> list[str]:
            sent.write(f"{job}\t{path}\t{first}\t{steps}\t{after_s}\n")
            sent.flush()
            lines = []
            while not (line := said.readline()).startswith("end"):
                assert line, "the parent of the jobs is gone"
                lines.append(line.rstrip("\n"))
            assert line == f"end {-signal.SIGKILL}\n", "the job ended by itself"
            return lines

        yield run_and_kill


def test_a_writer_killed_while_it_makes_the_catalogue_leaves_one_or_none(tmp_path: Path, kill: Kill) -> None:
    moments = random.Random(5)
    for attempt in range(8):
        path = tmp_path / f"{attempt}.catalogue"
        said = kill("write", path, 0, 0, 10 ** moments.uniform(-3.5, -1))
        try:
            EmbeddedIndex.open(path).close()
        except CatalogueError:
            assert not said, "what was acknowledged cannot be opened"
        there = check(path, set(), said)
        write_on(path, 1000)
        check(path, there, ["+1000"])


def test_a_killed_writer_loses_nothing_it_acknowledged_and_keeps_nothing_it_removed(tmp_path: Path, kill: Kill) -> None:
    path = tmp_path / "c.catalogue"
    moments = random.Random(7)
    there: set[int] = set()
    for _ in range(8):
        steps = moments.randrange(6)
        said = kill("write", path, max(there, default=-1) + 2, steps, moments.uniform(0, 0.03))
        assert len(said) >= steps
        (tmp_path / "c.catalogue.01234567.hnsw").write_bytes(os.urandom(5000))  # as if a graph had been cut off
        there = check(path, there, said)


def test_a_catalogue_whose_reencoding_is_killed_is_of_one_encoder_or_the_other(tmp_path: Path, kill: Kill) -> None:
    path = tmp_path / "c.catalogue"
    moments = random.Random(9)
    step = 0
    write_on(path, *range(10))
    for batch in range(10, 16):
        said = kill("reencode", path, step + 1, moments.randrange(3), moments.uniform(0, 0.03))
        assert [int(line) for line in said] == list(range(step + 1, step + 1 + len(said)))
        with EmbeddedIndex.open(path) as index:
            step += len(said) + (index.encoder_name == encoder_at(step + len(said) + 1)[0])
        check(path, set(range(batch)), [], step)
        write_on(path, batch, step=step)
    check(path, set(range(16)), [], step)
    assert step > 0


def write_on(path: Path, *batches: int, step: int = 0) -> None:
    name, dim = encoder_at(step)
    with EmbeddedIndex.open(path, encoder_name=name, dim=dim) as index:
        for batch in batches:
            index.add(batch_records(batch), batch_vectors(batch, dim))


def check(path: Path, before: set[int], said: list[str], step: int = 0) -> set[int]:
    """Judge a catalogue that held some batches before a job said what it did; give the batches that it holds now."""
    expected = set(before)
    for line in said:
        (expected.add if line[0] == "+" else expected.discard)(int(line[1:]))
    name, dim = encoder_at(step)
    with EmbeddedIndex.open(path, encoder_name=name, dim=dim) as index:
        ids = {record.id for record in index.records()} - {"latest"}
        there = {int(one.split("-")[0]) for one in ids}
        assert len(there ^ expected) <= 1, "more than the step that was cut off is not as it was acknowledged"
        assert ids == {one for batch in there for one in batch_ids(batch)}, "a batch is half there"
        for batch in there:
            assert index.vectors(batch_ids(batch)) == pytest.approx(batch_vectors(batch, dim)[:SIZE], abs=1e-3)
        assert {record.id for record in index.keyword("batch", 100_000)} - {"latest"} == ids
        (latest,) = index.get(["latest"])
        assert (latest is None) == (not there), "what replaces a record and what it replaces are both gone"
        if latest is not None:
            newest = max(there)
            assert latest.fields["batch"] == newest
            assert index.query(batch_vectors(newest, dim)[:1], 1)[0][0].record.id == f"{newest}-0"
            assert {record.id for record in index.keyword(f"{newest}", 100)} >= {*batch_ids(newest), "latest"}
    check_tables(path)
    return there


def check_tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("record", "vector", "words")]
    assert len(set(counts)) == 1
    connection.close()
