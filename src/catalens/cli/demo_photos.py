"""The demo's real photographs: those in scikit-image's wheel, with the tags and the caption of each."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli import output
from catalens.cli.options import session_for
from catalens.cli.records import save_picture

if TYPE_CHECKING:
    from catalens.core.types import Record
    from catalens.pipelines.stages import Values

FILES = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg", "motorcycle_left.png", "camera.png")
"""Freely licensed photographs in scikit-image's wheel."""
_TAGS = 4


def demo_photos() -> list[Path]:
    """Return scikit-image's photographs; none where it is not installed."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "data"
    return [file for file in (folder / name for name in FILES) if file.is_file()]


def read_photos(files: Sequence[Path]) -> list[tuple[Record, Values]]:
    """Tag and caption photographs with the bundled models."""
    from catalens.pipelines.captioning import CaptionStage
    from catalens.pipelines.engine import Callbacks, run_job
    from catalens.pipelines.pictures import entries_of
    from catalens.pipelines.tagging import TagStage

    found: list[tuple[Record, Values]] = []
    run_job(
        entries_of(files),
        [TagStage(top=_TAGS), CaptionStage()],
        session=session_for(),
        callbacks=Callbacks(on_result=lambda record, values: found.append((record, values))),
    )
    return found


def show_photos(files: Sequence[Path], out: Path) -> None:
    """Print the tags and the caption of each photograph, and write them on a contact sheet."""
    from catalens.render.contact_sheet import Cell, contact_sheet

    found = read_photos(files)
    rows = [
        (
            Path(record.source).name,
            " · ".join(f"{each['label']} {each['score']:.2f}" for each in values["tags"]) or "unknown",
            values["caption"],
            values["encoder"],
        )
        for record, values in found
    ]
    output.show_rows(rows, "photograph", "tags", "caption", "encoder", title="Photographs")
    cells = [Cell(Path(record.source), values["caption"]) for record, values in found]
    save_picture(contact_sheet(cells, title="Photographs and their captions", columns=3), out / "photographs.png")
