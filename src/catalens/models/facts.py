"""Reads and checks `bundle.json`, which describes an encoder, without loading a graph."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeGuard, get_args

from catalens.core.errors import ModelError
from catalens.models.json_files import load_json
from catalens.models.parts import Preprocess, Resample, Resize

FORMAT = "catalens-bundle/3"
FACTS = "bundle.json"
LABELS = "labels"
"""Folder of label vectors, each file named after all that it depends on, with a checksum of its own."""
GRAPHS = ("image.onnx", "text.onnx")
FILES = (*GRAPHS, "tokenizer.json")

MOST_DIM, MOST_PIXELS, MOST_TOKENS = 65_536, 4_096, 8_192
"""Larger values are no encoder's, and memory is set aside by them."""

Precision = Literal["float32", "float16", "bf16", "int8"]
"""Storage and arithmetic of a bundle.

- float32: weights and arithmetic.
- float16: half the size on disk; the arithmetic stays float32.
- bf16: stored as float16; computed in bfloat16 where the runtime and the processor have it, in float32 elsewhere.
- int8: weights of large matrix products as bytes, a scale for each channel; the rest as for bf16.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFacts:
    """Contents of `bundle.json`, which describe the encoder without loading a graph.

    Attributes:
        resize: as in `Preprocess`, and so is `resample`.
        pad_id: None: the text graph takes each text at its true length. A number: padded with it to max_tokens.
        end_id: the mark of a text's end.
    """

    name: str
    revision: str
    dim: int
    input_size_wh: tuple[int, int]
    resize: Resize
    resample: Resample
    max_tokens: int
    pad_id: int | None
    end_id: int
    precision: Precision
    logit_scale: float
    logit_bias: float | None
    unknown_texts: tuple[str, ...]
    probe: Mapping[str, tuple[int, ...]]
    """Texts and their token ids: a wrong tokenizer is found at once."""
    sha256: Mapping[str, str]
    licence: str
    source: str
    scores: Mapping[str, Any]
    exact_image: bool = False
    """Compute the image graph in float32 whatever the precision: a reader uses its features."""

    @property
    def text_digest(self) -> str:
        """Digest of what decides the vectors of texts: the files, and how texts are cut and padded."""
        deciding = [*sorted(self.sha256.items()), self.dim, self.max_tokens, self.pad_id, self.end_id]
        return hashlib.sha256(json.dumps(deciding).encode()).hexdigest()[:16]

    @property
    def preprocess(self) -> Preprocess:
        """How an image is resized before the graph, which normalises it."""
        bytes_as_they_are = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255, 1 / 255, 1 / 255)}
        return Preprocess(size_wh=self.input_size_wh, resize=self.resize, resample=self.resample, **bytes_as_they_are)


def read_facts(folder: Path) -> BundleFacts:
    """Read and check `bundle.json`, and that every file it needs is there.

    Raises:
        ModelError: the folder is not a complete bundle; the message names what is missing or wrong.
    """
    file = folder / FACTS
    if not file.is_file():
        raise ModelError(f"{folder} is not a bundle: it has no {FACTS}; a bundle holds {', '.join((FACTS, *FILES))}")
    try:
        facts = _facts(load_json(file))
    except (ValueError, OSError) as error:
        raise ModelError(f"{file} cannot be used: {error}") from error
    for name in {*FILES, *facts.sha256}:
        if not (folder / name).is_file():
            raise ModelError(f"{folder} is an incomplete bundle: {name} is missing")
    return facts


def _facts(raw: object) -> BundleFacts:
    if not isinstance(raw, dict):
        raise ValueError(f"it contains {raw!r}, not an object")
    if raw.get("format") != FORMAT:
        raise ValueError(f"it has the format {raw.get('format')!r}; this version reads {FORMAT!r}")
    for key, (what, fits) in _VALUES.items():
        if key not in raw:
            raise ValueError(f"it has no {key!r}, which is {what}")
        if not fits(raw[key]):
            raise ValueError(f"{key!r} is {raw[key]!r}; it should be {what}")
    if not isinstance(raw.get("exact_image", False), bool):
        raise ValueError(f"'exact_image' is {raw['exact_image']!r}; it should be true or false, or not there")
    values = {key: raw[key] for key in _VALUES}
    values["exact_image"] = raw.get("exact_image", False)
    values["input_size_wh"] = tuple(raw["input_size_wh"])
    values["unknown_texts"] = tuple(raw["unknown_texts"])
    values["probe"] = {text: tuple(ids) for text, ids in raw["probe"].items()}
    return BundleFacts(**values)


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _size(value: object, most: int) -> bool:
    return _whole(value) and 1 <= value <= most


def _file_name(value: object) -> bool:
    """Return whether a text names a file of the bundle's own folder, on any system."""
    return _text(value) and isinstance(value, str) and not {*"/\\:\0"} & {*value} and value not in (".", "..")


def _number(value: object) -> TypeGuard[float]:
    return _whole(value) or (isinstance(value, float) and math.isfinite(value))


def _list_of(value: object, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(fits, value))


def _object_of(value: object, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(map(fits, value.values()))


def _one_of(choices: object) -> str:
    return f"one of {', '.join(get_args(choices))}"


_VALUES: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "name": ("a text without @", lambda value: _text(value) and "@" not in value),
    "revision": ("a text", _text),
    "dim": (f"the width of a vector, 1 to {MOST_DIM}", lambda value: _size(value, MOST_DIM)),
    "input_size_wh": (
        f"a width and a height of 1 to {MOST_PIXELS} pixels",
        lambda value: _list_of(value, lambda side: _size(side, MOST_PIXELS)) and len(value) == 2,
    ),
    "resize": (_one_of(Resize), lambda value: value in get_args(Resize)),
    "resample": (_one_of(Resample), lambda value: value in get_args(Resample)),
    "max_tokens": (f"a count of 2 to {MOST_TOKENS}", lambda value: _size(value, MOST_TOKENS) and value >= 2),
    "pad_id": ("a token id or null", lambda value: value is None or _whole(value)),
    "end_id": ("a token id", _whole),
    "precision": (_one_of(Precision), lambda value: value in get_args(Precision)),
    "logit_scale": ("a number above 0", lambda value: _number(value) and value > 0),
    "logit_bias": ("a number or null", lambda value: value is None or _number(value)),
    "unknown_texts": ("a list of texts", lambda value: _list_of(value, _text)),
    "probe": (
        "an object of texts and their token ids",
        lambda value: _object_of(value, lambda ids: _list_of(ids, _whole)) and len(value) > 0,
    ),
    "sha256": (
        "an object of names of files in the bundle's folder and their checksums",
        lambda value: _object_of(value, _text) and all(map(_file_name, value)),
    ),
    "licence": ("a text", _text),
    "source": ("a text", _text),
    "scores": ("an object", lambda value: isinstance(value, dict)),
}
"""Key → description of a valid value, and its check."""
