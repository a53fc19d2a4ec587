"""BLIP's text stack, run so that all texts about an image share the image's cross-attention keys and values.

It has the weights of the transformers model and returns the same numbers. There, every beam and every question gets
its own copy of the image, projected anew and moved at each step; here the texts of one image are queries side by side
of one attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

_FEW_QUERIES = 4
_FEW_TEXTS = 4
"""Texts about an image up to which its states are not projected: keys and values of 577 patches cost as much as 64
queries do without them."""
KeyValue = tuple[Tensor, Tensor]
"""Keys and values of a layer: (rows, heads, length, width / heads) each."""


@dataclass(frozen=True, slots=True)
class CrossAttention:
    """What texts attend to: m images, or m questions about images.

    Attributes:
        layers: keys and values of each layer, with m rows.
        mask: (m, 1, 1, length), False for padding; None for no padding.
    """

    layers: list[KeyValue]
    mask: Tensor | None

    def __len__(self) -> int:
        return len(self.layers[0][0])


@dataclass(frozen=True, slots=True)
class Unprojected:
    """Images that a few texts attend to, without keys and values: those would be projected for every patch and layer.

    Attributes:
        hidden: (m, length, width) states of the vision tower, which all layers share.
    """

    hidden: Tensor

    def __len__(self) -> int:
        return len(self.hidden)


class BlipTextStack:
    """A stack of layers: self-attention, cross-attention, feed-forward.

    Args:
        bert: `BlipTextModel`.
        head: returns logits for hidden states; None for an encoder.

    Source:
        Li et al. 2022, "BLIP", section 3.1, the mixture of encoder and decoder.
    """

    def __init__(self, bert: Any, head: nn.Module | None = None) -> None:
        self.embeddings, self.layers, self.head = bert.embeddings, list(bert.encoder.layer), head
        self.heads: int = bert.config.num_attention_heads
        self.max_positions: int = bert.config.max_position_embeddings

    def project(self, hidden: Tensor, mask: Tensor | None = None) -> CrossAttention:
        """Project cross-attention keys and values, once for all texts.

        Args:
            hidden: (m, length, width) encoder states.
            mask: (m, length), 0 for padding; None for no padding.
        """
        pairs = []
        for layer in self.layers:
            attention = layer.crossattention.self
            # Read at every step, so laid out once in the order in which it is read.
            keys, values = self._split(attention.key(hidden)), self._split(attention.value(hidden))
            pairs.append((keys.contiguous(), values.contiguous()))
        return CrossAttention(pairs, None if mask is None else mask.bool()[:, None, None, :])

    def look_at(self, hidden: Tensor) -> CrossAttention | Unprojected:
        """Return what a caption attends to: projected only where that is cheap, or the weights are not plain ones.

        Args:
            hidden: (m, length, width) states of the vision tower.
        """
        attentions = [layer.crossattention.self for layer in self.layers]
        plain = all(type(each) is nn.Linear for attention in attentions for each in (attention.key, attention.value))
        if plain and hidden.device.type == "cpu" and hidden.dtype == torch.float32:
            return Unprojected(hidden)
        return self.project(hidden)

    def encode(self, ids: Tensor, attention_mask: Tensor, cross: CrossAttention) -> Tensor:
        """Encode complete texts bidirectionally.

        Args:
            ids: (m * r, length): r texts for each of the m items of `cross`, side by side.
            attention_mask: (m * r, length), 0 for padding.
            cross: what they attend to.

        Returns:
            (m * r, length, width) hidden states.
        """
        mask = None if bool(attention_mask.all()) else attention_mask.bool()[:, None, None, :]
        hidden = self._embed(ids, 0)
        for at, layer in enumerate(self.layers):
            hidden, _ = self._layer(layer, hidden, None, mask, cross, at)
        return hidden

    def decode(
        self,
        ids: Tensor,
        past_key_values: list[KeyValue] | None,
        cross: CrossAttention | Unprojected,
        *,
        last_only: bool,
    ) -> tuple[Tensor, list[KeyValue]]:
        """Read further tokens of texts causally.

        Args:
            ids: (m * r, k) token ids, ordered as in `encode`, without padding.
            past_key_values: of the tokens so far.
            cross: what they attend to.
            last_only: return the logits after the last token only.

        Returns:
            (m * r, k or 1, vocabulary) float32 logits, and the keys and values of all tokens.
        """
        before, length = (past_key_values[0][0].shape[2] if past_key_values else 0), ids.shape[1]
        mask = None
        if length > 1:
            mask = torch.ones(length, before + length, dtype=torch.bool, device=ids.device).tril(before)
        hidden = self._embed(ids, before)
        present = []
        for at, layer in enumerate(self.layers):
            past = past_key_values[at] if past_key_values else None
            hidden, pair = self._layer(layer, hidden, past, mask, cross, at)
            present.append(pair)
        assert self.head is not None, "an encoder has no head"
        logits: Tensor = self.head(hidden[:, -1:] if last_only else hidden)
        return logits.float(), present

    def _embed(self, ids: Tensor, before: int) -> Tensor:
        tables = self.embeddings
        position_ids = torch.arange(before, before + ids.shape[1], device=ids.device)
        hidden: Tensor = tables.LayerNorm(tables.word_embeddings(ids) + tables.position_embeddings(position_ids))
        return hidden

    def _layer(
        self,
        layer: Any,
        hidden: Tensor,
        past: KeyValue | None,
        mask: Tensor | None,
        cross: CrossAttention | Unprojected,
        at: int,
    ) -> tuple[Tensor, KeyValue]:
        attention = layer.attention.self
        keys, values = self._split(attention.key(hidden)), self._split(attention.value(hidden))
        if past is not None:
            keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
        attended = _attend(self._split(attention.query(hidden)), keys, values, mask)
        hidden = _residual(layer.attention.output, attended.transpose(1, 2).flatten(2), hidden)
        attended = self._cross_attend(layer.crossattention.self, hidden, cross, at)
        hidden = _residual(layer.crossattention.output, attended, hidden)
        return _residual(layer.output, layer.intermediate(hidden), hidden), (keys, values)

    def _cross_attend(self, attention: Any, hidden: Tensor, cross: CrossAttention | Unprojected, at: int) -> Tensor:
        """Attend to the items; the texts of one item are one long row of queries."""
        queries = attention.query(hidden)
        rows, length, width = queries.shape
        items = len(cross)
        folded = self._split(queries.view(items, rows // items * length, width))
        if isinstance(cross, Unprojected):
            attended = _attend_unprojected(attention, folded, cross.hidden)
        else:
            attended = _attend(folded, *cross.layers[at], cross.mask)
        return attended.transpose(1, 2).reshape(rows, length, width)

    def _split(self, hidden: Tensor) -> Tensor:
        """(rows, length, width) → (rows, heads, length, width / heads)."""
        return hidden.view(*hidden.shape[:2], self.heads, -1).transpose(1, 2)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention; by plain products for the few queries of a decoding step.

    Torch's fused attention takes seven times as long for one query in bfloat16 on a processor (577 keys, torch 2.15).
    """
    if queries.shape[2] > _FEW_QUERIES or queries.device.type != "cpu":
        return scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    scores = (queries * queries.shape[3] ** -0.5) @ keys.transpose(2, 3)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    attended: Tensor = scores.float().softmax(dim=-1).to(values.dtype) @ values
    return attended


