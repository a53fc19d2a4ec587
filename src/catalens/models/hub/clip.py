"""Loads CLIP models of transformers: openai/clip-vit-*, fashion-clip and other fine-tuned ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from catalens.models.hub.files import check_files, check_image_size, check_vocabulary
from catalens.models.hub.layout import Layout, licence_of, vocabulary_size
from catalens.models.hub.preprocessing import transformers_preprocess
from catalens.models.hub.tokenizing import transformers_tokenizer
from catalens.models.hub.weights import load_transformers, save_transformers
from catalens.models.parts import EncoderParts

if TYPE_CHECKING:
    from transformers import CLIPModel


class ClipImage(nn.Module):
    """Normalised pixels (n, 3, height, width) → (n, dim)."""

    def __init__(self, model: CLIPModel) -> None:
        super().__init__()
        self.vision_model, self.visual_projection = model.vision_model, model.visual_projection

    def forward(self, pixels: Tensor) -> Tensor:
        """Run the tower."""
        vectors: Tensor = self.visual_projection(self.vision_model(pixel_values=pixels).pooler_output)
        return vectors


class ClipText(nn.Module):
    """Token ids (n, length) → (n, dim); causal, so a text needs no padding."""

    def __init__(self, model: CLIPModel) -> None:
        super().__init__()
        self.config = model.config
        self.text_model, self.text_projection = model.text_model, model.text_projection

    def forward(self, ids: Tensor) -> Tensor:
        """Run the tower."""
        vectors: Tensor = self.text_projection(self.text_model(input_ids=ids).pooler_output)
        return vectors


def clip_parts(layout: Layout, name: str, revision: str) -> EncoderParts:
    """Load a CLIP model that transformers saved.

    Raises:
        ModelError: files are missing, damaged or of another model.
    """
    from transformers import CLIPModel

    check_files(layout.folder)
    preprocess = transformers_preprocess(layout.folder, "clip")
    tokenizer, _ = transformers_tokenizer(layout.folder)
    check_vocabulary(layout.folder, tokenizer.get_vocab_size(), vocabulary_size(layout, 49408))
    model = load_transformers(CLIPModel, layout)
    check_image_size(layout.folder, preprocess.size_wh, model.config.vision_config.image_size)
    return EncoderParts(
        name=name,
        revision=revision,
        dim=model.config.projection_dim,
        preprocess=preprocess,
        image=ClipImage(model),
        text=ClipText(model),
        tokenizer=tokenizer,
        max_tokens=model.config.text_config.max_position_embeddings,
        pad_id=None,
        end_id=tokenizer.encode("").ids[-1],
        logit_scale=float(torch.exp(model.logit_scale.detach())),
        logit_bias=None,
        licence=licence_of(layout.folder),
        source="transformers CLIPModel",
        save=partial(save_transformers, model, layout),
    )
