"""Finds out what kind of model a folder contains from its configuration, without reading weights or other libraries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalens.core.errors import ModelError
from catalens.models.hub.files import read_json
from catalens.models.hub.layout import model_folder
from catalens.models.hub.text_modules import is_text_model, read_modules, text_modules

ENCODER, READER = "encoder", "reader"
BOTH = f"{ENCODER}, {READER}"
_ENCODERS = ("clip", "siglip", "siglip2")
"""Values of `model_type` that can be loaded."""
_READERS = ("BlipForConditionalGeneration", "BlipForQuestionAnswering", "GitForCausalLM")


def kind_of(folder: Path) -> str | None:
    """Return whether a folder's model is an encoder, a reader or both; None for any other or an unknown one."""
    if (folder / "bundle.json").is_file():
        return BOTH if (folder / READER).is_dir() else ENCODER
    config = _config(folder)
    if "model_cfg" in config or config.get("model_type") in _ENCODERS:
        return ENCODER
    architecture = str((config.get("architectures") or [""])[0])
    # Vision-language chat models have a vision_config.
    chats = architecture.endswith("ForConditionalGeneration") and "vision_config" in config
    return READER if chats or architecture in _READERS else None


def dim_of(folder: Path) -> int | None:
    """Return the width of an encoder's vectors, if its configuration has it."""
    try:
        dense = text_modules(folder).dense if is_text_model(read_modules(folder)) else ()
    except ModelError:
        dense = ()
    config = _config(folder)
    if dense:
        said = dense[-1].config.get("out_features")
    elif "model_cfg" in config:
        said = _part(config, "model_cfg").get("embed_dim")
    elif config.get("model_type") == "clip":
        said = config.get("projection_dim")
    else:
        said = _part(config, "vision_config").get("hidden_size") if config.get("model_type") in _ENCODERS else None
    return said if isinstance(said, int) else None


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        inner, library = model_folder(folder)
        return read_json(inner / ("open_clip_config.json" if library == "open_clip" else "config.json"))
    except ModelError:
        return {}


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}
