"""Writes batches to a catalogue and prints each one's number once it is acknowledged, until it is killed."""

from __future__ import annotations

import sys

import numpy as np

from catalens.catalogue.index import EmbeddedIndex
from catalens.core.types import FieldValue, Record, Vectors
from catalens.core.vectors import unit_rows

DIM = 32
SIZE = 20


def batch_ids(batch: int) -> list[str]:
    return [f"{batch}-{at}" for at in range(SIZE)]


def batch_vectors(batch: int) -> Vectors:
    return unit_rows(np.random.default_rng(batch).standard_normal((SIZE + 1, DIM)))


def write_batches(path: str, first: int) -> None:
    with EmbeddedIndex.open(path, encoder_name="enc", dim=DIM) as index:
        for batch in range(first, 1_000_000):
            fields: dict[str, FieldValue] = {"title": f"batch {batch}", "batch": batch}
            records = [Record(one, "", fields) for one in [*batch_ids(batch), "latest"]]
            index.add(records, batch_vectors(batch), ["hash"] * len(records))
            print(batch, flush=True)  # noqa: T201
            if batch % 25 == 24:
                index.build_graph()


if __name__ == "__main__":
    write_batches(sys.argv[1], int(sys.argv[2]))
