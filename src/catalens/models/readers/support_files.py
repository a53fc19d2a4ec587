"""The files of a support, beside its reader: `support.json`, and `support.npz` with its regressions as bytes.

The classes that it compares with are the first of the bundle's own.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalens.core.classes import THINGS, ClassSets
from catalens.core.errors import ModelError
from catalens.core.files import write_text_atomically
from catalens.models.class_files import CLASS_FILES, as_bytes, check_origin
from catalens.models.json_files import load_json
from catalens.models.readers.support import LEAST, Support, SupportConfig, Thing

SUPPORT_FILES = ("support.json", "support.npz")


def save_support(
    folder: Path, encoder_name: str, config: SupportConfig, weights: NDArray[np.float32], classes: int
) -> None:
    """Write a support beside a reader, its regressions as bytes with a scale for each word.

    Args:
        folder: of the reader.
        encoder_name: of the bundle's encoder.
        config: what the arrays mean, and thresholds.
        weights: (dim + 1, words): the regressions, their biases last.
        classes: how many of the bundle's classes, from the first on, are compared with an image.
    """
    stored = io.BytesIO()
    words, word_scales = as_bytes(weights.T)
    np.savez_compressed(stored, words=words, word_scales=word_scales)
    (folder / SUPPORT_FILES[1]).write_bytes(stored.getvalue())
    body = {
        "encoder": encoder_name,
        "sha256": hashlib.sha256(stored.getvalue()).hexdigest(),
        "classes": classes,
        "scale": config.scale,
        "least": dict(config.least),
        "words": list(config.words),
        "rivals": sorted(config.rivals),
        "things": {thing.name: list(thing.classes) for thing in config.things},
    }
    write_text_atomically(folder / SUPPORT_FILES[0], json.dumps(body) + "\n")


def load_support(folder: Path, encoder_name: str, sets: ClassSets) -> Support | None:
    """Read the support beside a reader; None if there is none.

    Args:
        folder: of the reader.
        encoder_name: of the bundle's encoder.
        sets: of the bundle's classes; the things are compared with an image.

    Raises:
        ModelError: a file is damaged, or was learned with another encoder.
    """
    facts, arrays = (folder / name for name in SUPPORT_FILES)
    if not facts.is_file():
        return None
    try:
        body, stored = load_json(facts), arrays.read_bytes()
        config = SupportConfig(
            words=tuple(map(str, body["words"])),
            rivals=frozenset(map(int, body["rivals"])),
            things=tuple(Thing(str(name), tuple(map(int, classes))) for name, classes in body["things"].items()),
            scale=float(body["scale"]),
            least={kind: float(body["least"][kind]) for kind in LEAST},
        )
        check_origin(facts, body, arrays, stored, encoder_name)
        with np.load(io.BytesIO(stored), allow_pickle=False) as found:
            weights = (found["words"] * found["word_scales"]).T
        if THINGS not in sets or len(sets[THINGS].vectors) < body["classes"]:
            raise ModelError(f"{facts} compares with classes that the bundle lacks: its {CLASS_FILES[0]} is missing")
        return Support(config, weights, sets[THINGS].vectors[: body["classes"]])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{facts} cannot be used: {error!r}") from error
