"""A language model in the middle of n texts: what it has read is kept as keys and values, so that it only ever goes on.

Every torch reader is a way to begin such readings from pictures; the loops that write and score texts need no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


class Reading(Protocol):
    """n texts that are being read or written."""

    def read(self, ids: Tensor, mask: Tensor | None = None, *, last: bool = False) -> Tensor:
        """Go on with k tokens a row.

        Args:
            ids: (n, k) int64.
            mask: (n, k), 0 for padding, which may only stand on the left; None for none.
            last: only the logits after the last token are wanted.

        Returns:
            (n, k or 1, vocabulary) float32 logits.
        """

    def spread(self, times: int) -> Reading:
        """Return a copy in which every row stands `times` times, side by side; this one may go on by itself."""

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on from what row `rows[i]` has read; both come from one row of the last `spread`."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where texts begin.

    Attributes:
        reading: n rows that have read their prompts.
        logits: (n, vocabulary) float32, for the first token to be written.
        said: the prompt of each row as token ids: what a repetition penalty counts as said.
        room: how many tokens more the model can hold.
    """

    reading: Reading
    logits: Tensor
    said: Sequence[Sequence[int]]
    room: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a model of transformers is given to go on.

    Attributes:
        ids: (n, k) new tokens.
        positions: (n, k) their places.
        mask: (n, length) of everything read and of the new tokens, 0 for padding; None where there is none.
        cache: keys and values of what was read; the model adds those of the new tokens.
        context: what else a row needs, row by row.
        keep: how many of the last tokens' logits are wanted; 0 for all.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor | None
    cache: Any
    context: tuple[Tensor, ...]
    keep: int


Forward = Callable[[Step], Tensor]
"""Runs a model over new tokens and gives their logits, or at least those of the last ones that are wanted."""


class CachedReading:
    """A reading by a model of transformers, whose cache holds the keys and values.

    Args:
        forward: runs the model over new tokens; the cache is changed by it.
        cache: a `DynamicCache` or `EncoderDecoderCache` of what was read.
        mask: (n, length) of what was read; 0 for padding.
        place: (n,) the position of the next token.
        context: what else a row needs, row by row, such as an encoder's output.
    """

    def __init__(
        self, forward: Forward, cache: Any, mask: Tensor, place: Tensor, context: tuple[Tensor, ...] = ()
    ) -> None:
        self.forward = forward
        self.cache = cache
        self.mask, self.place, self.context = mask, place, context
        self.padded = not bool(mask.all())

    def read(self, ids: Tensor, mask: Tensor | None = None, *, last: bool = False) -> Tensor:
        """Go on with k tokens a row; see `Reading`."""
        self.padded = self.padded or mask is not None
        new = torch.ones_like(ids) if mask is None else mask
        self.mask = torch.cat([self.mask, new], dim=1)
        counted = new.cumsum(dim=1)
        positions = (self.place[:, None] + counted - 1).clamp(min=0)
        self.place = self.place + counted[:, -1]
        mask = self.mask if self.padded else None
        logits = self.forward(Step(ids, positions, mask, self.cache, self.context, keep=int(last)))
        return logits[:, -1:].float() if last else logits.float()

    def spread(self, times: int) -> CachedReading:
        """Return a copy in which every row stands `times` times; see `Reading`."""
        rows = torch.arange(len(self.mask), device=self.mask.device).repeat_interleave(times)
        context = tuple(each[rows] for each in self.context)
        return CachedReading(self.forward, forked(self.cache, rows), self.mask[rows], self.place[rows], context)

    def reorder(self, rows: Tensor) -> None:
        """Let rows go on from others; see `Reading`."""
        # The picture's own keys and values are the same for all rows of one beginning.
        own: Any = getattr(self.cache, "self_attention_cache", self.cache)
        own.reorder_cache(rows)
        self.mask, self.place = self.mask[rows], self.place[rows]


def go_on(model: Any, step: Step) -> Tensor:
    """Be the `Forward` of a causal language model of transformers."""
    logits: Tensor = model(
        input_ids=step.ids,
        position_ids=step.positions,
        attention_mask=step.mask,
        past_key_values=step.cache,
        use_cache=True,
        logits_to_keep=step.keep,
    ).logits
    return logits


def forked(cache: Any, rows: Tensor) -> Any:
    """Return a cache with the keys and values of some rows, leaving the given one as it is.

    Args:
        cache: a `DynamicCache` with layers of any kind, or the pair that decoders with cross attention keep.
        rows: (m,) of the cache's rows.
    """
    from transformers import EncoderDecoderCache

    if isinstance(cache, EncoderDecoderCache):
        return EncoderDecoderCache(forked(cache.self_attention_cache, rows), forked(cache.cross_attention_cache, rows))
    fork = copy(cache)
    fork.layers = [copy(layer) for layer in cache.layers]
    # Every kind of layer takes rows into new tensors.
    fork.reorder_cache(rows)
    return fork


def stacked(readings: Sequence[CachedReading]) -> CachedReading:
    """Return one reading with the rows of several, the shorter ones padded on the left; all are of one model."""
    if len(readings) == 1:
        return readings[0].spread(1)
    from transformers import DynamicCache

    length = max(each.mask.shape[1] for each in readings)

    def padded(values: Tensor) -> Tensor:  # (n, heads, length, width)
        return torch.nn.functional.pad(values, (0, 0, length - values.shape[2], 0))

    cache = DynamicCache()
    for at in range(len(readings[0].cache.layers)):
        layers = [each.cache.layers[at] for each in readings]
        keys = torch.cat([padded(layer.keys) for layer in layers])
        cache.update(keys, torch.cat([padded(layer.values) for layer in layers]), at)
    masks = [torch.nn.functional.pad(each.mask, (length - each.mask.shape[1], 0)) for each in readings]
    place = torch.cat([each.place for each in readings])
    return CachedReading(readings[0].forward, cache, torch.cat(masks), place)


def left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Return token ids as (n, length), shorter rows padded on the left, and the mask: None where all are as long."""
    length = max(len(row) for row in rows)
    ids = torch.tensor([[0] * (length - len(row)) + list(row) for row in rows], device=device)
    if all(len(row) == length for row in rows):
        return ids, None
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def right_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids as (n, length), shorter rows padded on the right, and the mask (n, length)."""
    length = max(len(row) for row in rows)
    ids = torch.tensor([list(row) + [0] * (length - len(row)) for row in rows], device=device)
    return ids, torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows], device=device)
