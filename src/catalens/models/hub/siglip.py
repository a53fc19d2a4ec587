"""Loads SigLIP models of transformers; SigLIP 2 of a fixed size is the same model with another vocabulary."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from catalens.core.errors import ModelError
from catalens.models.hub.files import check_files, check_image_size, check_vocabulary, read_json
from catalens.models.hub.layout import Layout, licence_of
from catalens.models.hub.naflex import NaflexImage
from catalens.models.hub.preprocessing import transformers_patches, transformers_preprocess
from catalens.models.hub.tokenizing import siglip_tokenizer
from catalens.models.hub.weights import load_transformers, save_transformers
from catalens.models.parts import EncoderParts

if TYPE_CHECKING:
    from transformers import Siglip2Model, SiglipModel


class SiglipImage(nn.Module):
    """Normalised pixels (n, 3, height, width) → (n, dim)."""

    def __init__(self, model: SiglipModel | Siglip2Model) -> None:
        super().__init__()
        self.vision_model = model.vision_model

    def forward(self, pixels: Tensor) -> Tensor:
        """Run the tower."""
        vectors: Tensor = self.vision_model(pixel_values=pixels).pooler_output
        return vectors


class SiglipText(nn.Module):
    """Token ids (n, max_tokens), padded → (n, dim); attention is bidirectional and includes the padding."""

    def __init__(self, model: SiglipModel | Siglip2Model) -> None:
        super().__init__()
        self.text_model = model.text_model

    def forward(self, ids: Tensor) -> Tensor:
        """Run the tower."""
        vectors: Tensor = self.text_model(input_ids=ids).pooler_output
        return vectors


def siglip_parts(layout: Layout, name: str, revision: str) -> EncoderParts:
    """Load a SigLIP model that transformers saved.

    Raises:
        ModelError: files are missing, damaged or of another model.
    """
    from transformers import SiglipModel

    check_files(layout.folder)
    model = load_transformers(SiglipModel, layout)
    return _parts(layout, name, revision, model, family="siglip", image=SiglipImage(model))


def naflex_parts(layout: Layout, name: str, revision: str) -> EncoderParts:
    """Load a SigLIP 2 NaFlex model, which keeps the aspect ratio of images.

    Raises:
        ModelError: files are missing, damaged or of another model.
    """
    from transformers import Siglip2Model

    check_files(layout.folder)
    model = load_transformers(Siglip2Model, layout)
    patches = transformers_patches(layout.folder, "siglip2")
    parts = _parts(layout, name, revision, model, family="siglip2", image=NaflexImage(model, patches.side))
    return replace(parts, patches=patches)


def _parts(layout: Layout, name: str, revision: str, model: Any, *, family: str, image: nn.Module) -> EncoderParts:
    tokenizer, text = siglip_tokenizer(layout.folder), model.config.text_config
    check_vocabulary(layout.folder, tokenizer.get_vocab_size(), text.vocab_size)
    preprocess = transformers_preprocess(layout.folder, family)
    if family == "siglip":
        check_image_size(layout.folder, preprocess.size_wh, model.config.vision_config.image_size)
    return EncoderParts(
        name=name,
        revision=revision,
        dim=text.projection_size,
        preprocess=preprocess,
        image=image,
        text=SiglipText(model),
        tokenizer=tokenizer,
        max_tokens=text.max_position_embeddings,
        pad_id=_mark(layout, tokenizer, "pad_token", text.pad_token_id),
        end_id=tokenizer.encode("").ids[-1],
        logit_scale=float(torch.exp(model.logit_scale.detach())),
        logit_bias=float(model.logit_bias.detach()),
        licence=licence_of(layout.folder),
        source=f"transformers {type(model).__name__}",
        save=partial(save_transformers, model, layout),
    )


def _mark(layout: Layout, tokenizer: Tokenizer, key: str, otherwise: int | None) -> int:
    """Return the id of a special token in the tokenizer's configuration."""
    file = layout.folder / "tokenizer_config.json"
    named: Any = read_json(file).get(key) if file.is_file() else None
    word = named.get("content") if isinstance(named, dict) else named
    found = tokenizer.token_to_id(word) if isinstance(word, str) else otherwise
    if found is None:
        raise ModelError(f"{layout.folder}: neither the tokenizer nor the configuration says which token is {key}")
    return found
