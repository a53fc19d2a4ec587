"""Captions a folder in a table and sidecars, a little at a time, and says how far it is, until it is killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalens.catalogue.sources import open_source
from catalens.pipelines.engine import run_job
from catalens.pipelines.journal import Journal
from catalens.pipelines.result_table import Table
from catalens.pipelines.session import Session
from catalens.pipelines.sidecars import Sidecars
from catalens.pipelines.stages import Picture, Step, Values

COLUMNS = {"image": "image", "caption": "caption"}


def caption(pictures: Sequence[Picture]) -> list[Values]:
    print(*(picture.record.id for picture in pictures), flush=True)  # noqa: T201
    time.sleep(0.004)
    return [{"caption": f"a picture called {picture.record.id}"} for picture in pictures]


@dataclass(frozen=True)
class CaptionNames:
    """Captions that say the picture's id, three pictures at a time."""

    name: str = "captions"
    gives: tuple[str, ...] = ("caption",)

    def load(self, _session: Session) -> Step:
        return Step(caption, batch_size=3)


def caption_folder(folder: Path) -> None:
    """Append a caption to the text of each picture, and write the table."""
    run_job(
        open_source(folder / "photos"),
        [CaptionNames()],
        [
            Sidecars("caption", if_exists="append"),
            Table(folder / "captions.csv", "caption", columns=COLUMNS, if_exists="append"),
        ],
        journal=Journal(folder / "captions.csv.part", "captions"),
    )


if __name__ == "__main__":
    caption_folder(Path(sys.argv[1]))
