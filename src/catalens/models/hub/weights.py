"""Loads the weights of a transformers model from a folder: completely, safely and quietly."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catalens.core.errors import ModelError
from catalens.models.hub.files import is_unsafe_pickle, unsafe_pickle, why_unloadable
from catalens.models.hub.layout import DECIDING_FILES, Layout
from catalens.models.own_code import without_own_code


def load_transformers(kind: Any, layout: Layout) -> Any:
    """Load a model in float32, for inference.

    Args:
        kind: a model class of transformers.
        layout: of the model: safetensors, or pickled weights that contain numbers only.

    Raises:
        ModelError: weights are missing or do not fit: random weights would go unnoticed.
    """
    try:
        with quiet_transformers(), without_own_code():
            model, info = kind.from_pretrained(
                str(layout.folder),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=".safetensors" in layout.weights[0].name,
                weights_only=True,
                dtype="float32",
                output_loading_info=True,
            )
    except Exception as error:
        if is_unsafe_pickle(error):
            raise unsafe_pickle(layout.weights[0]) from error
        raise ModelError(
            f"{layout.folder} cannot be loaded as a {kind.__name__}: {why_unloadable(error, layout.folder)}"
        ) from error
    if info["missing_keys"]:
        some = ", ".join(sorted(map(str, info["missing_keys"]))[:3])
        raise ModelError(f"{layout.weights[0]} lacks weights of a {kind.__name__}, such as {some}")
    return model.eval().requires_grad_(requires_grad=False)


def save_transformers(model: Any, layout: Layout, folder: Path) -> None:
    """Write a model of transformers with the weights that it has now, and the files beside them as they were.

    Args:
        model: loaded from the layout.
        layout: of the model's own folder.
        folder: to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in DECIDING_FILES:
        if (layout.folder / name).is_file():
            shutil.copy2(layout.folder / name, folder / name)
    with quiet_transformers():
        model.save_pretrained(str(folder))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers while it loads: progress bars, notes about unused weights, warnings about later versions."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
