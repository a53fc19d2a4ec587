"""CLIP's text tower as our own module, which can continue from cached keys and values.

It takes the weights of a transformers or open_clip model and returns the same vectors. All texts of a batch share the
past, so its keys and values are multiplied with all queries at once and are not copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from catalens.models.hub.protocols import ClipWithText, OpenClipTower


class Layer(nn.Module):
    """A pre-norm transformer layer that attends to the past and, within a row, where the mask allows."""

    def __init__(
        self, heads: int, norms: tuple[nn.Module, nn.Module], qkv: nn.Linear, out: nn.Linear, mlp: nn.Module
    ) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = norms
        self.qkv, self.out, self.mlp = qkv, out, mlp

    def forward(self, x: Tensor, additive_mask: Tensor, past: Tensor, *, ends: Tensor | None) -> tuple[Tensor, Tensor]:
        """Run a batch.

        Args:
            x: (n, length, width).
            additive_mask: (n, length, length), minus infinity where a token must not attend, else 0.
            past: keys and values (2, heads, before, width / heads) of the prefix of all rows.
            ends: (m,) positions in row-major order to compute; None for all.

        Returns:
            (n, length, width) or (m, width), and the past with the keys and values of row 0.

        Source:
            Juravsky et al. 2024, "Hydragen", for the shared part of attention as one product.
        """
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, length, 3, self.heads, width // self.heads).permute(2, 3, 0, 1, 4)
        q = q * (width // self.heads) ** -0.5  # (heads, n, length, width / heads)
        keys, values = past
        before = keys.shape[1]
        # ONNX reads a size of 0 as "keep the old one", so the past's length, which may be 0, is inferred.
        all_queries = q.reshape(self.heads, n * length, width // self.heads)
        towards_past = (all_queries @ keys.transpose(1, 2)).view(self.heads, n, length, -1)
        towards_own = q @ k.transpose(2, 3) + additive_mask
        weights = torch.cat([towards_past, towards_own], dim=-1).softmax(dim=-1)
        from_past = weights[..., :before].reshape(self.heads, n * length, -1) @ values
        seen = (from_past.view(q.shape) + weights[..., before:] @ v).permute(1, 2, 0, 3).flatten(2)
        if ends is not None:
            x, seen = x.flatten(0, 1)[ends], seen.flatten(0, 1)[ends]
        x = x + self.out(seen)
        x = x + self.mlp(self.norm2(x))
        return x, torch.cat([past, torch.stack([k[:, 0], v[:, 0]])], dim=2)


class CausalText(nn.Module):
    """Token ids to vectors, after a past that may be empty.

    Args:
        token: embeds ids.
        position: (max_tokens, width).
        layers: from the first to the last.
        norm: of the last token's state.
        project: from width to dim.
    """

    position: Tensor

    def __init__(
        self, token: nn.Embedding, position: Tensor, layers: Sequence[Layer], norm: nn.Module, project: nn.Module
    ) -> None:
        super().__init__()
        self.token, self.norm, self.project = token, norm, project
        self.register_buffer("position", position.detach())
        self.layers, self.heads = nn.ModuleList(layers), layers[0].heads

    def forward(self, input_ids: Tensor, attention_mask: Tensor, ends: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Run rows of packed texts (see `catalens.models.packing`).

        Args:
            input_ids: (n, length) int64.
            attention_mask: (n, length, length) bool, attention mask, query position × key position.
            ends: (m,) int64, position of each text's end token, which yields its vector.
            past: (layers, 2, heads, before, width / heads) of the prefix of all rows.

        Returns:
            Vectors (m, dim), not of unit length, and the past with row 0: (…, before + length, width / heads).
        """
        # A token's position in its text is the number of tokens that it attends to besides itself.
        positions = attention_mask.sum(dim=2) - 1 + past.shape[3]
        additive_mask = torch.zeros_like(attention_mask, dtype=self.position.dtype).masked_fill(
            ~attention_mask, float("-inf")
        )
        x = self.token(input_ids) + self.position[positions]
        presents = []
        for at, layer in enumerate(self.layers):
            x, present = layer(x, additive_mask, past[at], ends=ends if at == len(self.layers) - 1 else None)
            presents.append(present)
        return self.project(self.norm(x)), torch.stack(presents)

    def nothing(self) -> Tensor:
        """Return an empty past: (layers, 2, heads, 0, width / heads)."""
        return self.position.new_empty(len(self.layers), 2, self.heads, 0, self.position.shape[1] // self.heads)


def causal_text(model: nn.Module) -> CausalText | None:
    """Return the text tower of a CLIP model as a `CausalText`, or None for any other architecture.

    Args:
        model: transformers' `CLIPModel` or `CLIPTextModelWithProjection`, or open_clip's `CLIP`, `CustomTextCLIP` or
            `TextTransformer`. Large weights are shared with it where their layout allows.
    """
    config = getattr(model, "config", None)
    with torch.no_grad():
        if config is not None and str(getattr(config, "model_type", "")) in {"clip", "clip_text_model"}:
            found = _of_transformers(cast("ClipWithText", model))
        else:
            tower: Any = getattr(model, "text", model)
            if not _is_plain_open_clip(tower):
                return None
            found = _of_open_clip(tower)
    found.eval()
    return found


def _of_transformers(model: ClipWithText) -> CausalText:
    text = model.text_model
    layers = [
        Layer(
            layer.self_attn.num_heads,
            (layer.layer_norm1, layer.layer_norm2),
            _joined([layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj]),
            layer.self_attn.out_proj,
            layer.mlp,
        )
        for layer in text.encoder.layers
    ]
    tables = text.embeddings
    return CausalText(
        tables.token_embedding, tables.position_embedding.weight, layers, text.final_layer_norm, model.text_projection
    )


def _is_plain_open_clip(tower: nn.Module) -> bool:
    """Return whether a tower is causal, pools at the end token and has plain blocks, as `CausalText` does."""
    blocks = getattr(getattr(tower, "transformer", None), "resblocks", None)
    if not blocks or getattr(tower, "attn_mask", None) is None or getattr(tower, "cls_emb", None) is not None:
        return False
    pooled = getattr(tower, "pool_type", getattr(tower, "text_pool_type", None))
    plain = all(
        type(block).__name__ == "ResidualAttentionBlock" and isinstance(block.ls_1, nn.Identity) for block in blocks
    )
    return plain and pooled in {"argmax", "eos"}


def _of_open_clip(tower: OpenClipTower) -> CausalText:
    layers = []
    for block in tower.transformer.resblocks:
        joined = _linear(block.attn.in_proj_weight, block.attn.in_proj_bias)
        layers.append(Layer(block.attn.num_heads, (block.ln_1, block.ln_2), joined, block.attn.out_proj, block.mlp))
    return CausalText(tower.token_embedding, tower.positional_embedding, layers, tower.ln_final, _projection(tower))


def _projection(tower: OpenClipTower) -> nn.Module:
    project = tower.text_projection
    if project is None:
        return nn.Identity()
    return project if isinstance(project, nn.Module) else _linear(project.T, None)


def _joined(parts: Sequence[nn.Linear]) -> nn.Linear:
    return _linear(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a linear layer that shares these weights (out, in)."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return made
