"""Compiles a pretrained encoder for the CPU once: its bundle is cached, and loading that needs no torch."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from catalens.models.bundle import load_bundle
from catalens.models.facts import FACTS, FORMAT, GRAPHS, Precision
from catalens.models.runtime import Graph, choose_runtime, load_graph

if TYPE_CHECKING:
    from catalens.models.parts import EncoderParts

PRECISION: Precision = "bf16"
"""Close to float32; computed in float32 where the processor has no bfloat16."""
LEAST_COSINE = 0.999
"""The image graph is computed in 8 bits if its vectors of a few synthetic images agree with float32 to this cosine."""
LEAST_GAIN = 1.2
"""Least speed-up for which 8 bits are used."""
LEAST_BYTES = 10 * 10**6
"""Least size of an image graph for which 8 bits are tried. A smaller one takes a millisecond, so that chance would
decide which of two models with the same image tower is computed in 8 bits."""

_COMPILERS = ("compiled.py", "export.py", "facts.py", "parts.py", "weights.py", "hub/*.py")
"""Our own code that decides what is compiled, of a model and of its preprocessing."""


@cache
def _code_digest() -> str:
    """Return a digest of the code that compiles: another version of it compiles again."""
    here = Path(__file__).parent
    digest = hashlib.sha256(version("catalens").encode())
    for file in sorted(each for pattern in _COMPILERS for each in here.glob(pattern)):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def compiled_folder(cache: Path, name: str, revision: str) -> Path:
    """Return the folder in which a model's compiled form belongs, there already or not.

    Args:
        cache: the folder for things that can be made again.
        name: as the user wrote it.
        revision: the commit, or a hash of the model's files.

    >>> compiled_folder(Path("cache"), "openai/clip-vit-base-patch32", "3d74acf").as_posix()  # doctest: +ELLIPSIS
    'cache/compiled/openai-clip-vit-base-patch32@3d74acf-bf16-3-...'
    """
    plain = re.sub(r"[^0-9A-Za-z.-]+", "-", name)
    return cache / "compiled" / f"{plain}@{revision}-{PRECISION}-{FORMAT.rpartition('/')[2]}-{_code_digest()}"


def is_compiled(folder: Path) -> bool:
    """Return whether the bundle exists: `bundle.json` is written last."""
    return (folder / FACTS).is_file()


def compile_bundle(parts: EncoderParts, folder: Path, runtime: str, threads: int | None) -> None:
    """Compile a model into its folder of the cache.

    Args:
        parts: the model.
        folder: from `compiled_folder`.
        runtime: "auto", "onnxruntime" or "openvino".
        threads: processor threads; None uses every core.

    Raises:
        InputError: the runtime is unknown.
        ModelError: the model cannot be compiled.
        OSError: the cache cannot be written.
    """
    from catalens.models.export import beside, settle, write_bundle

    made = beside(folder)
    try:
        write_bundle(parts, made, PRECISION)
        _try_bytes(parts, made, runtime, threads)
        load_bundle(made, runtime=runtime, threads=threads).check()
        settle(made, folder)
    except OSError:
        # Another process may have been sooner: its bundle is as good as ours.
        if not is_compiled(folder):
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _try_bytes(parts: EncoderParts, folder: Path, runtime: str, threads: int | None) -> None:
    """Replace a bundle's image graph by an 8-bit one if it is large, and that agrees and is faster on this machine.

    The text graph stays as it is: its vectors would lose more, and packing has made it fast
    (docs/decisions/008-bytes.md).
    """
    from catalens.models.export import export_image, seal

    chosen, name = choose_runtime(runtime), GRAPHS[0]
    if sum(each.stat().st_size for each in folder.glob(f"{name}*")) < LEAST_BYTES:
        return
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        file = Path(place) / name
        export_image(parts.image, file, preprocess=parts.preprocess, precision="int8")
        pixels = _made_up(parts.preprocess.size_wh)
        exact = load_graph(folder / name, chosen, threads=threads, exact=True)
        halves, in_bytes = (load_graph(each, chosen, threads=threads) for each in (folder / name, file))
        agree = (_vectors(exact, pixels) * _vectors(in_bytes, pixels)).sum(axis=1).min() >= LEAST_COSINE
        if not agree or _gain((exact, halves), in_bytes, pixels) < LEAST_GAIN:
            return
        for old in folder.glob(f"{name}*"):
            old.unlink()
        for new in Path(place).iterdir():
            new.replace(folder / new.name)
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    seal(folder, {**facts, "precision": "int8"})


def _made_up(size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Return synthetic images with large shapes and fine grain, as photographs have: (4, height, width, 3)."""
    width, height = size_wh
    rng = np.random.default_rng(0)
    coarse = rng.random((4, 4, 4, 3)).repeat(-(-height // 4), axis=1).repeat(-(-width // 4), axis=2)
    pixels = coarse[:, :height, :width] * 200 + rng.random((4, height, width, 3)) * 55
    return pixels.astype(np.uint8)


def _vectors(graph: Graph, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    return graph.run({"pixels": pixels}, ["vectors"])["vectors"]


def _gain(slow: Sequence[Graph], fast: Graph, pixels: NDArray[np.uint8]) -> float:
    """Return how many times as long the fastest of the others takes; in turns, so that other work slows all."""
    turns = [[_seconds(graph, pixels) for graph in (fast, *slow)] for _ in range(5)]
    least_s: list[float] = [min(each) for each in zip(*turns, strict=True)]
    return min(least_s[1:]) / least_s[0]


def _seconds(graph: Graph, pixels: NDArray[np.uint8]) -> float:
    started_s = time.perf_counter()
    _vectors(graph, pixels)
    return time.perf_counter() - started_s
