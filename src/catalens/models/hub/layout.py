"""How the files of a pretrained model lie in a folder: whose layout it is, and which file holds the weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from catalens.core.errors import ModelError
from catalens.models.json_files import load_json

CONFIGS = ("bundle.json", "open_clip_config.json", "config.json", "modules.json")
"""A folder with one of these is a model's."""
Library: TypeAlias = Literal["transformers", "open_clip"]
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
"""A folder with one of these has a tokenizer."""
SMALL_FILES = (
    *TOKENIZER_FILES,
    *("config.json", "open_clip_config.json", "modules.json", "preprocessor_config.json", "processor_config.json"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt", "README.md"),
    *("generation_config.json", "chat_template.jinja", "chat_template.json", "video_preprocessor_config.json"),
)
"""What may lie beside the weights and is worth having."""

_TRANSFORMERS_WEIGHTS = (
    *("model.safetensors", "model.safetensors.index.json"),
    *("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
_OPEN_CLIP_WEIGHTS = (
    *("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin"),
    *("model.safetensors", "pytorch_model.bin"),
)
_SHARD = re.compile(r"(?P<stem>model|pytorch_model)-\d+-of-\d+\.(?P<kind>safetensors|bin)")
LAYOUTS = (
    "bundle.json, config.json (transformers), open_clip_config.json (open_clip), modules.json (sentence-transformers)"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """A model's folder, understood.

    Attributes:
        folder: where the files lie, sentence-transformers' subfolder resolved.
        library: whose layout it is.
        config: what `config.json` or `open_clip_config.json` says.
        weights: the files that hold the weights, or name those that do; the first is what a library loads.
    """

    folder: Path
    library: Library
    config: Mapping[str, Any]
    weights: tuple[Path, ...]

    def revision(self) -> str:
        """Return a short hash of the weights: a folder whose weights changed is another model."""
        digest = hashlib.sha256()
        for file in self.weights:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()[:12]


def choose_weights(names: Collection[str], *, open_clip: bool) -> list[str]:
    """Choose the weights among the names of files: safetensors first, one format only, every shard of it.

    Args:
        names: of files in one folder.
        open_clip: whether open_clip will load them.

    >>> choose_weights(["pytorch_model.bin", "model.safetensors"], open_clip=False)
    ['model.safetensors']
    """
    wanted = _OPEN_CLIP_WEIGHTS if open_clip else _TRANSFORMERS_WEIGHTS
    chosen = next((name for name in wanted if name in names), None)
    if chosen is None or not chosen.endswith(".index.json"):
        return [] if chosen is None else [chosen]
    stem, kind = chosen.split(".")[:2]
    shards = (name for name in names if (found := _SHARD.fullmatch(name)) and found.groups() == (stem, kind))
    return [chosen, *sorted(shards)]


def find_layout(folder: Path, *, open_clip: bool = False) -> Layout:
    """Say whose layout a folder has.

    Args:
        folder: of a model, as transformers, open_clip or sentence-transformers save one.
        open_clip: prefer open_clip's files where both are there.

    Raises:
        ModelError: it is none of these, or half of one; the message says what is missing.
    """
    inner, library = whose(folder, open_clip=open_clip)
    config = read_json(inner / ("open_clip_config.json" if library == "open_clip" else "config.json"))
    names = [each.name for each in inner.iterdir()]
    weights = choose_weights(names, open_clip=library == "open_clip")
    if not weights:
        wanted = _OPEN_CLIP_WEIGHTS if library == "open_clip" else _TRANSFORMERS_WEIGHTS
        raise ModelError(f"{inner} has no weights; {library} keeps them in one of: {', '.join(wanted)}")
    return Layout(inner, library, config, tuple(inner / name for name in weights))


def whose(folder: Path, *, open_clip: bool = False) -> tuple[Path, Library]:
    """Return the folder that holds the model itself, and the library whose layout it has.

    Args:
        folder: with at least the configuration files.
        open_clip: prefer open_clip's files where both are there.

    Raises:
        ModelError: it is no layout that is known here.
    """
    inner = _inside(folder)
    return inner, _library(inner, open_clip=open_clip)


def is_whole(folder: Path, *, open_clip: bool = False) -> bool:
    """Say whether a folder has everything that loading needs, as far as names tell."""
    try:
        layout = find_layout(folder, open_clip=open_clip)
    except ModelError:
        return False
    if layout.library == "open_clip":
        return True  # its own tokenizer comes with the library
    files = {each.name for each in layout.folder.iterdir()}
    missing = set()
    if layout.weights[0].name.endswith(".index.json"):
        missing = set(read_json(layout.weights[0]).get("weight_map", {}).values()) - files
    pictures = {"preprocessor_config.json", "processor_config.json"}
    return not missing and bool(files & pictures) and bool(files & {*TOKENIZER_FILES})


def licence_of(folder: Path) -> str:
    """Return the licence that the model card's head names, or "unknown"."""
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    head = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), flags=re.DOTALL)
    named = re.search(r"^license(?:_name)?:\s*[\"']?([\w.-]+)", head[1], flags=re.MULTILINE) if head else None
    return named[1] if named else "unknown"


def read_json(file: Path) -> dict[str, Any]:
    """Read an object.

    Raises:
        ModelError: the file is missing, damaged, or holds something else.
    """
    try:
        found = load_json(file)
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{file} holds no object")
    return found


def _inside(folder: Path) -> Path:
    """Return the folder of sentence-transformers' first module, which is the model; others have none."""
    listed = folder / "modules.json"
    if not listed.is_file():
        return folder
    try:
        modules = load_json(listed)
        first = modules[0]
        kind, path = first["type"].rpartition(".")[2], first["path"]
        others = [each["type"].rpartition(".")[2] for each in modules[1:]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelError(f"{listed} is no list of modules: {error!r}") from error
    if kind not in ("CLIPModel", "Transformer") or set(others) - {"Normalize"}:
        named = ", ".join([kind, *others])
        raise ModelError(f"{folder} is made of {named}; a CLIP or SigLIP model of sentence-transformers is one module")
    return folder / str(path)


def _library(folder: Path, *, open_clip: bool) -> Library:
    theirs, ours = (folder / "open_clip_config.json").is_file(), (folder / "config.json").is_file()
    if not theirs and not ours:
        raise ModelError(f"{folder} is no model that can be read here; a model's folder has one of: {LAYOUTS}")
    if theirs and (open_clip or not ours):
        return "open_clip"
    # A model that brings its own code is loaded by open_clip, which needs none of it.
    return "open_clip" if theirs and "auto_map" in read_json(folder / "config.json") else "transformers"