def _attend_unprojected(attention: Any, queries: Tensor, hidden: Tensor) -> Tensor:
    """Attend to states without projecting them: q · (K h) is (Kᵀ q) · h, and weights that sum to 1 pass V.

    The bias of the keys moves all scores of a query alike, so it is left out.

    Args:
        attention: has the maps `key` and `value`.
        queries: (m, heads, k, size).
        hidden: (m, length, width).

    Returns:
        (m, heads, k, size).
    """
    items, heads, count, size = queries.shape
    keys, values = (each.weight.view(heads, size, -1) for each in (attention.key, attention.value))
    sought = _by_head(queries * size**-0.5) @ keys
    sought = sought.view(heads, items, count, -1).transpose(0, 1).reshape(items, heads * count, -1)
    shares = (sought @ hidden.transpose(1, 2)).softmax(dim=-1)
    found = _by_head((shares @ hidden).view(items, heads, count, -1)) @ values.transpose(1, 2)
    attended: Tensor = found.view(heads, items, count, size) + attention.value.bias.view(heads, 1, 1, size)
    return attended.transpose(0, 1)


def _by_head(rows: Tensor) -> Tensor:
    """(m, heads, k, width) → (heads, m * k, width)."""
    return rows.transpose(0, 1).reshape(rows.shape[1], -1, rows.shape[3])


def _residual(output: Any, update: Tensor, hidden: Tensor) -> Tensor:
    """Project an update, add it to the hidden states, and normalise: BERT's post-norm residual."""
    normed: Tensor = output.LayerNorm(output.dense(update) + hidden)
    return normed


class BlipState:
    """Decoder state of a `BlipTextStack` with a head.

    Args:
        stack: the decoder.
        cross: of m items; they are projected once many texts attend to each.
        past_key_values: of m * r rows; None before the first token.
    """

    def __init__(
        self, stack: BlipTextStack, cross: CrossAttention | Unprojected, past_key_values: list[KeyValue] | None = None
    ) -> None:
        self._stack, self._cross, self._past = stack, cross, past_key_values

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None, *, last_only: bool = False) -> Tensor:
        """Read k more tokens per row; see `DecoderState`. Padding is never needed."""
        assert attention_mask is None, "prompts of one image have one length"
        logits, self._past = self._stack.decode(ids, self._past, self._cross, last_only=last_only)
        return logits

    def expand(self, times: int) -> BlipState:
        """Return an independent state with repeated rows; see `DecoderState`."""
        pairs = [
            (keys.repeat_interleave(times, 0), values.repeat_interleave(times, 0)) for keys, values in self._past or []
        ]
        cross = self._cross
        if isinstance(cross, Unprojected) and times > _FEW_TEXTS:
            cross = self._stack.project(cross.hidden)
        return BlipState(self._stack, cross, pairs)

    def reorder(self, rows: Tensor) -> None:
        """Let rows continue others of the same item; see `DecoderState`."""
        self._past = [(keys[rows], values[rows]) for keys, values in self._past or []]
