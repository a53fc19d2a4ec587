"""Recognises the layout of a pretrained model's folder, and finds its weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from catalens.core.errors import ModelError
from catalens.models.hub.files import (
    ADAPTER,
    PREPROCESSOR_FILES,
    TOKENIZER_FILES,
    is_file_name,
    read_json,
    refuse_adapter,
    refuse_pointers,
)
from catalens.models.hub.text_modules import (
    MODULES,
    TEXT_CONFIG,
    TextModules,
    is_text_model,
    read_modules,
    text_modules,
)

CONFIGS = ("bundle.json", "open_clip_config.json", "config.json", "modules.json")
"""A folder with one of these is a model's."""
Library: TypeAlias = Literal["transformers", "open_clip", "sentence-transformers"]
DECIDING_FILES = (
    *TOKENIZER_FILES,
    *("config.json", "open_clip_config.json", *PREPROCESSOR_FILES),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt"),
    *("generation_config.json", "chat_template.jinja", "chat_template.json", "video_preprocessor_config.json"),
    TEXT_CONFIG,
)
"""Files beside the weights that decide what a model returns."""
SMALL_FILES = (*DECIDING_FILES, MODULES, "README.md", ADAPTER)
"""Files beside the weights that are fetched."""

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
    """The folder of a model.

    Attributes:
        folder: of the model itself, sentence-transformers' subfolder resolved.
        library: library that saved it; "sentence-transformers" is a text model in modules, whose transformer this is.
        config: contents of `config.json` or `open_clip_config.json`.
        weights: files with the weights, or the index and its shards; a library loads the first.
        modules: of a text model of sentence-transformers.
    """

    folder: Path
    library: Library
    config: Mapping[str, Any]
    weights: tuple[Path, ...]
    modules: TextModules | None = None

    def revision(self) -> str:
        """Return a short hash of the weights and of every file beside them that decides what the model returns."""
        beside = (self.folder / name for name in DECIDING_FILES)
        modules = self.modules.files if self.modules else ()
        digest = hashlib.sha256()
        for file in sorted({*self.weights, *modules, *(each for each in beside if each.is_file())}):
            digest.update(file.name.encode() + b"\0")
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
    """Return the layout of a folder.

    Args:
        folder: of a model saved by transformers, open_clip or sentence-transformers.
        open_clip: prefer open_clip's files where both are there.

    Raises:
        ModelError: the layout is unknown or incomplete; the message says what is missing.
    """
    inner, library = model_folder(folder, open_clip=open_clip)
    config = read_json(inner / ("open_clip_config.json" if library == "open_clip" else "config.json"))
    names = [each.name for each in inner.iterdir()]
    weights = choose_weights(names, open_clip=library == "open_clip")
    if not weights:
        wanted = _OPEN_CLIP_WEIGHTS if library == "open_clip" else _TRANSFORMERS_WEIGHTS
        raise ModelError(f"{inner} has no weights; {library} keeps them in one of: {', '.join(wanted)}")
    if weights[0].endswith(".index.json"):
        weights = [weights[0], *shards(inner / weights[0])]
    files = tuple(inner / name for name in weights)
    if missing := [file.name for file in files if not file.is_file()]:
        raise ModelError(f"{inner} is half a model: {missing[0]} is missing, which {weights[0]} lists")
    refuse_pointers((*files, *(inner / name for name in DECIDING_FILES)))
    return Layout(inner, library, config, files, text_modules(folder) if library == "sentence-transformers" else None)


def shards(index: Path) -> list[str]:
    """Return the names of the files that an index of weights lists.

    Raises:
        ModelError: the index is damaged, or lists a file outside its own folder.
    """
    listed = read_json(index).get("weight_map")
    names = sorted({*listed.values()}, key=str) if isinstance(listed, dict) else []
    if not names:
        raise ModelError(f"{index} has no weight_map, which lists the files with the weights")
    for name in names:
        if not isinstance(name, str) or not is_file_name(name):
            raise ModelError(f"{index} lists the weights {name!r}, which is not a file in its own folder")
    return names


def model_folder(folder: Path, *, open_clip: bool = False) -> tuple[Path, Library]:
    """Return the folder of the model itself, and the library that saved it.

    Args:
        folder: with at least the configuration files.
        open_clip: prefer open_clip's files where both are there.

    Raises:
        ModelError: the layout is unknown.
    """
    inner, is_text = _inside(folder)
    return inner, "sentence-transformers" if is_text else _library(inner, open_clip=open_clip)


def is_whole(folder: Path, *, open_clip: bool = False) -> bool:
    """Return whether a folder has every file that loading needs."""
    try:
        layout = find_layout(folder, open_clip=open_clip)
    except ModelError:
        return False
    if layout.library == "open_clip":
        return True  # its tokenizer comes with the library
    files = {each.name for each in layout.folder.iterdir()}
    if layout.library == "sentence-transformers":
        return bool(files & {*TOKENIZER_FILES})
    return bool(files & {*PREPROCESSOR_FILES}) and bool(files & {*TOKENIZER_FILES})


def vocabulary_size(layout: Layout, otherwise: int) -> int:
    """Return the vocabulary size in a model's configuration, or another number where it has none."""
    text = layout.config.get("text_config")
    size = (text if isinstance(text, dict) else layout.config).get("vocab_size", otherwise)
    return size if isinstance(size, int) else otherwise


def licence_of(folder: Path) -> str:
    """Return the licence that the model card's head names, or "unknown"."""
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    head = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), flags=re.DOTALL)
    named = re.search(r"^license(?:_name)?:\s*[\"']?([\w.-]+)", head[1], flags=re.MULTILINE) if head else None
    return named[1] if named else "unknown"


def _inside(folder: Path) -> tuple[Path, bool]:
    """Return the folder of sentence-transformers' first module, else the folder itself; and whether it is a text model.

    The one module of a CLIP or SigLIP model is the model of its own library.
    """
    modules = read_modules(folder)
    if not modules:
        return folder, False
    (kind, path), *others = modules
    if is_text_model(modules):
        return folder / path, True
    if kind not in ("CLIPModel", "Transformer") or {name for name, _ in others} - {"Normalize"}:
        named = ", ".join(name for name, _ in modules)
        raise ModelError(
            f"{folder} is made of {named}; a CLIP or SigLIP model of sentence-transformers is one module, and a text "
            "model beside one is Transformer, Pooling and Dense"
        )
    return folder / path, False


def _near(folder: Path) -> str:
    """Return what a folder has in place of a model: those of checkpoints, or an adapter's weights."""
    if any(folder.glob("adapter_model.*")):
        return f": it has the weights of an adapter of PEFT without their {ADAPTER}"
    if (folder / "pytorch_lora_weights.safetensors").is_file():
        return ": it has a LoRA of diffusers, which is for image generators"
    inner = sorted(each.parent.name for name in ("config.json", ADAPTER) for each in folder.glob(f"*/{name}"))
    return f", but models are in it: name one, such as {folder / inner[-1]}" if inner else ""


def _library(folder: Path, *, open_clip: bool) -> Library:
    refuse_adapter(folder)
    theirs, ours = (folder / "open_clip_config.json").is_file(), (folder / "config.json").is_file()
    if not theirs and not ours:
        raise ModelError(
            f"{folder} is not a model that can be loaded{_near(folder)}; a model's folder has one of: {LAYOUTS}"
        )
    if theirs and (open_clip or not ours):
        return "open_clip"
    # A model with custom code is loaded by open_clip, which does not need it.
    return "open_clip" if theirs and "auto_map" in read_json(folder / "config.json") else "transformers"
