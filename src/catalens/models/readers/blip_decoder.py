"""BLIP's text stack, run so that all texts about a picture share the picture's keys and values.

It has the weights of the transformers model and gives the same numbers. There, every beam and every question gets
its own copy of the picture, projected anew and moved about at each step; here the rows of one picture are queries
side by side of one attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

_FEW_QUERIES = 4
Pair = tuple[Tensor, Tensor]
"""Keys and values of a layer: (rows, heads, length, width / heads) each."""


@dataclass(frozen=True, slots=True)
class Source:
    """What texts look at: m pictures, or m questions about pictures.

    Attributes:
        layers: keys and values of each layer, with m rows.
        mask: (m, 1, 1, length), False for padding; None for none.
    """

    layers: list[Pair]
    mask: Tensor | None

    def __len__(self) -> int:
        return len(self.layers[0][0])


class Med:
    """A stack of layers: self-attention, attention to a source, feed-forward.

    Args:
        bert: `BlipTextModel`.
        head: gives logits from states; None for an encoder.

    Source:
        Li et al. 2022, "BLIP", section 3.1, the mixture of encoder and decoder.
    """

    def __init__(self, bert: Any, head: nn.Module | None = None) -> None:
        self.embeddings, self.layers, self.head = bert.embeddings, list(bert.encoder.layer), head
        self.heads: int = bert.config.num_attention_heads
        self.max_tokens: int = bert.config.max_position_embeddings

    def source(self, states: Tensor, mask: Tensor | None = None) -> Source:
        """Project what texts will look at, once for all of them.

        Args:
            states: (m, length, width).
            mask: (m, length), 0 for padding; None for none.
        """
        pairs = []
        for layer in self.layers:
            attend = layer.crossattention.self
            # Read again for every word, so laid out once as it is read.
            keys, values = self._split(attend.key(states)), self._split(attend.value(states))
            pairs.append((keys.contiguous(), values.contiguous()))
        return Source(pairs, None if mask is None else mask.bool()[:, None, None, :])

    def encode(self, ids: Tensor, mask: Tensor, source: Source) -> Tensor:
        """Read whole texts, every token seeing all others.

        Args:
            ids: (m * r, length): r texts for each of the m items of the source, side by side.
            mask: (m * r, length), 0 for padding.
            source: what they look at.

        Returns:
            (m * r, length, width).
        """
        encoded = None if bool(mask.all()) else mask.bool()[:, None, None, :]
        x = self._embedded(ids, 0)
        for at, layer in enumerate(self.layers):
            x, _ = self._layer(layer, x, None, encoded, source.layers[at], source.mask)
        return x

    def decode(self, ids: Tensor, past: list[Pair] | None, source: Source, *, last: bool) -> tuple[Tensor, list[Pair]]:
        """Go on with texts, every token seeing those before it.

        Args:
            ids: (m * r, k) token ids, as in `encode`, without padding.
            past: keys and values of what was read.
            source: what they look at.
            last: only the logits after the last token are wanted.

        Returns:
            (m * r, k or 1, vocabulary) float32 logits, and the keys and values of everything read.
        """
        before, length = (past[0][0].shape[2] if past else 0), ids.shape[1]
        mask = None
        if length > 1:
            mask = torch.ones(length, before + length, dtype=torch.bool, device=ids.device).tril(before)
        x = self._embedded(ids, before)
        present = []
        for at, layer in enumerate(self.layers):
            x, pair = self._layer(layer, x, past[at] if past else None, mask, source.layers[at], source.mask)
            present.append(pair)
        assert self.head is not None, "an encoder decodes nothing"
        logits: Tensor = self.head(x[:, -1:] if last else x)
        return logits.float(), present

    def _embedded(self, ids: Tensor, before: int) -> Tensor:
        tables = self.embeddings
        places = torch.arange(before, before + ids.shape[1], device=ids.device)
        x: Tensor = tables.LayerNorm(tables.word_embeddings(ids) + tables.position_embeddings(places))
        return x

    def _layer(
        self,
        layer: Any,
        x: Tensor,
        past: Pair | None,
        mask: Tensor | None,
        source: Pair,
        source_mask: Tensor | None,
    ) -> tuple[Tensor, Pair]:
        attend = layer.attention.self
        keys, values = self._split(attend.key(x)), self._split(attend.value(x))
        if past is not None:
            keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
        y = _attend(self._split(attend.query(x)), keys, values, mask)
        x = _added(layer.attention.output, y.transpose(1, 2).flatten(2), x)
        y = self._look(layer.crossattention.self.query(x), source, source_mask)
        x = _added(layer.crossattention.output, y, x)
        return _added(layer.output, layer.intermediate(x), x), (keys, values)

    def _look(self, queries: Tensor, source: Pair, mask: Tensor | None) -> Tensor:
        """Attend to the source; the texts of one item are one long row of queries."""
        rows, length, width = queries.shape
        items = len(source[0])
        folded = self._split(queries.view(items, rows // items * length, width))
        encoded = _attend(folded, *source, mask)
        return encoded.transpose(1, 2).reshape(rows, length, width)

    def _split(self, x: Tensor) -> Tensor:
        """(rows, length, width) → (rows, heads, length, width / heads)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled attention; for the few queries of one more word by plain products.

    Torch's fused attention takes seven times as long for one query in bfloat16 on a processor (577 keys, torch 2.15).
    """
    if queries.shape[2] > _FEW_QUERIES or queries.device.type != "cpu":
        return scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    scores = (queries * queries.shape[3] ** -0.5) @ keys.transpose(2, 3)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.float().softmax(dim=-1).to(values.dtype) @ values


def _added(output: Any, y: Tensor, x: Tensor) -> Tensor:
    normed: Tensor = output.LayerNorm(output.dense(y) + x)
    return normed


class MedReading:
    """A reading by a `Med` with a head.

    Args:
        med: the stack.
        source: of m items.
        past: keys and values of what m * r rows have read; None for nothing yet.
    """

    def __init__(self, med: Med, source: Source, past: list[Pair] | None = None) -> None:
        self.med, self.source, self.past = med, source, past

    def read(self, ids: Tensor, mask: Tensor | None = None, *, last: bool = False) -> Tensor:
        """Go on with k tokens a row; see `Reading`. There is no padding here."""
        assert mask is None, "texts of one picture are as long"
        logits, self.past = self.med.decode(ids, self.past, self.source, last=last)
        return logits

    def spread(self, times: int) -> MedReading:
        """Return a copy in which every row stands `times` times; see `Reading`."""
        past = self.past or []
        pairs = [(keys.repeat_interleave(times, 0), values.repeat_interleave(times, 0)) for keys, values in past]
        return MedReading(self.med, self.source, pairs)

    def reorder(self, rows: Tensor) -> None:
        """Let rows go on from others of the same item; see `Reading`."""
        self.past = [(keys[rows], values[rows]) for keys, values in self.past or []]
