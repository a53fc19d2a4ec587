"""A pretrained encoder on a processor, compiled once: its bundle is kept, and loading that needs no torch."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from catalens.core.errors import ModelError
from catalens.models.bundle import BundleEncoder, load_bundle
from catalens.models.facts import FACTS, FORMAT, Precision

if TYPE_CHECKING:
    from catalens.models.parts import EncoderParts

PRECISION: Precision = "bf16"
"""Measured as fast as any and close to float32 (docs/decisions); where bfloat16 is missing, it is float32."""


def compiled_folder(cache: Path, name: str, revision: str) -> Path:
    """Give the folder in which a model's compiled form belongs, there already or not.

    Args:
        cache: the folder for things that can be made again.
        name: as a user gives it.
        revision: the commit, or a hash of the weights.

    >>> compiled_folder(Path("cache"), "openai/clip-vit-base-patch32", "3d74acf").as_posix()
    'cache/compiled/openai-clip-vit-base-patch32@3d74acf-bf16-3'
    """
    plain = re.sub(r"[^0-9A-Za-z.-]+", "-", name)
    return cache / "compiled" / f"{plain}@{revision}-{PRECISION}-{FORMAT.rpartition('/')[2]}"


def is_compiled(folder: Path) -> bool:
    """Say whether a bundle is there: `bundle.json` is the last file that is written."""
    return (folder / FACTS).is_file()


def compiled_encoder(parts: EncoderParts, folder: Path, runtime: str, threads: int | None) -> BundleEncoder:
    """Compile a model, keep it, and load it.

    Args:
        parts: the model.
        folder: from `compiled_folder`.
        runtime: "auto", "onnxruntime" or "openvino".
        threads: processor threads; None uses every core.

    Raises:
        InputError: no runtime is called so.
        ModelError: the model cannot be compiled or kept, or what was kept is damaged.
    """
    from catalens.models.export import beside, settle, write_bundle

    try:
        made = beside(folder)
        try:
            write_bundle(parts, made, PRECISION)
            settle(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        # Another process may have been sooner: its bundle is as good as ours.
        if not is_compiled(folder):
            raise ModelError(f"{parts.name} cannot be kept in {folder}: {error}") from error
    return load_bundle(folder, runtime=runtime, threads=threads)
