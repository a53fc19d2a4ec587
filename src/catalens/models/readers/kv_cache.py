"""Decoder state of n texts: keys and values of everything read so far, so that each step reads only new tokens.

A torch reader prefills such a state from images and prompts; the loops that generate and score texts need no more.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor


class DecoderState(Protocol):
    """n texts that are being read or generated."""

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None, *, last_only: bool = False) -> Tensor:
        """Read k more tokens per row.

        Args:
            ids: (n, k) int64.
            attention_mask: (n, k), 0 for padding, which is allowed on the left only; None for no padding.
            last_only: return the logits after the last token only.

        Returns:
            (n, k or 1, vocabulary) float32 logits.
        """

    def expand(self, times: int) -> DecoderState:
        """Return an independent state in which every row is repeated `times` times, repeats side by side."""

    def reorder(self, rows: Tensor) -> None:
        """Let row i continue row `rows[i]`; both must be repeats of one row of the last `expand`."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """A decoder state after reading the prompts, with the logits of the first new token.

    Attributes:
        state: n rows that have read their prompts.
        logits: (n, vocabulary) float32, for the first new token.
        prompt_ids: token ids of each row's prompt, which a repetition penalty counts.
        max_new_tokens: how many tokens still fit the model.
    """

    state: DecoderState
    logits: Tensor
    prompt_ids: Sequence[Sequence[int]]
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class ForwardInputs:
    """Inputs of one forward pass of a transformers model.

    Attributes:
        input_ids: (n, k) new tokens.
        position_ids: (n, k) their positions.
        attention_mask: (n, length) of all tokens so far, the new ones included, 0 for padding; None for no padding.
        past_key_values: the cache, to which the model appends the new tokens.
        context: further inputs per row, such as an encoder's output.
        logits_to_keep: how many of the last tokens need logits; 0 for all.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_mask: Tensor | None
    past_key_values: Any
    context: tuple[Tensor, ...]
    logits_to_keep: int


Forward = Callable[[ForwardInputs], Tensor]
"""Runs a model over new tokens; returns at least the logits of the last `logits_to_keep` tokens."""


class CachedState:
    """A decoder state over a transformers cache.

    Args:
        forward: runs the model over new tokens; appends to the cache.
        past_key_values: a `DynamicCache` or `EncoderDecoderCache`.
        attention_mask: (n, length) of the cached tokens; 0 for padding.
        next_position: (n,) the position of the next token.
        context: further inputs per row, such as an encoder's output.
    """

    def __init__(
        self,
        forward: Forward,
        past_key_values: Any,
        attention_mask: Tensor,
        next_position: Tensor,
        context: tuple[Tensor, ...] = (),
    ) -> None:
        self._forward = forward
        self.past_key_values = past_key_values
        self.attention_mask, self.next_position, self.context = attention_mask, next_position, context
        self._padded = not bool(attention_mask.all())

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None, *, last_only: bool = False) -> Tensor:
        """Read k more tokens per row; see `DecoderState`."""
        self._padded = self._padded or attention_mask is not None
        new = torch.ones_like(ids) if attention_mask is None else attention_mask
        self.attention_mask = torch.cat([self.attention_mask, new], dim=1)
        counted = new.cumsum(dim=1)
        position_ids = (self.next_position[:, None] + counted - 1).clamp(min=0)
        self.next_position = self.next_position + counted[:, -1]
        whole = self.attention_mask if self._padded else None
        inputs = ForwardInputs(ids, position_ids, whole, self.past_key_values, self.context, int(last_only))
        logits = self._forward(inputs)
        return logits[:, -1:].float() if last_only else logits.float()

    def expand(self, times: int) -> CachedState:
        """Return an independent state with repeated rows; see `DecoderState`."""
        rows = torch.arange(len(self.attention_mask), device=self.attention_mask.device).repeat_interleave(times)
        context = tuple(each[rows] for each in self.context)
        cache = clone_cache(self.past_key_values, rows)
        return CachedState(self._forward, cache, self.attention_mask[rows], self.next_position[rows], context)

    def reorder(self, rows: Tensor) -> None:
        """Let rows continue others; see `DecoderState`."""
        # Cross-attention keys and values are the same for all repeats of a row.
        own: Any = getattr(self.past_key_values, "self_attention_cache", self.past_key_values)
        own.reorder_cache(rows)
        self.attention_mask, self.next_position = self.attention_mask[rows], self.next_position[rows]

    @classmethod
    def concat(cls, states: Sequence[CachedState]) -> CachedState:
        """Return one state with the rows of several states of one model, padded on the left to one length."""
        if len(states) == 1:
            return states[0].expand(1)
        from transformers import DynamicCache

        length = max(each.attention_mask.shape[1] for each in states)

        def padded(values: Tensor) -> Tensor:  # (n, heads, length, width)
            return torch.nn.functional.pad(values, (0, 0, length - values.shape[2], 0))

        cache = DynamicCache()
        for at in range(len(states[0].past_key_values.layers)):
            layers = [each.past_key_values.layers[at] for each in states]
            keys = torch.cat([padded(layer.keys) for layer in layers])
            cache.update(keys, torch.cat([padded(layer.values) for layer in layers]), at)
        masks = [each.attention_mask for each in states]
        padded_masks = [torch.nn.functional.pad(mask, (length - mask.shape[1], 0)) for mask in masks]
        next_position = torch.cat([each.next_position for each in states])
        return cls(states[0]._forward, cache, torch.cat(padded_masks), next_position)


