"""Loads models of open_clip: its zoo of architectures and tags, folders in its layout, and single files."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained
from open_clip.push_to_hf_hub import save_config_for_hf
from open_clip.transformer import TextTransformer, text_global_pool
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from catalens.core.errors import ModelError
from catalens.models.hub.download import NO_WEIGHTS, cached_tokenizer, fetch
from catalens.models.hub.files import (
    TOKENIZER_FILES,
    check_vocabulary,
    is_unsafe_pickle,
    refuse_pointers,
    unsafe_pickle,
)
from catalens.models.hub.layout import Layout, licence_of
from catalens.models.hub.names import Place, unknown
from catalens.models.hub.preprocessing import open_clip_preprocess
from catalens.models.hub.protocols import OpenClipModel, OpenClipTower
from catalens.models.hub.tokenizing import open_clip_hub_tokenizer, open_clip_tokenizer
from catalens.models.parts import EncoderParts

_TOKENIZER_CONFIG = "tokenizer_config.json"
_BESIDE_TOKENIZER = (_TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json", "merges.txt")
"""What a tokenizer needs beside its vocabulary, where it has them."""


class OpenClipImage(nn.Module):
    """Normalised pixels (n, 3, height, width) → (n, dim), for any image tower."""

    def __init__(self, model: OpenClipModel) -> None:
        super().__init__()
        self.visual = model.visual

    def forward(self, pixels: Tensor) -> Tensor:
        """Run the tower; some return their tokens too."""
        found = self.visual(pixels)
        vectors: Tensor = found[0] if isinstance(found, tuple) else found
        return vectors


class OpenClipText(nn.Module):
    """Token ids (n, length) → (n, dim): open_clip's own text tower, which it runs at full length only."""

    attn_mask: Tensor

    def __init__(self, tower: OpenClipTower, pool_type: str, end_id: int) -> None:
        super().__init__()
        self.token_embedding, self.positional_embedding = tower.token_embedding, tower.positional_embedding
        self.transformer, self.ln_final = tower.transformer, tower.ln_final
        self.text_projection = tower.text_projection
        self.register_buffer("attn_mask", tower.attn_mask, persistent=False)
        self.pool_type, self.end_id = pool_type, end_id

    def forward(self, ids: Tensor) -> Tensor:
        """Run the tower."""
        length = ids.shape[1]
        kind = self.transformer.get_cast_dtype()
        states = self.token_embedding(ids).to(kind) + self.positional_embedding[:length].to(kind)
        states = self.transformer(states, attn_mask=self.attn_mask[:length, :length].to(kind))
        found: Tensor = text_global_pool(self.ln_final(states), ids, self.pool_type, eos_token_id=self.end_id)
        if isinstance(self.text_projection, nn.Linear):
            found = self.text_projection(found)
        elif self.text_projection is not None:
            found = found @ self.text_projection
        return found


