"""The demo's real photographs: those in scikit-image's wheel, tagged and captioned with the bundled models."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from PIL.Image import Image

from catalens.core.types import Record
from catalens.pipelines.captioning import CaptionStage
from catalens.pipelines.engine import run_job
from catalens.pipelines.events import Callbacks
from catalens.pipelines.pictures import entries_of
from catalens.pipelines.session import Session
from catalens.pipelines.stages import Values
from catalens.pipelines.tagging import TagStage
from catalens.render.contact_sheet import Cell, contact_sheet

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


def read_photos(files: Sequence[Path], session: Session) -> list[tuple[Record, Values]]:
    """Return the records and values of photographs that were tagged and captioned."""
    found: list[tuple[Record, Values]] = []
    run_job(
        entries_of(files),
        [TagStage(top=_TAGS), CaptionStage()],
        session=session,
        callbacks=Callbacks(on_result=lambda record, values: found.append((record, values))),
    )
    return found


def photo_sheet(found: Sequence[tuple[Record, Values]]) -> Image:
    """Return photographs with their captions as a contact sheet."""
    cells = [Cell(Path(record.source), values["caption"]) for record, values in found]
    return contact_sheet(cells, title="Photographs and their captions", columns=3)
