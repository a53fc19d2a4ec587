"""Enriches a folder into small shards, slowly, and says what it does, until it is killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalens.catalogue.sources import open_source
from catalens.pipelines.engine import run_job
from catalens.pipelines.session import Session
from catalens.pipelines.shards import ShardFormat, Shards
from catalens.pipelines.stages import Picture, Step, Values


def look(pictures: Sequence[Picture]) -> list[Values]:
    print(*(picture.record.id for picture in pictures), flush=True)  # noqa: T201
    time.sleep(0.002)
    return [{"caption": f"picture {each.record.id}", "vector": [float(each.pixels().width), 0.1]} for each in pictures]


@dataclass(frozen=True)
class Look:
    """A caption and a vector, three pictures at a time."""

    name: str = "captions"
    gives: tuple[str, ...] = ("caption", "vector")

    def load(self, _session: Session) -> Step:
        return Step(look, batch_size=3)


def enrich_folder(folder: Path, format: ShardFormat) -> None:
    """Write shards of seven rows."""
    columns = {"caption": "text", "vector": "vector"}
    shards = Shards(folder / "out", columns, plan=["look"], format=format, rows_per_shard=7)  # type: ignore[arg-type]
    run_job(open_source(folder / "photos"), [Look()], [shards])


if __name__ == "__main__":
    enrich_folder(Path(sys.argv[1]), sys.argv[2])  # type: ignore[arg-type]