class PaddedText(nn.Module):
    """Token ids (n, max_tokens), padded → (n, dim), for any text tower."""

    def __init__(self, model: OpenClipModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        """Run the tower."""
        return self.model.encode_text(ids)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How open_clip builds a model.

    Attributes:
        model: an architecture's name, or "local-dir:" and a folder.
        weights: the file with the weights; None where the folder has them.
        config: the model's configuration.
        preprocess: image preprocessing of the tag; empty where the folder has it.
        quick_gelu: whether the weights were trained with that activation.
    """

    model: str
    weights: Path | None
    config: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    quick_gelu: bool = False


def zoo_repository(place: Place) -> tuple[str, str]:
    """Return the hub's repository of an architecture and tag, and the file's name if it has one of its own.

    Raises:
        ModelError: the zoo has no such pair; the message names the nearest, and the architecture's tags.
    """
    facts = get_pretrained_cfg(place.architecture, place.target)
    if not facts:
        pairs = tuple(f"{architecture}/{tag}" for architecture, tag in list_pretrained())
        tags = [tag for architecture, tag in list_pretrained() if architecture == place.architecture]
        has = f"; open_clip has {place.architecture} with: {', '.join(tags)}" if tags else ""
        raise ModelError(unknown(place.name, pairs) + has)
    repository, _, file = str(facts["hf_hub"]).rpartition("/")
    return repository, file


def zoo_recipe(place: Place, weights: Path) -> Recipe:
    """Return the recipe of a zoo pair, or of an architecture with a weights file.

    Args:
        place: of kind "zoo" or "file".
        weights: the file that holds the weights.

    Raises:
        ModelError: open_clip has no such architecture.
    """
    config = open_clip.get_model_config(place.architecture)
    if config is None:
        raise ModelError(unknown(place.architecture, tuple(open_clip.list_models())))
    facts = get_pretrained_cfg(place.architecture, place.target) if place.kind == "zoo" else {}
    keys = ("mean", "std", "interpolation", "resize_mode")
    preprocess = {key: facts[key] for key in keys if key in facts}
    quick = bool(facts.get("quick_gelu") or config.get("quick_gelu"))
    return Recipe(place.architecture, weights, config, preprocess, quick)


def folder_recipe(layout: Layout) -> Recipe:
    """Return the recipe of a folder in open_clip's layout.

    Raises:
        ModelError: the configuration is not open_clip's.
    """
    config = layout.config.get("model_cfg")
    if not isinstance(config, dict) or not {"embed_dim", "vision_cfg", "text_cfg"} <= {*config}:
        raise ModelError(f"{layout.folder / 'open_clip_config.json'} does not describe a model: it has no model_cfg")
    return Recipe(f"local-dir:{layout.folder}", None, config, {}, bool(config.get("quick_gelu")))


def open_clip_parts(recipe: Recipe, folder: Path, name: str, revision: str) -> EncoderParts:
    """Load a model of open_clip.

    Args:
        recipe: from `zoo_recipe` or `folder_recipe`.
        folder: where its other files lie: the tokenizer's, if it has one, and the card.
        name: as the user wrote it.
        revision: of the weights.

    Raises:
        ModelError: the weights do not fit, or the tokenizer is missing.
    """
    text_config = recipe.config["text_cfg"]
    tokenizer, padding = _tokenizer(text_config, folder)
    check_vocabulary(folder, tokenizer.get_vocab_size(), int(text_config.get("vocab_size", 49408)))
    if recipe.weights is not None:
        refuse_pointers([recipe.weights])
    try:
        model = open_clip.create_model(
            recipe.model,
            str(recipe.weights) if recipe.weights else None,
            force_quick_gelu=recipe.quick_gelu,
            force_preprocess_cfg=copy.deepcopy(dict(recipe.preprocess)) or None,
            require_pretrained=True,
            weights_only=True,
        )
    except Exception as error:
        if is_unsafe_pickle(error):
            raise unsafe_pickle(recipe.weights or folder) from error
        raise ModelError(f"{name} cannot be loaded by open_clip: {error}") from error
    model.eval().requires_grad_(requires_grad=False)
    text = _text_tower(model, text_config)
    bias = getattr(model, "logit_bias", None)
    return EncoderParts(
        name=name,
        revision=revision,
        dim=int(recipe.config["embed_dim"]),
        preprocess=open_clip_preprocess(model.visual.preprocess_cfg, name),
        image=OpenClipImage(model),
        text=text,
        tokenizer=tokenizer,
        max_tokens=int(text_config.get("context_length", 77)),
        pad_id=None if isinstance(text, OpenClipText) else padding,
        end_id=tokenizer.encode("").ids[-1],
        logit_scale=float(torch.exp(model.logit_scale.detach()).squeeze()),
        logit_bias=None if bias is None else float(bias.detach().squeeze()),
        licence=licence_of(folder),
        source=f"open_clip {type(model).__name__}",
        save=partial(_save, model, recipe, folder),
    )


def _save(model: nn.Module, recipe: Recipe, source: Path, folder: Path) -> None:
    """Write a model in open_clip's layout, with the weights that it has now and the tokenizer's files beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*TOKENIZER_FILES, *_BESIDE_TOKENIZER):
        if (source / name).is_file():
            shutil.copy2(source / name, folder / name)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    config = {**recipe.config, **({"quick_gelu": True} if recipe.quick_gelu else {})}
    save_config_for_hf(model, folder / "open_clip_config.json", config)


def _tokenizer(text_config: Mapping[str, Any], folder: Path) -> tuple[Tokenizer, int]:
    """Return the tokenizer and what open_clip pads with: its own, or the one that the configuration names.

    A named tokenizer is searched beside the model, then on the hub.
    """
    named = text_config.get("hf_tokenizer_name")
    if not named:
        return open_clip_tokenizer(), 0
    if not any((folder / each).is_file() for each in TOKENIZER_FILES):
        try:
            folder = cached_tokenizer(named) or fetch(named, weights=NO_WEIGHTS)
        except ModelError as error:
            raise ModelError(
                f"{folder} has no tokenizer: none of {', '.join(TOKENIZER_FILES)} is there; copy the tokenizer's files "
                f"of {named}, which its configuration names, into it: {error}"
            ) from error
    elif not (folder / _TOKENIZER_CONFIG).is_file():
        raise ModelError(
            f"{folder} has half a tokenizer: {_TOKENIZER_CONFIG} is missing, which names its class and special tokens; "
            f"copy it from {named}"
        )
    return open_clip_hub_tokenizer(folder, text_config)


def _text_tower(model: OpenClipModel, text_config: Mapping[str, Any]) -> nn.Module:
    """Return the text tower: a causal one as `OpenClipText`, any other as open_clip runs it."""
    tower: Any = getattr(model, "text", model)
    pool = getattr(tower, "pool_type", getattr(tower, "text_pool_type", None))
    plain = isinstance(tower, open_clip.CLIP) or (isinstance(tower, TextTransformer) and tower.cls_emb is None)
    if plain and tower.attn_mask is not None and pool in ("argmax", "eos"):
        return OpenClipText(tower, pool, int(text_config.get("eos_id", 2)))
    return PaddedText(model)
