"""Captions a folder in a table and sidecars, a little at a time, and says how far it is, until it is killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from catalens.catalogue.sources import open_source
from catalens.pipelines.engine import Journal, Picture, Stage, Step, Values, run_job
from catalens.pipelines.result_table import Table
from catalens.pipelines.sidecars import Sidecars

COLUMNS = {"image": "image", "caption": "caption"}


def caption(pictures: Sequence[Picture]) -> list[Values]:
    print(*(picture.record.id for picture in pictures), flush=True)  # noqa: T201
    time.sleep(0.004)
    return [{"caption": f"a picture called {picture.record.id}"} for picture in pictures]


def caption_folder(folder: Path) -> None:
    """Append a caption to the text of each picture, and write the table."""
    run_job(
        open_source(folder / "photos"),
        [Stage("captions", lambda: Step(caption, batch_size=3))],
        [
            Sidecars("caption", if_exists="append"),
            Table(folder / "captions.csv", "caption", columns=COLUMNS, if_exists="append"),
        ],
        journal=Journal(folder / "captions.csv.part", "captions"),
    )


if __name__ == "__main__":
    caption_folder(Path(sys.argv[1]))
