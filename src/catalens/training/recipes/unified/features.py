"""Encodes every training picture once with the frozen towers, in several views, and caches the features on disk.

`python -m catalens.training.recipes.unified.features --data DATA --out runs/unified`. A stopped run continues: every
chunk of 256 pictures is a file of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image as Picture

from catalens.models.registry import shipped
from catalens.training.fashion import read_goods, read_products
from catalens.training.pixels import nonsense, png, read_photographs
from catalens.training.recipes.unified.lite import SIDE, LiteTower, read_weights, weights_file
from catalens.training.recipes.unified.views import opened, pasted, squashed, varied
from catalens.training.recipes.unified.wild import read_wild
from catalens.training.tracing import to_openvino

CHUNK = 256
GOODS, NONSENSE = 1024, 256
"""Products and drawn pictures of nothing among the training pictures."""
PARTS = ("maps", "fine", "tops", "products")
"""Arrays of a chunk: cells, pooled finer maps and pooled last map of EfficientNet-Lite0, vectors of the starter."""


@dataclass(frozen=True, slots=True)
class Job:
    """Views of one set of pictures.

    Attributes:
        name: of the set.
        view: 0 for the pictures as they are; other numbers for random variations.
        products: whether the starter looks at them, too.
    """

    name: str
    view: int
    products: bool = True


JOBS = (
    *(Job(name, 0) for name in ("clothing-val", "grocery-val", "objects", "everyday-val", "clothing-train")),
    Job("everyday-train", 0, products=False),
    Job("clothing-train", 1),
    Job("grocery-train", 0, products=False),
    Job("nonsense", 0, products=False),
    Job("goods", 0),
    Job("goods", 1),
    *(Job("clothing-train", view, products=False) for view in (2, 3)),
    Job("goods", 2, products=False),
    Job("grocery-train", 1, products=False),
    Job("everyday-train", 1, products=False),
    *(Job("clothing-train", view, products=False) for view in (4, 5)),
    Job("goods", 3, products=False),
    *(Job("everyday-train", view, products=False) for view in (2, 3)),
)
"""What is looked at, in this order, so that a run that is stopped early has something of everything."""


def read_set(data: Path, name: str) -> list[bytes]:
    """Return the pictures of a set in the order of its table."""
    table, _, split = name.partition("-")
    if table == "everyday":
        return read_photographs(data, split)
    if table == "goods":
        return [each.picture for each in read_goods(data)[:GOODS]]
    if table == "fashion":
        return [each.picture for each in read_products(data / "fashion", split)]
    if table == "nonsense":
        return [png(each) for each in nonsense(NONSENSE, np.random.default_rng(5))]
    return [each.picture for each in read_wild(data, table, "val" if split == "val" or not split else "train")]


def view_of(job: Job, data: bytes, backgrounds: Sequence[bytes], rng: np.random.Generator) -> Picture:
    """Return one picture of a job: as it is, varied, or (a product) before another picture."""
    picture = opened(data)
    if job.view == 0:
        return picture
    if job.name == "goods":
        scene = pasted(picture, opened(backgrounds[int(rng.integers(len(backgrounds)))]), rng)
        if scene is not None:
            return varied(scene, rng, least_area=0.75)
    return varied(picture, rng)


class FeatureExtractor:
    """The two frozen towers, compiled."""

    def __init__(self, threads: int = 2) -> None:
        import openvino

        core = openvino.Core()
        core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"})
        tower = LiteTower(read_weights(weights_file()))
        self._lite = core.compile_model(to_openvino(tower, torch.zeros(1, SIDE, SIDE, 3).byte()), "CPU")
        self._starter = core.compile_model(core.read_model(shipped("starter") / "image.onnx"), "CPU")

    def look(self, pixels: NDArray[np.uint8], *, products: bool) -> dict[str, NDArray[np.float16]]:
        """Return the features of a batch (n, side, side, 3); the starter sees it reduced to 120 by 160."""
        lite: Any = self._lite(pixels)
        out = {name: np.asarray(lite[at]) for at, name in enumerate(PARTS[:3])}
        if products:
            out["products"] = np.asarray(self._starter(reduced(pixels))[0])
        return {name: value.astype(np.float16) for name, value in out.items()}


def resampler(old: int, new: int) -> NDArray[np.float32]:
    """Return the matrix (new, old) of a bicubic resize with antialiasing, as Pillow does it."""
    from PIL import Image

    unit = np.eye(old, dtype=np.float32)
    columns = [
        np.asarray(Image.fromarray(row[:, None], mode="F").resize((1, new), Image.Resampling.BICUBIC))[:, 0]
        for row in unit
    ]
    return np.stack(columns, axis=1)


def reduced(pixels: NDArray[np.uint8], size_hw: tuple[int, int] = (160, 120)) -> NDArray[np.uint8]:
    """Resize squashed pictures (n, side, side, 3) to the starter's input, (n, 160, 120, 3)."""
    down, across = (resampler(old, new) for old, new in zip(pixels.shape[1:3], size_hw, strict=True))
    rows = np.einsum("hH,nHWc->nhWc", down, pixels.astype(np.float32), optimize=True)
    both = np.einsum("wW,nhWc->nhwc", across, rows, optimize=True)
    out: NDArray[np.uint8] = np.clip(np.round(both), 0, 255).astype(np.uint8)
    return out


def run(
    job: Job, data: Path, out: Path, extractor: FeatureExtractor, backgrounds: Callable[[], Sequence[bytes]]
) -> None:
    """Extract the features of a job that are not there yet."""
    pictures = read_set(data, job.name)
    behind = backgrounds() if job.view and job.name == "goods" else []
    for start in range(0, len(pictures), CHUNK):
        file = chunk_file(out, job.name, job.view, start // CHUNK)
        if file.exists():
            continue
        rng = np.random.default_rng([job.view, start, sum(job.name.encode())])
        found: list[dict[str, NDArray[np.float16]]] = []
        for at in range(start, min(start + CHUNK, len(pictures)), 32):
            some = pictures[at : min(at + 32, start + CHUNK)]
            pixels = np.stack([squashed(view_of(job, each, behind, rng), SIDE) for each in some])
            found.append(extractor.look(pixels, products=job.products))
        part = file.with_suffix(".part")
        with part.open("wb") as opened_file:
            arrays: dict[str, Any] = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
            np.savez(opened_file, **arrays)
        part.replace(file)
    (out / "features" / f"{job.name}.{job.view}.done").touch()


def chunk_file(out: Path, name: str, view: int, number: int) -> Path:
    """Return the file of a chunk."""
    return out / "features" / f"{name}.{view}.{number:03d}.npz"


def read_features(out: Path, name: str, view: int, part: str) -> NDArray[np.float16] | None:
    """Return one array of a view of a set, or None where the view is not complete.

    Args:
        out: folder of the run.
        name: of the set.
        view: its number.
        part: one of `PARTS`.
    """
    folder = out / "features"
    if not (folder / f"{name}.{view}.done").exists():
        return None
    return np.concatenate([np.load(file)[part] for file in sorted(folder.glob(f"{name}.{view}.*.npz"))])


def main() -> None:
    """Run every job in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/unified"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    (options.out / "features").mkdir(parents=True, exist_ok=True)
    extractor = FeatureExtractor(options.threads)
    kept: list[bytes] = []

    def backgrounds() -> Sequence[bytes]:
        kept.extend(read_photographs(options.data) if not kept else [])
        return kept

    for job in JOBS:
        run(job, options.data, options.out, extractor, backgrounds)


if __name__ == "__main__":
    main()