def forward_causal(model: Any, inputs: ForwardInputs) -> Tensor:
    """Run a causal language model of transformers; return its logits."""
    logits: Tensor = model(
        input_ids=inputs.input_ids,
        position_ids=inputs.position_ids,
        attention_mask=inputs.attention_mask,
        use_cache=True,
        logits_to_keep=inputs.logits_to_keep,
        **cache_argument(model, inputs.past_key_values),
    ).logits
    return logits


def cache_argument(model: Any, cache: Any) -> dict[str, Any]:
    """Return the keyword argument that hands a cache to a model: `cache` in newer versions of transformers."""
    model_class: Any = type(model)
    return {_cache_name(model_class): cache}


@lru_cache
def _cache_name(model_class: Hashable) -> str:
    forward: Any = getattr(model_class, "forward")  # noqa: B009 - an attribute that Hashable does not have
    return "cache" if "cache" in inspect.signature(forward).parameters else "past_key_values"


def clone_cache(cache: Any, rows: Tensor) -> Any:
    """Return a new cache with some rows of a cache, which is left unchanged.

    Args:
        cache: a `DynamicCache` with layers of any kind, or an `EncoderDecoderCache`.
        rows: (m,) rows of the cache.
    """
    from transformers import EncoderDecoderCache

    if isinstance(cache, EncoderDecoderCache):
        own, cross = (clone_cache(each, rows) for each in (cache.self_attention_cache, cache.cross_attention_cache))
        return EncoderDecoderCache(own, cross)
    clone = copy(cache)
    clone.layers = [copy(layer) for layer in cache.layers]
    # Layers of every kind index into new tensors here.
    clone.reorder_cache(rows)
    return clone


def pad_left(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Return ids (n, length) padded on the left, and the attention mask; None if all rows have the same length."""
    length = max(len(row) for row in rows)
    ids = torch.tensor([[0] * (length - len(row)) + list(row) for row in rows], device=device)
    if all(len(row) == length for row in rows):
        return ids, None
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def pad_right(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return ids (n, length) padded on the right, and the attention mask (n, length)."""
    length = max(len(row) for row in rows)
    ids = torch.tensor([list(row) + [0] * (length - len(row)) for row in rows], device=device)
    return ids, torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows], device=device)
