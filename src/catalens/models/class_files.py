"""The files of a bundle's classes: `classes.json`, and `classes.npz` with their vectors as bytes.

`nouns.json.gz` may be beside them: more nouns that stand for its things.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalens.core.classes import THINGS, Classes, ClassSets, NounTable
from catalens.core.errors import ModelError
from catalens.core.files import write_bytes_atomically, write_text_atomically
from catalens.core.vectors import unit_rows
from catalens.models.json_files import load_json

CLASS_FILES = ("classes.json", "classes.npz")
NOUN_FILE = "nouns.json.gz"


def save_classes(folder: Path, encoder_name: str, sets: ClassSets) -> None:
    """Write sets of classes into a bundle, the vectors as bytes with a scale for each."""
    stored = io.BytesIO()
    arrays: dict[str, Any] = {}
    for name, classes in sets.items():
        arrays[name], arrays[_scales(name)] = as_bytes(classes.vectors)
    np.savez_compressed(stored, **arrays)
    write_bytes_atomically(folder / CLASS_FILES[1], stored.getvalue())
    body = {
        "encoder": encoder_name,
        "sha256": hashlib.sha256(stored.getvalue()).hexdigest(),
        "named": {name: {word: list(at) for word, at in each.named.items()} for name, each in sets.items()},
    }
    write_text_atomically(folder / CLASS_FILES[0], json.dumps(body, separators=(",", ":")) + "\n")


def save_nouns(folder: Path, encoder_name: str, classes: int, table: NounTable) -> None:
    """Write the nouns that stand for the things of a bundle, of which there are so many classes."""
    body = {"encoder": encoder_name, "classes": classes, "same": _by_places(table.same)}
    body["kinds"] = _by_places(table.kinds)
    text = json.dumps(body, separators=(",", ":"))
    write_bytes_atomically(folder / NOUN_FILE, gzip.compress(text.encode(), mtime=0))


def _by_places(nouns: Mapping[str, tuple[int, ...]]) -> list[tuple[list[int], str]]:
    """Return the nouns of the same classes in one string: thousands of nouns share few sets of classes."""
    found: dict[tuple[int, ...], list[str]] = {}
    for noun, places in nouns.items():
        found.setdefault(places, []).append(noun)
    return [(list(places), ";".join(sorted(some))) for places, some in sorted(found.items())]


def load_classes(folder: Path, encoder_name: str, dim: int) -> ClassSets:
    """Read the sets of classes of a bundle; there are none where it has no such files.

    Raises:
        ModelError: a file is damaged, or was learned with another encoder.
    """
    facts, arrays = (folder / name for name in CLASS_FILES)
    if not facts.is_file():
        return {}
    try:
        body, stored = load_json(facts), arrays.read_bytes()
        check_origin(facts, body, arrays, stored, encoder_name)
        with np.load(io.BytesIO(stored), allow_pickle=False) as found:
            sets = {str(name): _read(named, found, name) for name, named in body["named"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{facts} cannot be used: {error!r}") from error
    for each in sets.values():
        places = [at for some in each.named.values() for at in some]
        if each.vectors.shape[1:] != (dim,) or not all(0 <= at < len(each.vectors) for at in places):
            raise ModelError(f"{facts} and {arrays.name} do not belong together; learn them again")
    file = folder / NOUN_FILE
    if THINGS in sets and file.is_file():
        sets[THINGS] = replace(sets[THINGS], nouns=_load_nouns(file, encoder_name, len(sets[THINGS].vectors)))
    return sets


def _load_nouns(file: Path, encoder_name: str, classes: int) -> NounTable:
    try:
        body = json.loads(gzip.decompress(file.read_bytes()))
        if (body["encoder"], body["classes"]) != (encoder_name, classes):
            raise ModelError(f"{file} was made for other classes; delete it or make it again")
        same, kinds = (
            {noun: tuple(map(int, places)) for places, nouns in body[name] for noun in nouns.split(";")}
            for name in ("same", "kinds")
        )
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} cannot be used: {error!r}") from error
    if not all(0 <= at < classes for nouns in (same, kinds) for places in nouns.values() for at in places):
        raise ModelError(f"{file} names classes that there are not; make it again")
    return NounTable(same, kinds)


def check_origin(facts: Path, body: Any, arrays: Path, stored: bytes, encoder_name: str) -> None:  # noqa: ANN401
    """Check that arrays are those that a JSON file describes, and were learned with an encoder.

    Raises:
        ModelError: they are not.
    """
    if body["sha256"] != hashlib.sha256(stored).hexdigest():
        raise ModelError(f"{arrays} is damaged or not the file {facts.name} was made with")
    if body["encoder"] != encoder_name:
        raise ModelError(f"{facts} was learned with {body['encoder']}, not {encoder_name}; delete it or learn it again")


def as_bytes(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return rows as bytes, and the scale of each row (n, 1)."""
    scales = np.maximum(np.abs(rows).max(axis=1, keepdims=True, initial=0.0), np.finfo(np.float32).tiny) / 127
    return np.rint(rows / scales).astype(np.int8), scales.astype(np.float32)


def _read(named: Any, arrays: Any, name: str) -> Classes:  # noqa: ANN401 - of a file, checked by the caller
    vectors = unit_rows(np.asarray(arrays[name] * arrays[_scales(name)], dtype=np.float32))
    return Classes(vectors, {str(word): tuple(map(int, at)) for word, at in named.items()})


def _scales(name: str) -> str:
    return f"{name} scales"
