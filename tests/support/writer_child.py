"""Works on catalogues in processes that are killed, and says of each step that it is acknowledged.

Importing takes far longer than any of the work, so it is done once. A line "job, path, number to begin with, steps,
seconds" forks a process for the job, which is killed so many seconds after so many steps were acknowledged, those of no
step being counted from its very start. Then the acknowledged steps are printed, and "end" with the exit code.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from itertools import count

import numpy as np

from catalens.catalogue.index import EmbeddedIndex
from catalens.core.types import FieldValue, Record, Vectors
from catalens.core.vectors import unit_rows

SIZE = 20
DIM = 32


def batch_ids(batch: int) -> list[str]:
    return [f"{batch}-{at}" for at in range(SIZE)]


def batch_records(batch: int) -> list[Record]:
    """Records of this batch, and one that each batch replaces."""
    fields: dict[str, FieldValue] = {"title": f"batch {batch}", "batch": batch}
    return [Record(one, "", fields) for one in [*batch_ids(batch), "latest"]]


def batch_vectors(batch: int, dim: int = DIM) -> Vectors:
    return unit_rows(np.random.default_rng(batch).standard_normal((SIZE + 1, DIM))[:, :dim])


def encoder_at(step: int) -> tuple[str, int]:
    """The encoder that a catalogue is brought to in a step, and its width."""
    return f"enc{step}", (DIM, 8)[step % 2]


def write(path: str, first: int) -> None:
    """Make the catalogue, add batch after batch, and remove the one before; now and then with a graph."""
    with EmbeddedIndex.open(path, encoder_name="enc0", dim=DIM) as index:
        for batch in count(first):
            index.add(batch_records(batch), batch_vectors(batch), ["hash"] * (SIZE + 1))
            say(f"+{batch}")
            if batch > first:
                index.remove(batch_ids(batch - 1))
                say(f"-{batch - 1}")
            if batch % 5 == 3:
                index.build_graph()
            if batch % 15 == 8:
                index.drop_graph()


def reencode(path: str, first: int) -> None:
    """Bring the catalogue to one encoder after the other; now and then with a graph."""
    with EmbeddedIndex.open(path) as index:
        batches = sorted({int(record.id.split("-")[0]) for record in index.records() if record.id != "latest"})
        for step in count(first):
            name, dim = encoder_at(step)
            index.reencode(name, dim, (([*batch_ids(batch), "latest"], batch_vectors(batch, dim)) for batch in batches))
            say(str(step))
            if step % 3 == 2:
                index.build_graph()


JOBS: dict[str, Callable[[str, int], None]] = {"write": write, "reencode": reencode}


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())  # at once, and whole or not at all


def run_and_kill(job: str, path: str, first: int, steps: int, after_s: float) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writing, 1)
        try:
            JOBS[job](path, first)
        except BaseException:  # noqa: BLE001 - it must not go on as its parent
            traceback.print_exc()
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as said:
        lines = [said.readline() for _ in range(steps)]
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
        lines += said.readlines()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.stdout.write(f"{''.join(lines)}end {code}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for line in sys.stdin:
        job, path, first, steps, after_s = line.rstrip("\n").split("\t")
        run_and_kill(job, path, int(first), int(steps), float(after_s))
