"""The demo's real photographs: those that scikit-image carries, or the user's own; what is said of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.cli import output

if TYPE_CHECKING:
    from catalens.core.types import Record

CARRIED = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg", "motorcycle_left.png", "camera.png")
"""Freely licensed photographs in scikit-image's wheel."""
_TAGS = 4


@dataclass(frozen=True, slots=True)
class Read:
    """What is said of a photograph: tags with their probabilities, a caption, and the bundle that said it."""

    record: Record
    tags: Sequence[tuple[str, float]]
    caption: str
    encoder: str


def carried() -> list[Path]:
    """Return scikit-image's photographs; none where it is not installed."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "data"
    return [file for file in (folder / name for name in CARRIED) if file.is_file()]


def read_photographs(files: Sequence[Path]) -> list[Read]:
    """Tag and caption photographs, each with the shipped models that know its world."""
    from catalens.cli.attributes import schema_reader
    from catalens.cli.encoding import encoded
    from catalens.cli.inputs import entries
    from catalens.cli.worlds import Worlds
    from catalens.models.readers import load_reader
    from catalens.tasks.captions import clean_caption

    worlds = Worlds(lambda encoder, world: schema_reader(encoder, world, None, None))
    found: list[Read] = []
    with load_reader("starter") as reader:
        for batch in encoded(entries([str(file) for file in files]), worlds.encoder, whole=True):
            captions = reader.caption(reader.encode_images(batch.images))
            rows = zip(batch.records, worlds.read(batch.images, batch.vectors), captions, strict=True)
            for record, (encoder, answers), said in rows:
                tags = [(tag.label, tag.score) for each in answers.values() for tag in each.values]
                found.append(Read(record, tags[:_TAGS], clean_caption(said[0]), encoder))
    return found


def show_photographs(files: Sequence[Path], out: Path) -> None:
    """Print what is said of each photograph, and write it on a contact sheet."""
    from catalens.render.contact_sheet import Cell, contact_sheet

    found = read_photographs(files)
    rows = [
        (
            Path(each.record.source).name,
            " · ".join(f"{label} {score:.2f}" for label, score in each.tags) or "unknown",
            each.caption,
            each.encoder,
        )
        for each in found
    ]
    output.show_rows(rows, "photograph", "tags", "caption", "encoder", title="Photographs")
    cells = [Cell(Path(each.record.source), each.caption) for each in found]
    contact_sheet(cells, title="Photographs, and what is said of them", columns=3).save(out / "photographs.png")
