"""The labelled tables of the bundled models in small: a few rows each of random and drawn pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from catalens.demo.drawn import draw_catalogue
from tests.support.drawn_table import SCHEMA, jpeg, row, write_table

PICTURE = SCHEMA.field("image")
WORDS = ["a black dog runs in the snow", "two men sit on a bench", "a girl in a red dress", "a bird over the sea"]


def labelled(folder: Path, name: str, labels: list[str], **more: list[str]) -> None:
    """Write a wild table of random pictures."""
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)) for _ in labels]
    rows = [
        {"id": f"{name} {at}", "image": {"bytes": jpeg(pictures[at], (60, 40)), "path": ""}, "label": label}
        | {key: values[at] for key, values in more.items()}
        for at, label in enumerate(labels)
    ]
    schema = pa.schema([("id", pa.string()), PICTURE, ("label", pa.string()), *((key, pa.string()) for key in more)])
    write_table(folder / "wild" / f"{name}.parquet", rows, schema)


def write_small_tables(folder: Path) -> None:
    """Write the wild tables, photographs with captions, and drawn products to train on and to validate on."""
    labelled(folder, "clothing", ["Dress", "Shirt", "Hat"] * 6)
    labelled(folder, "grocery", ["Kiwi", "Regular-Tomato"] * 8, coarse=["Kiwi", "Tomato"] * 8)
    labelled(folder, "objects", ["tench", "crane", "hen"])
    captioned = pa.schema([("id", pa.string()), PICTURE, ("captions", pa.list_(pa.string()))])
    rng = np.random.default_rng(1)
    for split, n in (("train", 8), ("val", 4)):
        noise = [Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(n)]
        rows = [
            {"id": str(at), "image": {"bytes": jpeg(noise[at], (40, 40)), "path": ""}, "captions": [WORDS[at % 4]] * 2}
            for at in range(n)
        ]
        write_table(folder / "everyday" / f"{split}.parquet", rows, captioned)
    drawn = list(draw_catalogue(8))
    for split in ("train-1", "val"):
        write_table(folder / "fashion" / f"{split}.parquet", [row(at, drawn[at]) for at in range(8)])
