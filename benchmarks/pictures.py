"""JPEG files to read: real products where the tables are there, drawn ones elsewhere and for large pictures."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from catalens.demo.drawn import draw_catalogue

LARGE_WH = (900, 1200)
_DRAWN = 34
"""Different drawings; more files repeat them with other grain."""


def write_small(folder: Path, n: int, data: Path) -> str:
    """Write n small JPEG files and say what they are."""
    table = data / "fashion" / "val.parquet"
    if table.is_file() and find_spec("pyarrow"):
        _write(folder, islice(_stored(table), n))
        return "product photographs of 60x80 and 150x200"
    _write_drawn(folder, n, (150, 200))
    return "drawn products of 150x200"


def write_large(folder: Path, n: int) -> str:
    """Write n large JPEG files and say what they are."""
    _write_drawn(folder, n, LARGE_WH)
    return "drawn products of 900x1200"


def _stored(table: Path) -> Iterator[bytes]:
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(table).iter_batches(256, columns=["image"]):
        for row in batch.column(0).to_pylist():
            yield row["bytes"]


def _write(folder: Path, contents: Iterator[bytes]) -> None:
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / f"{number:05d}.jpg").write_bytes(content)


def _write_drawn(folder: Path, n: int, size_wh: tuple[int, int]) -> None:
    """Save drawings with the grain of a photograph, without which a JPEG would be decoded too easily."""
    folder.mkdir()
    drawings = [each.picture.resize(size_wh, Image.Resampling.LANCZOS) for each in draw_catalogue(min(n, _DRAWN))]
    for number in range(n):
        pixels = np.asarray(drawings[number % len(drawings)], dtype=np.int16)
        rng = np.random.default_rng(number)
        grain = rng.integers(-6, 7, (*pixels.shape[:2], 1), dtype=np.int16)
        Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(folder / f"{number:05d}.jpg", quality=88)
