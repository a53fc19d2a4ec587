"""Frozen weights in 16 bits, where 16 bits hold every value: half the memory, and products in float32 as before.

Most published language models were trained in 16 bits, whatever type their files have. A layer widens its weight when
it runs, and again for the gradient of its inputs, so results are those of float32 bit for bit.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from catalens.core.memory import drop_mapped_pages, return_freed_memory

_NARROW = (torch.float16, torch.bfloat16)
_KEPT = ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict")
"""What transformers calls the names of modules whose type it never changes."""
_ROOM = threading.local()
"""Where weights are widened, one after the other: blocks of their size between activations would fragment memory."""


class _Linear(nn.Linear):
    """A linear layer whose weight may be in 16 bits."""

    def forward(self, inputs: Tensor) -> Tensor:
        product: Tensor = _Product.apply(inputs, self.weight, self.bias)
        return product


class _Embedding(nn.Embedding):
    """Embeddings that may be kept in 16 bits."""

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids).float()


class _Product(torch.autograd.Function):
    """A product with a frozen weight, of which nothing wide is kept for the gradient."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return linear(inputs, _widened(weight), bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return grads[0] @ _widened(weight), None, None


def _widened(weight: Tensor) -> Tensor:
    """Return a weight in float32, until the next one is widened in this thread."""
    if weight.dtype == torch.float32:
        return weight
    room: Tensor | None = getattr(_ROOM, "of_thread", None)
    if room is None or room.numel() < weight.numel() or room.device != weight.device:
        with torch.inference_mode(mode=False):  # for training may have to write to it, too
            room = _ROOM.of_thread = torch.empty(weight.numel(), device=weight.device)
    return room[: weight.numel()].view_as(weight).copy_(weight)


_KINDS: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: _Linear, nn.Embedding: _Embedding}


def narrow(model: nn.Module) -> int:
    """Keep frozen float32 weights of linear layers and embeddings in 16 bits where that is exact; return the bytes won.

    Weights that a library wants in float32 whatever the model's type stay, and so do those of other kinds of layers.
    """
    wide = {name for each in model.modules() for kept in _KEPT for name in getattr(each, kept, None) or ()}
    owners: dict[nn.Parameter, list[nn.Module]] = {}
    barred: set[nn.Parameter] = set()
    for path, module in model.named_modules():
        takes = type(module) in _KINDS and not _trains(module) and wide.isdisjoint(path.split("."))
        for name, parameter in module.named_parameters(recurse=False):
            if takes and name == "weight":
                owners.setdefault(parameter, []).append(module)
            else:
                barred.add(parameter)
    kept = barred | _too_large(owners)
    won_bytes = sum(_narrow_one(each, modules) for each, modules in owners.items() if each not in kept)
    return_freed_memory()
    return won_bytes


def _too_large(owners: Mapping[nn.Parameter, Sequence[nn.Module]]) -> set[nn.Parameter]:
    """Return weights of layers that save less than the room that they are widened in grows by: mostly a head."""
    products = [each for each, modules in owners.items() if any(type(one) is nn.Linear for one in modules)]
    counts = Counter(each.nbytes for each in products)
    falling = sorted(counts, reverse=True)
    saves = (size for size, below in pairwise([*falling, 0]) if counts[size] * size // 2 >= size - below)
    largest = next(saves, 0)
    return {each for each in products if each.nbytes > largest}


def _narrow_one(parameter: nn.Parameter, modules: Sequence[nn.Module]) -> int:
    """Replace a weight in the layers that have it, several where a head is tied to embeddings; return the bytes won."""
    exact = _exactly(parameter.detach())
    if exact is not None:
        replaced = nn.Parameter(exact, requires_grad=False)
        for module in modules:
            module.weight = replaced
            module.__class__ = _KINDS[type(module)]
    drop_mapped_pages(parameter.data_ptr(), parameter.nbytes)
    return 0 if exact is None else exact.nbytes


def widen(model: nn.Module) -> None:
    """Give layers with adapters their weights in float32 again, so that a merge rounds nothing."""
    _ROOM.of_thread = None
    for module in model.modules():
        base: Any = getattr(module, "base_layer", None)
        if isinstance(base, _Linear | _Embedding):
            base.weight = nn.Parameter(base.weight.detach().float(), requires_grad=False)


def _trains(module: nn.Module) -> bool:
    return any(each.requires_grad for each in module.parameters())


def _exactly(weight: Tensor) -> Tensor | None:
    """Return a float32 weight in the first 16-bit type that holds it exactly; None if none does."""
    if weight.dtype == torch.float32:
        for dtype in _NARROW:
            narrowed = weight.to(dtype)
            if torch.equal(narrowed.float(), weight):
                return narrowed
    return None
