"""The files of a support, beside its reader: `support.json`, and `support.npz` with its arrays as bytes."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalens.core.errors import ModelError
from catalens.core.files import write_text_atomically
from catalens.core.types import Vectors
from catalens.models.json_files import load_json
from catalens.models.readers.support import LEAST, Support, SupportConfig, Thing

_FILES = ("support.json", "support.npz")


def save_support(
    folder: Path, encoder_name: str, config: SupportConfig, weights: NDArray[np.float32], classes: Vectors
) -> None:
    """Write a support beside a reader, its arrays as bytes with a scale for each word and each class."""
    stored = io.BytesIO()
    words, word_scales = _as_bytes(weights.T)
    rows, row_scales = _as_bytes(classes)
    np.savez_compressed(stored, words=words, word_scales=word_scales, classes=rows, class_scales=row_scales)
    (folder / _FILES[1]).write_bytes(stored.getvalue())
    body = {
        "encoder": encoder_name,
        "sha256": hashlib.sha256(stored.getvalue()).hexdigest(),
        "scale": config.scale,
        "least": dict(config.least),
        "words": list(config.words),
        "kinds": dict(config.kinds),
        "rivals": sorted(config.rivals),
        "things": {thing.name: list(thing.classes) for thing in config.things},
    }
    write_text_atomically(folder / _FILES[0], json.dumps(body) + "\n")


def load_support(folder: Path, encoder_name: str) -> Support | None:
    """Read the support beside a reader; None if there is none.

    Raises:
        ModelError: a file is damaged, or was learned with another encoder.
    """
    facts, arrays = (folder / name for name in _FILES)
    if not facts.is_file():
        return None
    try:
        body, stored = load_json(facts), arrays.read_bytes()
        config = SupportConfig(
            words=tuple(map(str, body["words"])),
            kinds={str(name): str(word) for name, word in body["kinds"].items()},
            rivals=frozenset(map(int, body["rivals"])),
            things=tuple(Thing(str(name), tuple(map(int, classes))) for name, classes in body["things"].items()),
            scale=float(body["scale"]),
            least={kind: float(body["least"][kind]) for kind in LEAST},
        )
        if body["sha256"] != hashlib.sha256(stored).hexdigest():
            raise ModelError(f"{arrays} is damaged or not the file {facts.name} was made with")
        if body["encoder"] != encoder_name:
            raise ModelError(
                f"{facts} was learned with {body['encoder']}, not {encoder_name}; delete it or learn it again"
            )
        with np.load(io.BytesIO(stored), allow_pickle=False) as found:
            weights = (found["words"] * found["word_scales"]).T
            return Support(config, weights, found["classes"] * found["class_scales"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{facts} cannot be used: {error!r}") from error


def _as_bytes(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return rows as bytes, and the scale of each row (n, 1)."""
    scales = np.maximum(np.abs(rows).max(axis=1, keepdims=True, initial=0.0), np.finfo(np.float32).tiny) / 127
    return np.rint(rows / scales).astype(np.int8), scales.astype(np.float32)
