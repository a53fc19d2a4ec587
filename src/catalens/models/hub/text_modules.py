"""The modules of a text model of sentence-transformers: a transformer, how its states are pooled, and dense layers.

Reads configurations only; needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from catalens.core.errors import ModelError
from catalens.models.hub.files import is_file_name, read_json
from catalens.models.json_files import load_json

MODULES = "modules.json"
"""Lists the modules in order."""
TEXT_CONFIG = "sentence_bert_config.json"
"""How the transformer reads texts."""
PICTURES_OF = {"clip-ViT-B-32-multilingual-v1": "clip-ViT-B-32"}
"""Text model → the CLIP model whose pictures it was trained to meet."""
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")

Pooling: TypeAlias = Literal["mean", "cls"]
Module: TypeAlias = tuple[str, str]
"""Kind and folder of a module."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A dense layer.

    Attributes:
        config: contents of its configuration.
        config_file: the configuration.
        weights: the file with its weights.
    """

    config: Mapping[str, Any]
    config_file: Path
    weights: Path


@dataclass(frozen=True, slots=True)
class TextModules:
    """A text model in modules.

    Attributes:
        folder: of the transformer.
        pooling: the states' mean, or the first one.
        dense: layers after it.
        max_tokens: as the model says; None leaves it to the tokenizer.
        lowers: texts are lower-cased first.
        files: that decide all this, and hold the layers' weights.
    """

    folder: Path
    pooling: Pooling
    dense: tuple[Dense, ...]
    max_tokens: int | None
    lowers: bool
    files: tuple[Path, ...]


def read_modules(folder: Path) -> list[Module]:
    """Return the modules that a folder lists; none where it lists none.

    Raises:
        ModelError: the list is damaged, or keeps a module outside the folder.
    """
    listed = folder / MODULES
    if not listed.is_file():
        return []
    try:
        modules = [(str(each["type"]).rpartition(".")[2], each["path"]) for each in load_json(listed)]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{listed} is not a list of modules: {error!r}") from error
    if not modules:
        raise ModelError(f"{listed} is not a list of modules: it is empty")
    for _, path in modules:
        if path != "" and not (isinstance(path, str) and is_file_name(path)):
            raise ModelError(f"{listed} keeps the model in {path!r}, which is not a folder in its own")
    return modules


def is_text_model(modules: Sequence[Module]) -> bool:
    """Return whether modules encode texts and no pictures."""
    kinds = [kind for kind, _ in modules]
    return kinds[:2] == ["Transformer", "Pooling"] and set(kinds[2:]) <= {"Dense", "Normalize"}


def text_modules(folder: Path) -> TextModules:
    """Read the configurations of a text model.

    Raises:
        ModelError: one is missing, or wants what is not supported.
    """
    modules = read_modules(folder)
    inner = folder / modules[0][1]
    pooling = folder / modules[1][1] / "config.json"
    dense = [folder / path for kind, path in modules if kind == "Dense"]
    reading = inner / TEXT_CONFIG
    said = read_json(reading) if reading.is_file() else {}
    longest = said.get("max_seq_length")
    layers = tuple(Dense(read_json(file := each / "config.json"), file, _weights(each)) for each in dense)
    return TextModules(
        folder=inner,
        pooling=_pooling(pooling),
        dense=layers,
        max_tokens=longest if isinstance(longest, int) and longest > 0 else None,
        lowers=bool(said.get("do_lower_case")),
        files=(
            folder / MODULES,
            pooling,
            *(each / "config.json" for each in dense),
            *(each.weights for each in layers),
        ),
    )


def dense_folders(modules: Iterable[Module]) -> list[str]:
    """Return the folders of the dense layers."""
    return [path for kind, path in modules if kind == "Dense"]


def dense_weights(names: Iterable[str]) -> list[str]:
    """Choose a dense layer's weights among the names of files: safetensors first."""
    there = {*names}
    return [name for name in _WEIGHTS if name in there][:1]


def _pooling(file: Path) -> Pooling:
    said = read_json(file)
    # Before version 6, each mode had a switch of its own.
    switches = [
        name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for name, on in said.items()
        if name.startswith("pooling_mode_") and on is True
    ]
    modes = [said["pooling_mode"]] if "pooling_mode" in said else switches
    if len(modes) != 1 or modes[0] not in get_args(Pooling):
        raise ModelError(f"{file} pools by {' and '.join(map(str, modes)) or 'nothing'}; mean or cls can be read")
    return cast(Pooling, modes[0])


def _weights(folder: Path) -> Path:
    found = dense_weights(each.name for each in folder.iterdir())
    if not found:
        raise ModelError(f"{folder} has no weights: {' or '.join(_WEIGHTS)} is missing")
    return folder / found[0]
