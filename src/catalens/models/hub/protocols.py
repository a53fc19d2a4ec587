"""What is read of models of transformers and open_clip: torch itself says only that a part is a tensor or a module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class ClipAttention(Protocol):
    """Attention of transformers' CLIP."""

    num_heads: int
    q_proj: nn.Linear
    k_proj: nn.Linear
    v_proj: nn.Linear
    out_proj: nn.Linear


class ClipLayer(Protocol):
    """A layer of transformers' CLIP."""

    self_attn: ClipAttention
    layer_norm1: nn.Module
    layer_norm2: nn.Module
    mlp: nn.Module


class ClipLayers(Protocol):
    """The layers of transformers' CLIP, from the first to the last."""

    layers: Iterable[ClipLayer]


class ClipEmbeddings(Protocol):
    """The tables of transformers' CLIP."""

    token_embedding: nn.Embedding
    position_embedding: nn.Embedding


class ClipTextModel(Protocol):
    """A text model of transformers' CLIP."""

    embeddings: ClipEmbeddings
    encoder: ClipLayers
    final_layer_norm: nn.Module


class ClipWithText(Protocol):
    """What transformers' `CLIPModel` and `CLIPTextModelWithProjection` have in common."""

    text_model: ClipTextModel
    text_projection: nn.Linear


class OpenClipBlock(Protocol):
    """A plain block of open_clip."""

    attn: nn.MultiheadAttention
    ln_1: nn.Module
    ln_2: nn.Module
    mlp: nn.Module


class OpenClipTransformer(Protocol):
    """The blocks of an open_clip tower, from the first to the last."""

    resblocks: Iterable[OpenClipBlock]

    def get_cast_dtype(self) -> torch.dtype:
        """Return the type of the weights."""

    def __call__(self, states: Tensor, *, attn_mask: Tensor) -> Any:
        """Run all blocks on (n, length, width)."""


class OpenClipTower(Protocol):
    """What open_clip's `CLIP` and `TextTransformer` have in common: a causal text tower."""

    token_embedding: nn.Embedding
    positional_embedding: nn.Parameter
    transformer: OpenClipTransformer
    ln_final: nn.Module
    text_projection: nn.Linear | nn.Parameter | None
    attn_mask: Tensor


class OpenClipModel(Protocol):
    """A model of open_clip."""

    visual: nn.Module

    def encode_text(self, ids: Tensor) -> Tensor:
        """Return the vectors (n, dim) of padded ids."""
